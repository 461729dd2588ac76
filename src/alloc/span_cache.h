/* span_cache.h: the spans of freed huge blocks, which wait for the next block.
 *
 * Spans that touch are joined to one piece; a block takes the start of a piece. The pieces' bytes
 * are bounded by an option (huge_cache), and a piece goes back to the OS when no block has taken of
 * it for `decay`. All functions are called with huge_lock held. */
#ifndef ALLOC_SPAN_CACHE_H
#define ALLOC_SPAN_CACHE_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A freed span, or several that touched. */
struct piece {
    char *start; /* NULL: an empty place */
    size_t bytes;
    uint64_t since_ms;
    bool is_room; /* lies behind a block that grows, and is left to it */
};

struct span_totals {
    size_t mapped_bytes; /* in all spans, those of blocks too */
    size_t cached_bytes; /* … of which in the pieces */
    size_t purged_bytes; /* given back to the OS so far */
};

extern HIDDEN struct span_totals span_totals;

/* A limit counts what is mapped, so no span is larger than its block (span_set_counted). */
extern HIDDEN _Atomic bool span_is_counted;

/* Count memory that spans have got, and that they have given back. */
void span_note_mapped(size_t bytes);
void span_note_unmapped(size_t bytes);

static inline char *piece_end(const struct piece *piece)
{
    return piece->start + piece->bytes;
}

/* Takes the span of a freed block. */
void span_cache_keep(void *start, size_t bytes);

/* The smallest piece of at least `bytes`; NULL if there is none. */
struct piece *span_cache_best_fit(size_t bytes, size_t alignment);

/* The largest piece of at least one THP; NULL if there is none. */
struct piece *span_cache_largest(size_t alignment);

/* The piece that begins there; NULL if none does. */
struct piece *span_cache_at(const char *start);

/* Where the piece at a place (below SPAN_PIECES) begins, and its bytes; NULL: the place is empty.
 */
const char *span_cache_piece(size_t place, size_t *bytes);

/* Takes bytes from the start of a piece, for a span. */
static inline void span_cache_cut(struct piece *piece, size_t bytes)
{
    span_totals.cached_bytes -= bytes;
    piece->bytes -= bytes;
    piece->start = piece->bytes == 0 ? NULL : piece->start + bytes;
}

/* Splits a piece, and returns its upper half; NULL if that has less than `bytes`, or there are too
 * many pieces. */
struct piece *span_cache_split(struct piece *piece, size_t bytes);

/* Gives back the pieces that have been kept since then, or longer. */
void span_cache_decay(uint64_t since_ms);

/* Gives back at least `bytes`, if there are so many, from the piece on that has been kept for
 * longest. */
void span_cache_drop_oldest(size_t bytes);

/* Forgets all pieces, in a forked child whose parent was changing them. */
void span_cache_forget(void);

/* Gives a mapping back to the OS, or at least its pages. False if the OS refuses. */
bool span_give_back(void *start, size_t bytes);

#endif
