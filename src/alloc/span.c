/* span.c: sizes of spans; taking, growing and shrinking them. */
#include "span.h"

#include "area.h"
#include "limit.h"
#include "span_cache.h"
#include "thp.h"

#include "base/tunables.h"
#include "os/os.h"

/* ---- Sizes ---- */

void span_set_counted(void)
{
    span_is_counted = true;
}

/* Whether a limit counts what is mapped. */
static bool is_counted(void)
{
    return span_is_counted || limit_is_hard();
}

/* How many bytes a span may have beyond its block. */
static size_t slack_max(size_t bytes)
{
    return is_counted() || bytes < THP_BYTES ? 0 : bytes / SPAN_SLACK_PARTS;
}

/* The bytes of a span for the block: whole THPs, or as many as the block needs, whose last part no
 * THP fits then. */
static size_t bytes_for(size_t bytes)
{
    size_t whole = thp_round_up(bytes);
    return whole - bytes <= slack_max(bytes) ? whole : bytes;
}

/* The bytes of a span for a block that grows: the next steps need not ask the kernel. */
static size_t bytes_to_grow(size_t bytes)
{
    size_t whole = thp_round_up(bytes);
    size_t ahead = (bytes + slack_max(bytes)) & ~(os_page_bytes() - 1);
    return ahead < whole ? ahead : whole;
}

