/* guard.c: the lock, and its repair in a forked child. */
#include "guard.h"

#include "molt_object.h"

#include "base/fork.h"
#include "base/lock.h"

static struct lock lock = LOCK_INIT(RANK_VALUE);

static void repair(void)
{
    lock_free_left(&lock);
}

/* In a forked child where the lock is left, some thread has come here before. A weak reference that
 * is asked for under the lock attaches the thread, if it has used no object yet, and that may wait
 * until the world no longer stands still: so it is done before. */
void guard_acquire(void)
{
    molt_gc_attach();
    fork_set_repair(FORK_VALUE, repair);
    lock_acquire(&lock);
}

void guard_release(void)
{
    lock_release(&lock);
}
