/* repair.c: which parts are repaired. */
#include "repair.h"

#include "arena.h"
#include "background.h"
#include "huge.h"
#include "map.h"
#include "registry.h"
#include "thread.h"

#include "base/fork.h"
#include "os/os.h"

#include <stdint.h>

static void repair_alloc(void)
{
    lock_free_left(&map_lock);
    if (lock_is_left(&arena_lock))
        arena_repair();
    lock_free_left(&arena_lock);
    if (lock_is_left(&huge_lock))
        huge_repair();
    lock_free_left(&huge_lock);
    registry_repair();
    lock_free_left(&registry_lock);
    background_repair();
}

void repair_init(void)
{
    static uint32_t *page; /* set once: init_slow may call again, when memory was refused */
    fork_set_repair(FORK_ALLOC, repair_alloc);
    if (page == NULL)
        fork_begin(page = os_map_wiped_on_fork());
}
