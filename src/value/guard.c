/* guard.c: the lock, and its repair in a forked child. */
#include "guard.h"

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

void guard_acquire(void)
{
    if (UNLIKELY(!atomic_load_explicit(&is_watching, memory_order_relaxed)))
        watch_forks();
    lock_acquire(&lock);
}

void guard_release(void)
{
    lock_release(&lock);
}
