/* span.c: sizes and places of spans; those that are kept. */
#include "span.h"

#include "footprint.h"

#include "base/options.h"
#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

struct span_totals span_totals;

/* ---- Sizes ---- */

static _Atomic bool is_counted;

void span_set_counted(void)
{
    is_counted = true;
}

static size_t round_to_huge(size_t bytes)
{
    return (bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
}

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % HUGE_PAGE_BYTES == 0;
}

/* What a span may have beyond its block. */
static size_t slack_max(size_t bytes)
{
    return is_counted || bytes < HUGE_PAGE_BYTES ? 0 : bytes / SPAN_SLACK_PARTS;
}

/* Whole huge pages, or what the block needs: then the last pages are small ones, since no huge page
 * fits. */
static size_t bytes_for(size_t bytes)
{
    size_t whole = round_to_huge(bytes);
    return whole - bytes <= slack_max(bytes) ? whole : bytes;
}

/* The next steps of a block that grows need not ask the kernel. */
static size_t bytes_to_grow(size_t bytes)
{
    size_t whole = round_to_huge(bytes);
    size_t ahead = (bytes + slack_max(bytes)) & ~(os_page_bytes() - 1);
    return ahead < whole ? ahead : whole;
}

/* ---- The area ---- */

static uintptr_t area_start, area_end, area_next;

/* A quarter of the way up to where the kernel puts mappings: above programs that are linked to
 * fixed addresses, below all that the kernel places, also where it does so from a third upwards. */
static void find_area(void)
{
    void *probe = os_map(os_page_bytes());
    if (probe == NULL)
        return;
    os_unmap(probe, os_page_bytes());
    area_start = area_next = round_to_huge((uintptr_t)probe / 4);
    area_end = area_start + (uintptr_t)probe / 16;
}

/* The next place in the area, with `room` bytes of address space; 0 if it has not so much. */
static uintptr_t next_place(size_t room, size_t alignment)
{
    if (area_start == 0)
        find_area();
    uintptr_t place = (area_next + alignment - 1) & ~(alignment - 1);
    if (place > area_end || room > area_end - place)
        place = (area_start + alignment - 1) & ~(alignment - 1);
    if (place > area_end || room > area_end - place)
        return 0;
    area_next = place + round_to_huge(room);
    return place;
}

typedef void *map_at(void *address, size_t bytes, bool *taken);

/* Maps something in the area. Where others have been faster, or older spans still lie, it goes on
 * by larger and larger steps. */
static void *map_in_area(map_at *map, size_t bytes, size_t room, size_t alignment)
{
    bool taken = true;
    void *mapped = NULL;
    for (unsigned i = 0; i < SPAN_PLACES_TRIED && taken; i++, room *= 2) {
        uintptr_t place = next_place(room, alignment);
        if (place == 0)
            break;
        mapped = map((void *)place, bytes, &taken);
    }
    return mapped;
}

typedef void *map_somewhere(size_t bytes);

/* Wherever the kernel likes: maps more and gives the ends back. */
static void *map_anywhere(map_somewhere *map, size_t bytes, size_t alignment)
{
    size_t slack = alignment - os_page_bytes();
    char *start = bytes + slack < bytes ? NULL : map(bytes + slack);
    if (start == NULL || slack == 0)
        return start;
    char *aligned = (char *)(((uintptr_t)start + alignment - 1) & ~(alignment - 1));
    size_t before = (size_t)(aligned - start), behind = slack - before;
    if (before > 0)
        os_unmap(start, before);
    if (behind > 0)
        os_unmap(aligned + bytes, behind);
    return aligned;
}

