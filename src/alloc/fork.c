/* fork.c: noticing a fork, and the repair. */
#include "fork.h"

#include "arena.h"
#include "huge.h"
#include "registry.h"
#include "thread.h"

#include "os/os.h"

/* Until the real page exists, and for good where the kernel has none to offer. */
static volatile uint32_t plain_page = 1;
volatile uint32_t *fork_page = &plain_page;

void fork_init(void)
{
    uint32_t *page = fork_page == &plain_page ? os_map_wiped_on_fork() : NULL;
    if (page == NULL)
        return;
    *page = 1;
    fork_page = page;
}

void fork_in_child(void)
{
    if (fork_page == &plain_page)
        plain_page = 0;
    fork_check();
}

void fork_repair(void)
{
    if (lock_reset_in_child(&arena_lock))
        arena_repair();
    if (lock_reset_in_child(&huge_lock))
        huge_repair();
    lock_reset_in_child(&registry_lock);
    registry_reset_in_child(thread_self.heap);
    *fork_page = 1;
}
