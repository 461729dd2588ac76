/* objects.h: what the object benchmarks share.
 *
 * A program is one subject. It is compiled once for each peer: PEER names the header with that
 * peer's objects, which offers
 *
 *   struct node                     two references, left and right
 *   node_new(left, right)           a new one, which takes over the references given
 *   node_set(&n->left, to)          the field, NULL until now, gets a reference of its own
 *   node_drop(&root)                lets go of the root: what only it refers to dies, at once or
 * later objects_begin()                 before all else
 *
 * and what only some programs need:
 *
 *   leaf_new(), leaf_drop(leaf)     an object without references that takes LEAF_BYTES with its
 * header node_retain(n), node_release(n) array_new(n), array_drop(&a)    a->at[0…n-1] are
 * references objects_collect()               a full collection; PEER_COLLECTS says that there is
 * one objects_disable()               from now on there are no others objects_check(n) fails unless
 * n objects have been collected, if that is known
 *
 * Programs print their figures as lines of JSON; less is better in all of them. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { LEAF_BYTES = 32 };

/* Prints {"figure": name, "value": value}. The name ends in the unit. */
void figure(double value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The argument with that number, from 1 on: a count above 0. */
size_t argument(int argc, char **argv, int number);

_Noreturn void fail(const char *what);

/* The pointer; ends the program if it is NULL. */
void *not_null(void *p);

/* The resident set now, and its peak since `peak_reset`. */
size_t resident_bytes(void);
size_t peak_bytes(void);
void peak_reset(void);

static inline double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Whoever reads memory may look at p now, and what it points to may have changed. */
static inline void is_seen(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* Below the bound, which is less than 2^32; the same sequence in every run. */
static inline size_t random_below(uint64_t *state, size_t bound)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(((*state >> 32) * bound) >> 32);
}

#endif