static size_t natural_alignment(size_t bytes)
{
    return bytes < HUGE_PAGE_BYTES ? os_page_bytes() : HUGE_PAGE_BYTES;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A span without a past. Where there is no address space for its alignment, only what was asked for
 * counts. */
static struct span map_fresh(size_t bytes, size_t room, size_t alignment)
{
    size_t natural = larger(alignment, natural_alignment(bytes));
    void *start = NULL;
    if (natural >= HUGE_PAGE_BYTES)
        start = map_in_area(os_map_at, bytes, room, natural);
    if (start == NULL)
        start = map_anywhere(os_map, bytes, natural);
    if (start == NULL && natural > alignment)
        start = map_anywhere(os_map, bytes, alignment);
    if (start != NULL)
        footprint_grow(bytes);
    return (struct span){start, bytes, 0};
}

/* ---- What is kept ---- */

/* A freed span, or several that touched. */
struct piece {
    char *start; /* NULL: an empty place */
    size_t bytes;
    uint64_t since_ms;
    bool is_room; /* behind a block that grows */
};

static struct piece pieces[SPAN_PIECES];

static char *piece_end(const struct piece *piece)
{
    return piece->start + piece->bytes;
}

/* Takes bytes from the start of a piece. */
static void cut_piece(struct piece *piece, size_t bytes)
{
    span_totals.cached_bytes -= bytes;
    piece->bytes -= bytes;
    piece->start = piece->bytes == 0 ? NULL : piece->start + bytes;
}

/* Gives a mapping back. Too many mappings make munmap fail where it would split one: then at least
 * the pages go. */
static bool give_back(void *start, size_t bytes)
{
    bool gone = os_unmap(start, bytes) || os_purge(start, bytes);
    if (gone) {
        span_totals.purged_bytes += bytes;
        footprint_shrink(bytes);
    }
    return gone;
}

/* Gives back at least `bytes` of a piece, huge pages from its end. */
static bool drop(struct piece *piece, size_t bytes)
{
    size_t rest = bytes >= piece->bytes ? 0 : piece->bytes - bytes;
    rest &= ~(HUGE_PAGE_BYTES - 1);
    size_t dropped = piece->bytes - rest;
    if (!give_back(piece->start + rest, dropped))
        return false;
    span_totals.cached_bytes -= dropped;
    piece->bytes = rest;
    if (rest == 0)
        piece->start = NULL;
    return true;
}

/* The piece that has been kept for longest, or an empty place. */
static struct piece *oldest(void)
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

static struct piece *piece_at(const char *start)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start == start)
            return p;
    return NULL;
}

/* The piece whose last huge page ends at an address. */
static struct piece *piece_before(const char *end)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && is_aligned(p->start) && p->start + round_to_huge(p->bytes) == end)
            return p;
    return NULL;
}

static void forget_piece(struct piece *piece)
{
    cut_piece(piece, piece->bytes);
}

/* Fills what is missing from a span's last huge page, so that it touches the next. */
static bool complete(struct piece *piece)
{
    bool taken;
    size_t missing = round_to_huge(piece->bytes) - piece->bytes;
    if (missing == 0)
        return true;
    if (is_counted || os_map_at(piece_end(piece), missing, &taken) == NULL)
        return false;
    footprint_grow(missing);
    piece->bytes += missing;
    return true;
}

/* Joins a span with the pieces before and behind it. */
static void join(struct piece *span)
{
    struct piece *behind = piece_at(span->start + round_to_huge(span->bytes));
    if (behind != NULL && complete(span)) {
        span->bytes += behind->bytes;
        forget_piece(behind);
    }
    struct piece *before = piece_before(span->start);
    if (before == NULL)
        return;
    size_t bytes = before->bytes;
    if (complete(before)) {
        span->start = before->start;
        span->bytes += before->bytes;
        span_totals.cached_bytes += before->bytes - bytes;
        forget_piece(before);
    }
}

/* A span for which nobody would have a use goes at once: one that is above the whole budget, or
 * whose start no large block can have. */
static bool is_worth_keeping(const char *start, size_t bytes)
{
    return bytes <= options.huge_cache && (bytes < HUGE_PAGE_BYTES || is_aligned(start));
}

/* Makes room for `bytes` more, at the cost of the oldest pieces. */
static bool make_room(size_t bytes)
{
    bool fits = true;
    while (fits &&
           (empty_place() == NULL || span_totals.cached_bytes + bytes > options.huge_cache)) {
        struct piece *piece = oldest();
        size_t excess = span_totals.cached_bytes + bytes - options.huge_cache;
        fits = drop(piece, empty_place() == NULL ? piece->bytes : excess);
    }
    return fits;
}

void span_keep(void *start, size_t bytes)
{
    struct piece span = {start, bytes, os_now_ms(), false};
    if (!is_worth_keeping(start, bytes) || !make_room(bytes)) {
        give_back(start, bytes);
        return;
    }
    if (is_aligned(start))
        join(&span);
    *empty_place() = span;
    span_totals.cached_bytes += span.bytes;
}

