/* sampled.h: where sampled blocks lie (sample.h): in the pools of a shared heap, so that their
 * frees, and only theirs, come to a slow path. */
#ifndef ALLOC_SAMPLED_H
#define ALLOC_SAMPLED_H

#include <stdbool.h>
#include <stddef.h>

struct pool;

/* Has allocations sampled from now on, once in `mean` bytes, or all of them recorded: `trace`. mean
 * 0, and no trace: none, unless somebody listens; the frees of those that were recorded are told of
 * all the same. The calling thread follows at once, each other one with its next slow path, to
 * which its next free leads. Not in a signal handler. */
void sampled_set(size_t mean, bool trace);

/* A block of the class for an allocation of `size` bytes that is sampled, as one in a block of
 * `bytes` (sample.h), instead of the block `usual`. NULL when there is no memory, in a signal
 * handler that has interrupted the allocator, or when the allocation is not recorded. Any thread,
 * with no lock held and outside of its heap. */
void *sampled_alloc(unsigned size_class, size_t size, size_t bytes, const void *usual);

/* All that was recorded will be forgotten: profile_hooks.freed need not be told any more of blocks
 * of which only a trace has told. */
void sampled_forget(void);

/* While calls are watched (watch.h): p is about to be freed, a block of the pool, or of none.
 * `bytes` of it are filled, if blocks are. `caller`: see profile_hooks. */
void sampled_watch_freed(const struct pool *pool, void *p, size_t bytes, const void *caller);

#endif
