/* span.h: the mappings that huge blocks lie in, and those of freed ones that wait for the next.
 *
 * A span begins at a multiple of 2 MiB if it is that large, and where that adds at most an eighth
 * to its block it is made of whole huge pages, so that none is ever split. It stays where it is:
 *
 *   area   |block|block|  kept  |block|block that grows|  address space, unmapped ...     |block|
 *                                                       room to grow without being moved
 *
 * All lie in a stretch of address space where the kernel puts nothing by itself. It is not
 * reserved, so it costs nothing that a limit counts, and who wants room behind a span just leaves
 * it free. Freed spans that touch are joined; a block takes the smallest that is large enough and
 * leaves the rest, or the largest one, which grows. Where a block must be moved all the same, it is
 * moved by whole huge pages, to a place with seven times its size behind it.
 *
 * What is kept is bounded by an option, and goes when it has not been used for some time.
 *
 * Everything else here is called with huge_lock held. */
#ifndef ALLOC_SPAN_H
#define ALLOC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    char *start; /* NULL: no memory */
    size_t bytes;
    size_t carried; /* so many bytes from the start on may not be zero */
};

/* A limit counts what is mapped: from now on no span is larger than its block. Needs no lock. */
void span_set_counted(void);

/* A span for a block of `bytes` (whole pages), at a multiple of `alignment`. */
struct span span_take(size_t bytes, size_t alignment);

/* The same for a block of zeros, which may stay untouched for the most part: one that carries
 * something over is not made larger. */
struct span span_take_zeroed(size_t bytes, size_t alignment);

/* The same for a block that will go on growing: with room behind it. */
struct span span_take_to_grow(size_t bytes);

/* Makes a span longer where it is: its bytes then, which may be too few for a block of `bytes`. */
size_t span_extend(const struct span *span, size_t bytes);

/* Moves a span to where there is room for a block of `bytes` and more. NULL: it stays. */
struct span span_move(const struct span *span, size_t bytes);

/* How much of a span a block that has shrunk to `bytes` needs. */
size_t span_needed(const struct span *span, size_t bytes);

/* The rest goes: the span's bytes then, more than `needed` if the kernel refuses. */
size_t span_trim(const struct span *span, size_t needed);

#endif