void span_decay(uint64_t since_ms)
{
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && p->since_ms <= since_ms)
            drop(p, p->bytes);
}

void span_drop_oldest(size_t bytes)
{
    size_t before = span_totals.cached_bytes;
    bool dropped = true;
    while (dropped && span_totals.cached_bytes > 0 && before - span_totals.cached_bytes < bytes)
        dropped = drop(oldest(), bytes - (before - span_totals.cached_bytes));
}

void span_forget(void)
{
    memset(pieces, 0, sizeof pieces); /* one may be unmapped already */
    span_totals.cached_bytes = 0;
}

/* ---- Taking ---- */

/* The smallest piece that is large enough. */
static struct piece *best_fit(size_t bytes, size_t alignment)
{
    struct piece *best = NULL;
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->bytes >= bytes && p->start != NULL && (uintptr_t)p->start % alignment == 0 &&
            (best == NULL || p->bytes < best->bytes))
            best = p;
    return best;
}

/* The largest that a block of `bytes` could start at. */
static struct piece *largest(size_t alignment)
{
    struct piece *largest = NULL;
    for (struct piece *p = pieces; p < pieces + SPAN_PIECES; p++)
        if (p->start != NULL && p->bytes >= HUGE_PAGE_BYTES &&
            (uintptr_t)p->start % alignment == 0 && (largest == NULL || p->bytes > largest->bytes))
            largest = p;
    return largest;
}

/* Takes whole huge pages from the start of a piece. */
static struct span take_from(struct piece *piece, size_t bytes)
{
    size_t taken = round_to_huge(bytes) < piece->bytes ? round_to_huge(bytes) : piece->bytes;
    struct span span = {piece->start, taken, taken};
    cut_piece(piece, taken);
    return span;
}

/* Moves what is kept, by whole huge pages, to where new memory would have to be zeroed. What the
 * kernel refuses to move stays; false if it has even taken the new memory away. */
static bool gather(char *to, size_t bytes)
{
    struct piece *piece;
    bool taken;
    for (; bytes >= HUGE_PAGE_BYTES; to += HUGE_PAGE_BYTES, bytes -= HUGE_PAGE_BYTES) {
        if ((piece = largest(HUGE_PAGE_BYTES)) == NULL)
            break;
        if (!os_move(piece->start, HUGE_PAGE_BYTES, to, HUGE_PAGE_BYTES))
            return os_map_at(to, HUGE_PAGE_BYTES, &taken) != NULL || taken;
        cut_piece(piece, HUGE_PAGE_BYTES);
        footprint_shrink(HUGE_PAGE_BYTES);
    }
    return true;
}

/* Maps what a piece lacks: behind its end, else in front of its start. Where that is, or NULL. */
static char *map_beside(const struct piece *piece, size_t *missing)
{
    bool taken;
    char *behind = os_map_at(piece_end(piece), *missing, &taken);
    if (behind != NULL || !taken)
        return behind;
    *missing = round_to_huge(*missing);
    return os_map_at(piece->start - *missing, *missing, &taken);
}

/* A large block keeps the rest of its last huge page, where that is memory which others have used:
 * it would be split otherwise. */
static bool keeps_last_huge_page(size_t bytes)
{
    return bytes >= HUGE_PAGE_BLOCK_MIN && !is_counted;
}

/* The largest piece made large enough, or else a fresh span; with the memory of other pieces as far
 * as there is any. */
static struct span take_gathered(size_t bytes, size_t alignment)
{
    struct piece *piece = alignment <= HUGE_PAGE_BYTES ? largest(HUGE_PAGE_BYTES) : NULL;
    size_t wanted = bytes_for(bytes);
    if (keeps_last_huge_page(bytes) && span_totals.cached_bytes >= round_to_huge(bytes))
        wanted = round_to_huge(bytes);
    size_t missing = piece != NULL ? wanted - piece->bytes : 0;
    char *fresh = piece != NULL ? map_beside(piece, &missing) : NULL;
    struct span span;
    if (fresh == NULL) {
        span = map_fresh(wanted, wanted, alignment);
        fresh = span.start;
        missing = span.bytes;
    } else {
        footprint_grow(missing);
        span.start = fresh < piece->start ? fresh : piece->start;
        span.bytes = span.carried = piece->bytes + missing;
        forget_piece(piece);
    }
    if (fresh == NULL || !is_aligned(fresh) || gather(fresh, missing))
        return span;
    give_back(span.start, span.bytes);
    return (struct span){0};
}

