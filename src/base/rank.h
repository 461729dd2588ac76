/* rank.h: the order of all locks.
 *
 * A thread waits only for a lock whose rank is above those of all locks that it holds, so threads
 * never wait for each other in a circle. lock_try does not wait, so it may come in any order; what
 * it took counts as held. Of locks with the same rank a thread holds one at a time.
 *
 * Debug builds end with a line that names both locks when one is waited for out of order.
 * doc/design.md says what each lock is for, and what is called while it is held. */
#ifndef BASE_RANK_H
#define BASE_RANK_H

/* X(rank, name), from the lowest. */
#define LOCK_RANKS(X)         \
    X(COLLECTOR, "collector") \
    X(OWNER, "owner")         \
    X(STOP, "stop")           \
    X(GC_TABLE, "gc table")   \
    X(VALUE, "value")         \
    X(WEAK, "weak")           \
    X(TYPE, "type")           \
    X(CALLBACK, "callback")   \
    X(INIT, "init")           \
    X(REGISTRY, "registry")   \
    X(ARENA, "arena")         \
    X(MAP, "map")             \
    X(HUGE, "huge")

enum lock_rank {
    RANK_NONE, /* no lock has it: it was not set */
#define X(rank, name) RANK_##rank,
    LOCK_RANKS(X)
#undef X
};

/* What a lock is defined with; a free one. */
#ifdef MOLT_DEBUG
#define LOCK_INIT(of_rank) \
    {                      \
        .rank = (of_rank)  \
    }

/* The calling thread is about to wait for a lock of that rank; has taken one; lets go of it. */
void rank_check(enum lock_rank rank);
void rank_take(enum lock_rank rank);
void rank_drop(enum lock_rank rank);
#else
#define LOCK_INIT(of_rank) \
    {                      \
        .word = 0          \
    }
#endif

#endif
