/* lock.h: a futex lock that a forked child can repair.
 *
 * No lock is taken before fork, so a child may find one held by a thread that it does not have.
 * The lock names its owner: the child frees every lock that is not its own thread's
 * (lock_reset_in_child). What a lock protects is therefore kept so that stopping at any
 * instruction loses at most some memory, and that all else can be derived again. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    _Atomic uint32_t state;   /* 0 free, 1 held, 2 held and waited for: the futex word */
    _Atomic(uintptr_t) owner; /* the holder's thread pointer; 0 when free */
};

void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline uintptr_t lock_self(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

static inline void lock_acquire(struct lock *lock)
{
    uint32_t expected = 0;
    if (UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->state, &expected, 1, memory_order_acquire, memory_order_relaxed)))
        lock_wait(lock);
    atomic_store_explicit(&lock->owner, lock_self(), memory_order_relaxed);
}

static inline bool lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&lock->owner, lock_self(), memory_order_relaxed);
    return true;
}

/* Whether the calling thread holds the lock: true only inside a signal handler that interrupted
 * the holder. */
static inline bool lock_is_mine(const struct lock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == lock_self();
}

static inline void lock_release(struct lock *lock)
{
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    if (UNLIKELY(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        lock_wake(lock);
}

/* In a forked child: frees the lock unless the only thread left is its holder. Whether a thread
 * that is gone held it. */
static inline bool lock_reset_in_child(struct lock *lock)
{
    return !lock_is_mine(lock) &&
           atomic_exchange_explicit(&lock->state, 0, memory_order_release) != 0;
}

#endif
