/* span_cache.c: the pieces: keeping, finding, joining, dropping. */
#include "span_cache.h"

#include "footprint.h"
#include "thp.h"

#include "base/options.h"
#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

struct span_totals span_totals;
_Atomic bool span_is_counted;

static NO_POINTERS struct piece pieces[SPAN_PIECES];

void span_note_mapped(size_t bytes)
{
    span_totals.mapped_bytes += bytes;
    footprint_grow(bytes);
}

void span_note_unmapped(size_t bytes)
{
    span_totals.mapped_bytes -= bytes;
    footprint_shrink(bytes);
}

/* Too many mappings make munmap fail where it would split one: then at least the pages go. */
bool span_give_back(void *start, size_t bytes)
{
    bool gone = os_unmap(start, bytes) || os_purge(start, bytes);
    if (gone) {
        span_totals.purged_bytes += bytes;
        span_note_unmapped(bytes);
    }
    return gone;
}

/* Gives back at least `bytes` of a piece: whole THPs from its end. */
static bool drop_from(struct piece *piece, size_t bytes)
{
    size_t rest = bytes >= piece->bytes ? 0 : piece->bytes - bytes;
    rest &= ~(THP_BYTES - 1);
    size_t dropped = piece->bytes - rest;
    if (!span_give_back(piece->start + rest, dropped))
        return false;
    span_totals.cached_bytes -= dropped;
    piece->bytes = rest;
    if (rest == 0)
        piece->start = NULL;
    return true;
}

/* The piece that has been kept for longest, or an empty place. */
static struct piece *oldest_piece(void)
{
    struct piece *oldest = &pieces[0];
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && (oldest->start == NULL || p->since_ms < oldest->since_ms))
            oldest = p;
    return oldest;
}

static struct piece *empty_place(void)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start == NULL)
            return p;
    return NULL;
}

struct piece *span_cache_at(const char *start)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start == start)
            return p;
    return NULL;
}

const char *span_cache_piece(size_t place, size_t *bytes)
{
    *bytes = pieces[place].bytes;
    return pieces[place].start;
}

/* The piece whose last THP ends at an address. */
static struct piece *piece_before(const char *end)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && thp_is_aligned(p->start) &&
            p->start + thp_round_up(p->bytes) == end)
            return p;
    return NULL;
}

/* Maps what is missing of a piece's last THP, so that the piece touches the next one. */
static bool complete_thp(struct piece *piece)
{
    bool taken;
    size_t missing = thp_round_up(piece->bytes) - piece->bytes;
    if (missing == 0)
        return true;
    if (span_is_counted || options.hard_limit != 0 ||
        os_map_at(piece_end(piece), missing, &taken) == NULL)
        return false;
    span_note_mapped(missing);
    piece->bytes += missing;
    return true;
}

/* Joins a span, which is about to be kept, with the pieces before and behind it. */
static void join_neighbours(struct piece *span)
{
    struct piece *behind = span_cache_at(span->start + thp_round_up(span->bytes));
    if (behind != NULL && complete_thp(span)) {
        span->bytes += behind->bytes;
        span_cache_cut(behind, behind->bytes);
    }
    struct piece *before = piece_before(span->start);
    if (before == NULL)
        return;
    size_t bytes = before->bytes;
    if (complete_thp(before)) {
        span->start = before->start;
        span->bytes += before->bytes;
        span_totals.cached_bytes += before->bytes - bytes;
        span_cache_cut(before, before->bytes);
    }
}

/* A span is not worth keeping if it is above the whole budget, or if it is large but starts where
 * no large block can. */
static bool is_worth_keeping(const char *start, size_t bytes)
{
    return bytes <= options.huge_cache && (bytes < THP_BYTES || thp_is_aligned(start));
}

/* Gives back the oldest pieces until `bytes` more fit into the budget and a place is empty. */
static bool make_cache_room(size_t bytes)
{
    bool fits = true;
    while (fits &&
           (empty_place() == NULL || span_totals.cached_bytes + bytes > options.huge_cache)) {
        struct piece *piece = oldest_piece();
        size_t excess = span_totals.cached_bytes + bytes - options.huge_cache;
        fits = drop_from(piece, empty_place() == NULL ? piece->bytes : excess);
    }
    return fits;
}

void span_cache_keep(void *start, size_t bytes)
{
    struct piece span = {start, bytes, os_now_ms(), false};
    if (!is_worth_keeping(start, bytes) || !make_cache_room(bytes)) {
        span_give_back(start, bytes);
        return;
    }
    if (thp_is_aligned(start))
        join_neighbours(&span);
    *empty_place() = span;
    span_totals.cached_bytes += span.bytes;
}

void span_cache_decay(uint64_t since_ms)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && p->since_ms <= since_ms)
            drop_from(p, p->bytes);
}

void span_cache_drop_oldest(size_t bytes)
{
    size_t before = span_totals.cached_bytes;
    bool dropped = true;
    while (dropped && span_totals.cached_bytes > 0 && before - span_totals.cached_bytes < bytes)
        dropped = drop_from(oldest_piece(), bytes - (before - span_totals.cached_bytes));
}

void span_cache_forget(void)
{
    memset(pieces, 0, sizeof pieces); /* one may be unmapped already */
    span_totals.cached_bytes = 0;
}

/* ---- Finding and cutting ---- */

struct piece *span_cache_best_fit(size_t bytes, size_t alignment)
{
    struct piece *best = NULL;
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->bytes >= bytes && p->start != NULL && (uintptr_t)p->start % alignment == 0 &&
            (best == NULL || p->bytes < best->bytes))
            best = p;
    return best;
}

struct piece *span_cache_largest(size_t alignment)
{
    struct piece *largest = NULL;
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && p->bytes >= THP_BYTES && (uintptr_t)p->start % alignment == 0 &&
            (largest == NULL || p->bytes > largest->bytes))
            largest = p;
    return largest;
}

struct piece *span_cache_split(struct piece *piece, size_t bytes)
{
    struct piece *upper = empty_place();
    size_t half = thp_round_up(piece->bytes / 2);
    if (upper == NULL || half + bytes > piece->bytes)
        return NULL;
    *upper = *piece;
    upper->start += half;
    upper->bytes -= half;
    piece->bytes = half;
    return upper;
}
