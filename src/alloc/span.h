/* span.h: the mappings that huge blocks lie in.
 *
 * A span begins at a multiple of 2 MiB if it is that large. Where that adds at most an eighth to
 * its block, it is made of whole THPs (thp.h), so that none of them is ever split. It stays where
 * it is:
 *
 *   area   |block|block|  kept  |block|block that grows|  address space, unmapped ...     |block|
 *                                                       room to grow without being moved
 *
 * Spans lie in the area (area.h); one that is smaller than a THP, or finds no place there, lies
 * where the kernel puts it. Spans of freed blocks are kept (span_cache.h): a new block takes the
 * start of the smallest that is large enough, and leaves the rest; if none is, the largest is made
 * larger. A block that must be moved all the same is moved by whole THPs, to a place with seven
 * times its size of address space behind it.
 *
 * All functions but span_set_counted are called with huge_lock held. */
#ifndef ALLOC_SPAN_H
#define ALLOC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    char *start; /* NULL: no memory */
    size_t bytes;
    size_t carried; /* so many bytes from the start on come from another block: not zero */
};

/* A limit counts what is mapped: from now on no span is made larger than its block. */
void span_set_counted(void);

/* A span for a block of `bytes` (whole pages), at a multiple of `alignment`. */
struct span span_take(size_t bytes, size_t alignment);

/* The same for calloc, whose block may stay untouched for the most part: the memory of other blocks
 * is not gathered for it. */
struct span span_take_zeroed(size_t bytes, size_t alignment);

/* The same for a block that is expected to grow: with room behind it. */
struct span span_take_to_grow(size_t bytes);

/* Makes a span longer where it is, for a block of `bytes`. The span's bytes then, which may be too
 * few. */
size_t span_extend(const struct span *span, size_t bytes);

/* Moves a span to a place with room for a block of `bytes` and more. Its start is NULL if the span
 * has stayed. */
struct span span_move(const struct span *span, size_t bytes);

/* How much of a span a block that has shrunk to `bytes` needs. */
size_t span_needed(const struct span *span, size_t bytes);

/* Gives up what a span has beyond `needed` bytes. The span's bytes then: more if the kernel
 * refuses. */
size_t span_trim(const struct span *span, size_t needed);

#endif
