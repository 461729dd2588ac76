/* lock.h: a futex lock that a forked child can repair.
 *
 * No lock is taken before fork, so a child may find one held by a thread that it does not have. The
 * lock's word names its holder. By that the child frees every lock that is not held by its own
 * thread (fork.h), and a signal handler finds out whether it has interrupted the holder
 * (lock_is_mine). Stopping at any instruction under a lock loses at most some memory: all else can
 * be derived again. rank.h has the order of all locks. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "attributes.h"
#include "fork.h" // fork_survivor
#include "rank.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*  63                                        1    0
 *  +------------------------------------------+---+
 *  |  thread pointer of the holder, or 0      | W |   word
 *  +------------------------------------------+---+
 *
 * W: LOCK_WAITED, some thread sleeps until the lock is free. */
#define LOCK_WAITED ((uintptr_t)1)

struct lock {
    _Atomic(uintptr_t) word; /* 0: free */
#ifdef MOLT_DEBUG
    enum lock_rank rank;
#endif
};

/* The slow halves of lock_acquire and lock_release: takes the lock once it is free; wakes a thread
 * that sleeps for it. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

/* What names the calling thread in a lock's word. */
static inline uintptr_t lock_self(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

/* ---- The order of locks, which debug builds check (rank.h) ---- */

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

/* For the repair of a forked child: whether a thread that is gone holds the lock, and so may have
 * left half of a change in what the lock protects. That is repaired before the lock is freed: else
 * a child of this child would not know of it. */
static inline bool lock_is_left(struct lock *lock)
{
    uintptr_t holder = atomic_load_explicit(&lock->word, memory_order_relaxed) & ~LOCK_WAITED;
    return holder != 0 && holder != lock_self() && holder != fork_survivor;
}

/* Frees the lock if a thread that is gone holds it. */
static inline void lock_free_left(struct lock *lock)
{
    if (lock_is_left(lock))
        atomic_store_explicit(&lock->word, 0, memory_order_release);
}

#endif
