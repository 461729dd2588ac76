/* guard.c: the lock, and its repair in a forked child. */
#include "guard.h"

#include "molt_object.h"

#include "base/attributes.h"
#include "base/lock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static struct lock lock = LOCK_INIT(RANK_VALUE);
static atomic_bool is_watching; /* for forks */

static void reset_in_child(void)
{
    lock_reset_in_child(&lock);
}

/* Without memory for it, the next one tries again. */
static COLD void watch_forks(void)
{
    if (!atomic_exchange(&is_watching, true) && pthread_atfork(NULL, NULL, reset_in_child) != 0)
        atomic_store(&is_watching, false);
}

/* A weak reference that is asked for under the lock attaches the thread, if it has used no object
 * yet, and that may wait until the world no longer stands still: so it is done before. */
void guard_acquire(void)
{
    molt_gc_attach();
    if (UNLIKELY(!atomic_load_explicit(&is_watching, memory_order_relaxed)))
        watch_forks();
    lock_acquire(&lock);
}

void guard_release(void)
{
    lock_release(&lock);
}
