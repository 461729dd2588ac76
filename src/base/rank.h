/* rank.h: the order of all locks.
 *
 * A thread waits only for a lock whose rank is above those of all locks that it holds, so threads
 * never wait for each other in a circle. lock_try does not wait, so it may come in any order; but a
 * lock that it took counts as held. Of the locks with one rank a thread holds one at a time.
 *
 * A debug build in which a thread waits for a lock out of order ends with a line that names that
 * lock and the one it holds: the caller of lock_acquire, or whoever called it under the held lock,
 * has to change. doc/design.md says what each lock is for, and what is called while it is held. */
#ifndef BASE_RANK_H
#define BASE_RANK_H

/* X(rank, name), from the lowest rank on. */
#define LOCK_RANKS(X)         \
    X(PROFILE, "profile")     \
    X(SHARE, "share")         \
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
    X(HUGE, "huge")           \
    X(DUMP, "dump")           \
    X(MIRROR, "mirror")

enum lock_rank {
    RANK_NONE, /* of a lock that was defined without LOCK_INIT */
#define X(rank, name) RANK_##rank,
    LOCK_RANKS(X)
#undef X
};

/* LOCK_INIT(rank) initializes a lock, which is free then. */
#ifdef MOLT_DEBUG
#define LOCK_INIT(of_rank) \
    {                      \
        .rank = (of_rank)  \
    }

/* Notes of the calling thread: it is about to wait for a lock of that rank, which must be above all
 * that it holds; it has taken one; it releases one. */
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
