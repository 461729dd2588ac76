/* guard.c: the lock, and its repair in a forked child. */
#include "guard.h"

#include "molt_object.h"

#include "base/fork.h"
#include "base/lock.h"

static struct lock guard_lock = LOCK_INIT(RANK_VALUE);

static void guard_repair(void)
{
    lock_free_left(&guard_lock);
}

/* The repair is set by every thread that takes the lock, so it is set in a forked child that finds
 * the lock held. molt_weak_get is called under the lock: it attaches a thread that has used no
 * object yet, and that may have to wait until the world goes on. So the thread is attached before
 * it takes the lock. */
void guard_acquire(void)
{
    molt_gc_attach();
    fork_set_repair(FORK_VALUE, guard_repair);
    lock_acquire(&guard_lock);
}

void guard_release(void)
{
    lock_release(&guard_lock);
}