static size_t natural_alignment(size_t bytes)
{
    return bytes < THP_BYTES ? os_page_bytes() : THP_BYTES;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A span of new memory. Where there is no address space for the alignment that suits THPs, it has
 * the one that was asked for. */
static struct span map_fresh(size_t bytes, size_t room, size_t alignment)
{
    size_t natural = larger(alignment, natural_alignment(bytes));
    void *start = NULL;
    if (!limit_admits(bytes))
        return (struct span){0};
    if (natural >= THP_BYTES)
        start = area_map(os_map_at, bytes, room, natural);
    if (start == NULL)
        start = area_map_outside(os_map, bytes, natural);
    if (start == NULL && natural > alignment)
        start = area_map_outside(os_map, bytes, alignment);
    if (start != NULL)
        span_note_mapped(bytes);
    return (struct span){start, bytes, 0};
}

/* ---- Taking ---- */

/* Takes whole THPs from the start of a piece. */
static struct span take_from(struct piece *piece, size_t bytes)
{
    size_t taken = thp_round_up(bytes) < piece->bytes ? thp_round_up(bytes) : piece->bytes;
    struct span span = {piece->start, taken, taken};
    span_cache_cut(piece, taken);
    return span;
}

/* Moves the memory of pieces, by whole THPs, to new memory, which the kernel would have to zero
 * otherwise. What the kernel refuses to move stays; false if it has unmapped the new memory as
 * well. */
static bool gather_thps(char *to, size_t bytes)
{
    struct piece *piece;
    bool taken;
    for (; bytes >= THP_BYTES; to += THP_BYTES, bytes -= THP_BYTES) {
        if ((piece = span_cache_largest(THP_BYTES)) == NULL)
            break;
        if (!os_move(piece->start, THP_BYTES, to, THP_BYTES))
            return os_map_at(to, THP_BYTES, &taken) != NULL || taken;
        span_cache_cut(piece, THP_BYTES);
        span_note_unmapped(THP_BYTES);
    }
    return true;
}

/* Maps the bytes that a piece lacks behind its end, else in front of its start; returns where, or
 * NULL. */
static char *map_beside(const struct piece *piece, size_t *missing)
{
    bool taken;
    if (!limit_has_room(thp_round_up(*missing)))
        return NULL;
    char *behind = os_map_at(piece_end(piece), *missing, &taken);
    if (behind != NULL || !taken)
        return behind;
    *missing = thp_round_up(*missing);
    return os_map_at(piece->start - *missing, *missing, &taken);
}

/* Whether a block keeps the rest of its last THP, where the span has been used before: the THP
 * would be split otherwise. */
static bool keeps_last_thp(size_t bytes)
{
    return bytes >= THP_HUGE_MIN && !is_counted();
}

/* Makes the largest piece large enough, or maps a fresh span; the memory of other pieces is moved
 * into what is new. */
static struct span take_gathered(size_t bytes, size_t alignment)
{
    struct piece *piece = alignment <= THP_BYTES ? span_cache_largest(THP_BYTES) : NULL;
    size_t wanted = bytes_for(bytes);
    if (keeps_last_thp(bytes) && span_totals.cached_bytes >= thp_round_up(bytes))
        wanted = thp_round_up(bytes);
    size_t missing = piece != NULL ? wanted - piece->bytes : 0;
    char *fresh = piece != NULL ? map_beside(piece, &missing) : NULL;
    struct span span;
    if (fresh == NULL) {
        span = map_fresh(wanted, wanted, alignment);
        fresh = span.start;
        missing = span.bytes;
    } else {
        span_note_mapped(missing);
        span.start = fresh < piece->start ? fresh : piece->start;
        span.bytes = span.carried = piece->bytes + missing;
        span_cache_cut(piece, piece->bytes);
    }
    if (fresh == NULL || !thp_is_aligned(fresh) || gather_thps(fresh, missing))
        return span;
    span_give_back(span.start, span.bytes);
    return (struct span){0};
}

static struct span take_fit(size_t bytes, size_t alignment)
{
    struct piece *piece = span_cache_best_fit(bytes, larger(alignment, natural_alignment(bytes)));
    if (piece == NULL)
        return (struct span){0};
    struct span span = take_from(piece, bytes);
    size_t slack = span.bytes - bytes;
    if (slack > slack_max(bytes) && !keeps_last_thp(bytes) &&
        span_give_back(span.start + bytes, slack))
        span.bytes = span.carried = bytes;
    return span;
}

struct span span_take(size_t bytes, size_t alignment)
{
    struct span span = take_fit(bytes, alignment);
    return span.start != NULL ? span : take_gathered(bytes, alignment);
}

struct span span_take_zeroed(size_t bytes, size_t alignment)
{
    struct span span = take_fit(bytes, alignment);
    return span.start != NULL ? span : map_fresh(bytes_for(bytes), bytes_for(bytes), alignment);
}

static size_t growing_room(size_t bytes)
{
    size_t room = bytes < SPAN_ROOM_MAX / SPAN_ROOM_TIMES ? bytes * SPAN_ROOM_TIMES : SPAN_ROOM_MAX;
    return larger(room, bytes);
}

/* The rest of the largest piece is room for the block to grow into. If that piece is room for
 * another block already, each has half of it. */
struct span span_take_to_grow(size_t bytes)
{
    struct piece *piece = span_cache_largest(THP_BYTES);
    if (piece != NULL && piece->is_room)
        piece = span_cache_split(piece, bytes);
    if (piece == NULL || piece->bytes < bytes)
        return map_fresh(bytes_to_grow(bytes), growing_room(bytes), os_page_bytes());
    piece->is_room = true;
    return take_from(piece, bytes);
}

/* ---- Growing and shrinking ---- */

/* Maps the bytes that are missing behind a span; the span's bytes then. First it tries to make the
 * mapping itself larger, which can be moved as a whole later, other than two mappings. */
static size_t map_behind(const struct span *span, size_t wanted)
{
    bool taken;
    size_t missing = wanted - span->bytes;
    if (!limit_admits(missing) || (!os_extend(span->start, span->bytes, wanted) &&
                                   os_map_at(span->start + span->bytes, missing, &taken) == NULL))
        return span->bytes;
    span_note_mapped(missing);
    return wanted;
}

/* Takes bytes from the piece that begins where the span ends, if there is one; the span's bytes
 * then. */
static size_t absorb_behind(const struct span *span, size_t wanted)
{
    struct piece *piece = span_cache_at(span->start + span->bytes);
    if (piece == NULL)
        return span->bytes;
    size_t bytes = thp_round_up(wanted - span->bytes);
    if (bytes > piece->bytes)
        bytes = piece->bytes;
    piece->is_room = true;
    span_cache_cut(piece, bytes);
    return span->bytes + bytes;
}

size_t span_extend(const struct span *span, size_t bytes)
{
    struct span longer = *span;
    size_t edge = thp_round_up(span->bytes), wanted = bytes_to_grow(bytes);
    if (longer.bytes < edge && edge < wanted && span_cache_at(longer.start + edge) != NULL)
        longer.bytes = map_behind(&longer, edge);
    if (longer.bytes < wanted)
        longer.bytes = absorb_behind(&longer, wanted);
    if (longer.bytes < wanted)
        longer.bytes = map_behind(&longer, wanted);
    return longer.bytes;
}

struct span span_move(const struct span *span, size_t bytes)
{
    size_t wanted = bytes_to_grow(bytes);
    char *moved = NULL;
    if (!limit_admits(wanted - span->bytes))
        return (struct span){0};
    void *place = area_map(os_reserve_at, wanted, growing_room(bytes), THP_BYTES);
    if (place == NULL)
        place = area_map_outside(os_reserve, wanted, THP_BYTES);
    if (place != NULL && os_move(span->start, span->bytes, place, wanted))
        moved = place;
    if (moved == NULL) /* perhaps there is no address space for the old and the new place */
        moved = os_remap(span->start, span->bytes, wanted);
    if (moved != NULL)
        span_note_mapped(wanted - span->bytes);
    return (struct span){moved, wanted, wanted};
}

size_t span_needed(const struct span *span, size_t bytes)
{
    return span->bytes - bytes <= slack_max(bytes) ? span->bytes : bytes_for(bytes);
}

size_t span_trim(const struct span *span, size_t needed)
{
    size_t whole = thp_is_aligned(span->start) ? thp_round_up(needed) : span->bytes;
    if (whole < span->bytes)
        span_cache_keep(span->start + whole, span->bytes - whole);
    else
        whole = span->bytes;
    bool trimmed = whole == needed || span_give_back(span->start + needed, whole - needed);
    return trimmed ? needed : whole;
}