static struct span take_fit(size_t bytes, size_t alignment)
{
    struct piece *piece = best_fit(bytes, larger(alignment, natural_alignment(bytes)));
    if (piece == NULL)
        return (struct span){0};
    struct span span = take_from(piece, bytes);
    size_t slack = span.bytes - bytes;
    if (slack > slack_max(bytes) && !keeps_last_huge_page(bytes) &&
        give_back(span.start + bytes, slack))
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

static size_t room_for(size_t bytes)
{
    size_t room = bytes < SPAN_ROOM_MAX / SPAN_ROOM_TIMES ? bytes * SPAN_ROOM_TIMES : SPAN_ROOM_MAX;
    return larger(room, bytes);
}

/* The upper half of a piece, as one of its own; NULL if that is too small, or too many there are.
 */
static struct piece *upper_half(struct piece *piece, size_t bytes)
{
    struct piece *upper = empty_place();
    size_t half = round_to_huge(piece->bytes / 2);
    if (upper == NULL || half + bytes > piece->bytes)
        return NULL;
    *upper = *piece;
    upper->start += half;
    upper->bytes -= half;
    piece->bytes = half;
    return upper;
}

/* What lies behind it in the largest piece is room, too. If another block grows there, each has
 * half. */
struct span span_take_to_grow(size_t bytes)
{
    struct piece *piece = largest(HUGE_PAGE_BYTES);
    if (piece != NULL && piece->is_room)
        piece = upper_half(piece, bytes);
    if (piece == NULL || piece->bytes < bytes)
        return map_fresh(bytes_to_grow(bytes), room_for(bytes), os_page_bytes());
    piece->is_room = true;
    return take_from(piece, bytes);
}

/* ---- Growing and shrinking ---- */

/* Maps what is missing behind a span. One mapping that grows is better than a second one: it can be
 * moved as a whole. */
static size_t map_behind(const struct span *span, size_t wanted)
{
    bool taken;
    size_t missing = wanted - span->bytes;
    if (!os_extend(span->start, span->bytes, wanted) &&
        os_map_at(span->start + span->bytes, missing, &taken) == NULL)
        return span->bytes;
    footprint_grow(missing);
    return wanted;
}

/* Takes from the piece that begins where the span ends, if there is one. */
static size_t absorb_behind(const struct span *span, size_t wanted)
{
    struct piece *piece = piece_at(span->start + span->bytes);
    if (piece == NULL)
        return span->bytes;
    size_t bytes = round_to_huge(wanted - span->bytes);
    if (bytes > piece->bytes)
        bytes = piece->bytes;
    piece->is_room = true;
    cut_piece(piece, bytes);
    return span->bytes + bytes;
}

size_t span_extend(const struct span *span, size_t bytes)
{
    struct span longer = *span;
    size_t edge = round_to_huge(span->bytes), wanted = bytes_to_grow(bytes);
    if (longer.bytes < edge && edge < wanted && piece_at(longer.start + edge) != NULL)
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
    void *place = map_in_area(os_reserve_at, wanted, room_for(bytes), HUGE_PAGE_BYTES);
    if (place == NULL)
        place = map_anywhere(os_reserve, wanted, HUGE_PAGE_BYTES);
    if (place != NULL && os_move(span->start, span->bytes, place, wanted))
        moved = place;
    if (moved == NULL) /* there may be no address space for both places */
        moved = os_remap(span->start, span->bytes, wanted);
    if (moved != NULL)
        footprint_grow(wanted - span->bytes);
    return (struct span){moved, wanted, wanted};
}

size_t span_needed(const struct span *span, size_t bytes)
{
    return span->bytes - bytes <= slack_max(bytes) ? span->bytes : bytes_for(bytes);
}

size_t span_trim(const struct span *span, size_t needed)
{
    size_t whole = is_aligned(span->start) ? round_to_huge(needed) : span->bytes;
    if (whole < span->bytes)
        span_keep(span->start + whole, span->bytes - whole);
    else
        whole = span->bytes;
    bool trimmed = whole == needed || give_back(span->start + needed, whole - needed);
    return trimmed ? needed : whole;
}
