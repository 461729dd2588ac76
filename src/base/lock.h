/* lock.h: a futex lock that a forked child can repair.
 *
 * No lock is taken before fork, so a child may find one held by a thread that it does not have.
 * The lock's word names its holder: the child frees every lock that is not its own thread's
 * (fork.h), and a signal handler can tell whether it interrupted the holder (lock_is_mine). What a
 * lock protects is kept so that stopping at any instruction loses at most some memory, and that all
 * else can be derived again. rank.h has the order of all locks. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "attributes.h"
#include "fork.h" // fork_survivor
#include "rank.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_WAITED ((uintptr_t)1) /* somebody sleeps until the lock is free */

struct lock {
    _Atomic(uintptr_t) word; /* 0: free; else the holder's thread pointer, with LOCK_WAITED in it */
#ifdef MOLT_DEBUG
    enum lock_rank rank;
#endif
};

void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline uintptr_t lock_self(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

/* ---- What debug builds keep of the order ---- */

#ifdef MOLT_DEBUG
static inline void lock_check_order(const struct lock *lock)
{
    rank_check(lock->rank);
}

static inline void lock_note_taken(const struct lock *lock)
{
    rank_take(lock->rank);
}

static inline void lock_note_released(const struct lock *lock)
{
    rank_drop(lock->rank);
}
#else
static inline void lock_check_order(const struct lock *lock)
{
    (void)lock;
}

static inline void lock_note_taken(const struct lock *lock)
{
    (void)lock;
}

static inline void lock_note_released(const struct lock *lock)
{
    (void)lock;
}
#endif

/* ---- Taking and giving up ---- */

static inline bool lock_try(struct lock *lock)
{
    uintptr_t expected = 0;
    bool is_taken = atomic_compare_exchange_strong_explicit(
        &lock->word, &expected, lock_self(), memory_order_acquire, memory_order_relaxed);
    if (is_taken)
        lock_note_taken(lock);
    return is_taken;
}

static inline void lock_acquire(struct lock *lock)
{
    lock_check_order(lock);
    if (LIKELY(lock_try(lock)))
        return;
    lock_wait(lock);
    lock_note_taken(lock);
}

static inline void lock_release(struct lock *lock)
{
    lock_note_released(lock);
    if (UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) & LOCK_WAITED))
        lock_wake(lock);
}

/* Whether the calling thread holds the lock: true only inside a signal handler that interrupted
 * the holder. */
static inline bool lock_is_mine(struct lock *lock)
{
    uintptr_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    return (word & ~LOCK_WAITED) == lock_self();
}

/* While a forked child is repaired: whether a thread that is gone holds the lock, and has perhaps
 * changed half of what it protects. That is repaired first, or a child of the child would not know
 * of it; then the lock is freed. */
static inline bool lock_is_left(struct lock *lock)
{
    uintptr_t holder = atomic_load_explicit(&lock->word, memory_order_relaxed) & ~LOCK_WAITED;
    return holder != 0 && holder != lock_self() && holder != fork_survivor;
}

static inline void lock_free_left(struct lock *lock)
{
    if (lock_is_left(lock))
        atomic_store_explicit(&lock->word, 0, memory_order_release);
}

#endif
