/* test_arena.c: slots, runs, and what is known of their pages. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/purge.h"
#include "base/bits.h"
#include "base/options.h"

#include <string.h>

static size_t page;

static void set_up(void)
{
    page = os_page_bytes();
    options.thp = 0; /* but for the tests of huge pages */
}

/* ---- Everything else follows from the page bits ---- */

static unsigned slot_pages(void)
{
    return (unsigned)(POOL_BYTES >> os_page_shift);
}

static unsigned longest_free(const struct arena *arena)
{
    unsigned longest = 0, count = arena_pages();
    for (unsigned first = 0; first < count; first++) {
        first = bits_find(arena->used, false, first, count);
        unsigned end = bits_find(arena->used, true, first, count);
        if (end - first > longest)
            longest = end - first;
        first = end;
    }
    return longest;
}

static void check_slots(const struct arena *arena)
{
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++) {
        unsigned first = slot * slot_pages(), end = first + slot_pages();
        bool is_free = bits_count(arena->used, first, end) == 0;
        bool is_dirty = is_free && bits_count(arena->dirty, first, end) != 0;
        REQUIRE((arena->free_slots >> slot & 1) == is_free, "slot %u", slot);
        REQUIRE((arena->dirty_slots >> slot & 1) == is_dirty, "slot %u", slot);
    }
}

static void check_arenas(void)
{
    size_t used = 0, idle = 0;
    for (uint32_t number = 0; number < map_arena_end(); number++) {
        const struct arena *arena = map_arena(number);
        if (arena->dropped)
            continue;
        check_slots(arena);
        REQUIRE(map.longest[number] >= longest_free(arena), "arena %u", number);
        for (unsigned at = 0; at < arena_pages(); at++) {
            bool is_used = bits_test(arena->used, at), is_dirty = bits_test(arena->dirty, at);
            used += is_used;
            idle += !is_used && is_dirty;
            REQUIRE(!bits_test(arena->old, at) || (!is_used && is_dirty), "page %u", at);
            REQUIRE(!bits_test(arena->filled, at) || (!is_used && is_dirty), "page %u", at);
            REQUIRE(atomic_load(&arena->runs[at]) == 0 || is_used, "page %u", at);
        }
    }
    REQUIRE(arena_totals.used_pages == used, "%zu, %zu", arena_totals.used_pages, used);
    REQUIRE(arena_totals.idle_pages == idle, "%zu, %zu", arena_totals.idle_pages, idle);
}

/* ---- Slots ---- */

static uintptr_t take_slot(void)
{
    unsigned clean_page;
    uintptr_t start = arena_take_slot(&clean_page);
    ck_assert_uint_ne(start, 0);
    ck_assert_uint_eq(start % POOL_BYTES, 0);
    return start;
}

START_TEST(test_new_slot_is_clean)
{
    unsigned clean_page = 99;
    uintptr_t start = arena_take_slot(&clean_page);
    ck_assert_uint_ne(start, 0);
    ck_assert_uint_eq(clean_page, 0);
    ck_assert(map_in_arena((void *)start));
    ck_assert(map_in_arena((void *)(start + POOL_BYTES - 1)));
    ck_assert(!unit_is_resident((void *)start));
    ck_assert(unit_is_zero((void *)start, POOL_BYTES));
    memset((void *)start, 1, POOL_BYTES);
    ck_assert_uint_eq(arena_totals.used_pages, slot_pages());
    check_arenas();
}
END_TEST

START_TEST(test_slots_do_not_overlap)
{
    enum { SLOTS = 3 * ARENA_POOLS };
    uintptr_t slots[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++) {
        slots[i] = take_slot();
        *(uintptr_t *)slots[i] = slots[i];
    }
    for (unsigned i = 0; i < SLOTS; i++)
        REQUIRE(*(uintptr_t *)slots[i] == slots[i], "slot %u", i);
    ck_assert_uint_eq(map_arena_end(), 3);
    ck_assert_uint_eq(arena_totals.used_pages, SLOTS * slot_pages());
    check_arenas();
    for (unsigned i = 0; i < SLOTS; i++)
        arena_release_slot(slots[i], page, 0);
    ck_assert_uint_eq(arena_totals.used_pages, 0);
    ck_assert_uint_eq(arena_totals.idle_pages, SLOTS);
    check_arenas();
}
END_TEST

/* The pages that were not touched stay known as zero. */
START_TEST(test_released_slot_is_partly_clean)
{
    uintptr_t start = take_slot();
    unsigned clean_page = 99;
    arena_release_slot(start, page + 1, 0);
    ck_assert_uint_eq(arena_totals.idle_pages, 2);
    ck_assert_uint_eq(arena_take_slot(&clean_page), start);
    ck_assert_uint_eq(clean_page, 2);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    arena_release_slot(start, 0, 0); /* the two pages stay dirty */
    ck_assert_uint_eq(arena_totals.idle_pages, 2);
    ck_assert_uint_eq(arena_take_slot(&clean_page), start);
    ck_assert_uint_eq(clean_page, 2);
    check_arenas();
}
END_TEST

/* Dirty slots are taken before clean ones, each kind from the lowest address. */
START_TEST(test_order_of_slots)
{
    uintptr_t slots[8];
    for (unsigned i = 0; i < 8; i++)
        slots[i] = take_slot();
    for (unsigned i = 1; i < 8; i++)
        ck_assert_uint_eq(slots[i], slots[i - 1] + POOL_BYTES);
    arena_release_slot(slots[2], 0, 0);
    arena_release_slot(slots[6], page, 0);
    arena_release_slot(slots[4], page, 0);
    ck_assert_uint_eq(take_slot(), slots[4]);
    ck_assert_uint_eq(take_slot(), slots[6]);
    ck_assert_uint_eq(take_slot(), slots[2]);
    ck_assert_uint_eq(take_slot(), slots[7] + POOL_BYTES);
    check_arenas();
}
END_TEST

/* ---- Huge pages ---- */

static void allow_huge_pages(uint32_t heaps)
{
    options.thp = 1;
    map.heap_end = heaps;
}

/* Takes slots until the heap has `bytes`, and on to the start of a huge page's range: the last. */
static uintptr_t grow_to(size_t bytes)
{
    uintptr_t start;
    do {
        start = take_slot();
    } while (arena_totals.used_pages * page <= bytes || start % THP_BYTES != 0);
    return start;
}

START_TEST(test_grows_by_huge_pages)
{
    if (!unit_has_huge_pages("test_grows_by_huge_pages"))
        return;
    allow_huge_pages(1);
    uintptr_t small = take_slot();
    ck_assert_uint_eq(unit_resident_pages((void *)small, POOL_BYTES), 0);
    uintptr_t start = grow_to(THP_FROM);
    ck_assert_uint_eq(unit_resident_pages((void *)start, THP_BYTES), THP_BYTES / page);
    ck_assert_uint_eq(arena_totals.idle_pages, (THP_BYTES - POOL_BYTES) / page);
    check_arenas();
    unsigned clean_page;
    ck_assert_uint_eq(arena_take_slot(&clean_page), start + POOL_BYTES);
    ck_assert_uint_eq(clean_page, slot_pages());
    purge_all(0);
    ck_assert_uint_eq(unit_resident_pages((void *)start, THP_BYTES), 2 * POOL_BYTES / page);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    check_arenas();
}
END_TEST

/* One range that gets none, here because it has memory already, does not end it. */
START_TEST(test_a_refused_huge_page)
{
    if (!unit_has_huge_pages("test_a_refused_huge_page"))
        return;
    uintptr_t start = grow_to(THP_FROM);
    ((volatile char *)start)[THP_BYTES + 5 * page] = 1;
    allow_huge_pages(1);
    start = grow_to(0);
    ck_assert_uint_le(unit_resident_pages((void *)start, THP_BYTES), 2);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    start = grow_to(0);
    ck_assert_uint_eq(unit_resident_pages((void *)start, THP_BYTES), THP_BYTES / page);
    check_arenas();
}
END_TEST

START_TEST(test_runs_take_huge_pages_later)
{
    if (!unit_has_huge_pages("test_runs_take_huge_pages_later"))
        return;
    allow_huge_pages(1);
    size_t pages = THP_RUN_MAX / page;
    while (arena_totals.used_pages * page <= THP_FROM_FOR_RUNS - THP_BYTES)
        ck_assert_uint_ne(arena_take_run(pages, page, false), 0);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    while (arena_totals.used_pages * page <= THP_FROM_FOR_RUNS)
        ck_assert_uint_ne(arena_take_run(pages, page, false), 0);
    uintptr_t larger = arena_take_run(pages + 1, THP_BYTES, false);
    ck_assert_uint_eq(unit_resident_pages((void *)larger, THP_BYTES), 0);
    uintptr_t zero = arena_take_run(pages, THP_BYTES, true);
    ck_assert_uint_eq(unit_resident_pages((void *)zero, THP_BYTES), 0);
    uintptr_t run = arena_take_run(pages, THP_BYTES, false);
    ck_assert_uint_eq(unit_resident_pages((void *)run, THP_BYTES), THP_BYTES / page);
    check_arenas();
}
END_TEST

START_TEST(test_huge_pages_take_more_memory_with_more_heaps)
{
    allow_huge_pages(2);
    uintptr_t start = grow_to(THP_FROM);
    ck_assert_uint_eq(unit_resident_pages((void *)start, THP_BYTES), 0);
}
END_TEST

START_TEST(test_no_huge_pages_when_switched_off)
{
    uintptr_t start = grow_to(THP_FROM);
    ck_assert_uint_eq(unit_resident_pages((void *)start, THP_BYTES), 0);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
}
END_TEST

/* The range has memory already, as after a fault that got none. */
START_TEST(test_no_huge_pages_where_there_are_none)
{
    char *p = os_map(2 * THP_BYTES);
    *p = 1;
    char *used = (char *)(((uintptr_t)p + THP_BYTES - 1) & ~(THP_BYTES - 1));
    used[page] = 1;
    ck_assert(!os_fill_thp(used, THP_BYTES));
    ck_assert_uint_eq(unit_resident_pages(used, THP_BYTES), 2);
}
END_TEST

/* ---- Runs ---- */

static uintptr_t take_run(size_t pages)
{
    uintptr_t start = arena_take_run(pages, page, false);
    ck_assert_uint_ne(start, 0);
    ck_assert_uint_eq(arena_run_pages((void *)start), pages);
    return start;
}

START_TEST(test_run)
{
    uintptr_t start = take_run(10), found = 0;
    size_t pages = 0;
    bool retired = true;
    ck_assert_uint_eq(start % page, 0);
    ck_assert_uint_eq(arena_run_pages((void *)(start + page)), 0);
    ck_assert_uint_eq(arena_run_pages((void *)(start + 8)), 0);
    ck_assert(arena_find_run((void *)(start + 10 * page - 1), &found, &pages, &retired));
    ck_assert_uint_eq(found, start);
    ck_assert_uint_eq(pages, 10);
    ck_assert(!retired);
    ck_assert(!arena_find_run((void *)(start + 10 * page), &found, &pages, &retired));
    ck_assert(!arena_was_used((void *)start));
    ck_assert_uint_eq(arena_retire_run(start), 10);
    ck_assert_uint_eq(arena_retire_run(start), 0);
    ck_assert_uint_eq(arena_run_pages((void *)start), 0);
    ck_assert(arena_find_run((void *)start, &found, &pages, &retired));
    ck_assert(retired);
    ck_assert_uint_eq(pages, 10);
    arena_reuse_run(start, 10);
    ck_assert_uint_eq(arena_run_pages((void *)start), 10);
    check_arenas();
    arena_release_run(start);
    ck_assert_uint_eq(arena_run_pages((void *)start), 0);
    ck_assert(!arena_find_run((void *)start, &found, &pages, &retired));
    ck_assert(arena_was_used((void *)start));
    ck_assert_uint_eq(arena_totals.idle_pages, 10);
    check_arenas();
}
END_TEST

/* A run that no one has touched is populated at once; not one that should read as zero, which may
 * stay untouched, nor a large one. */
START_TEST(test_small_runs_are_populated)
{
    if (!unit_can_populate("test_small_runs_are_populated"))
        return;
    uintptr_t small = take_run(10), large = take_run((POPULATE_RUN_MAX >> os_page_shift) + 1);
    uintptr_t zero = arena_take_run(10, page, true);
    ck_assert_uint_eq(unit_resident_pages((void *)small, 10 * page), 10);
    ck_assert_uint_eq(unit_resident_pages((void *)large, 10 * page), 0);
    ck_assert_uint_eq(unit_resident_pages((void *)zero, 10 * page), 0);
}
END_TEST

/* Holes of 10, 5 and 7 pages between runs that stay. */
START_TEST(test_best_fit)
{
    static const size_t holes[] = {10, 5, 7};
    uintptr_t hole[3];
    for (unsigned i = 0; i < 3; i++) {
        hole[i] = take_run(holes[i]);
        take_run(1);
    }
    for (unsigned i = 0; i < 3; i++)
        arena_release_run(hole[i]);
    ck_assert_uint_eq(take_run(6), hole[2]);
    ck_assert_uint_eq(take_run(5), hole[1]);
    ck_assert_uint_eq(take_run(5), hole[0]);
    ck_assert_uint_eq(take_run(5), hole[0] + 5 * page);
    check_arenas();
}
END_TEST

/* Three neighbours make one free range, in whatever order they are released. */
START_TEST(test_coalescing)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const unsigned *order = orders[_i];
    uintptr_t runs[3];
    take_run(1);
    for (unsigned i = 0; i < 3; i++)
        runs[i] = take_run(20 + i);
    take_run(arena_pages() / 2); /* the rest of the arena: there is no other place */
    take_run(arena_pages() / 2 - 1 - 63);
    take_run(1); /* in a second arena: now it is known that the first is full */
    ck_assert_uint_eq(map.longest[0], 0);
    for (unsigned i = 0; i < 3; i++)
        arena_release_run(runs[order[i]]);
    ck_assert_uint_eq(take_run(63), runs[0]);
    check_arenas();
}
END_TEST

START_TEST(test_alignment)
{
    for (size_t alignment = page; alignment <= RUN_MAX; alignment *= 2) {
        take_run(1); /* so that the next place is a bad one */
        uintptr_t start = arena_take_run(3, alignment, false);
        ck_assert_uint_ne(start, 0);
        ck_assert_uint_eq(start % alignment, 0);
        check_arenas();
    }
    uintptr_t large = arena_take_run(RUN_MAX / page, RUN_MAX, false);
    ck_assert_uint_ne(large, 0);
    ck_assert_uint_eq(large % RUN_MAX, 0);
    check_arenas();
}
END_TEST

/* A range that is long enough but badly aligned does not end the search. */
START_TEST(test_alignment_in_a_later_arena)
{
    uintptr_t runs[8];
    size_t half = RUN_MAX / page;
    for (unsigned i = 0; i < 4; i++)
        runs[i] = take_run(half);
    arena_release_run(runs[1]);
    arena_release_run(runs[2]);
    uintptr_t inside = take_run(1), start = arena_take_run(half, RUN_MAX, false);
    ck_assert_uint_ne(start, 0);
    ck_assert_uint_eq(start % RUN_MAX, 0);
    ck_assert_uint_ne(inside, start);
    check_arenas();
}
END_TEST

START_TEST(test_shrink)
{
    uintptr_t start = take_run(10);
    unit_fill((void *)start, 10 * page, 1);
    ck_assert(arena_resize_run(start, 4));
    ck_assert_uint_eq(arena_run_pages((void *)start), 4);
    ck_assert_uint_eq(arena_totals.used_pages, 4);
    ck_assert_uint_eq(arena_totals.idle_pages, 6);
    ck_assert(unit_is_filled((void *)start, 4 * page, 1));
    check_arenas();
    uintptr_t next = take_run(6);
    ck_assert_uint_eq(next, start + 4 * page);
    check_arenas();
}
END_TEST

START_TEST(test_grow)
{
    uintptr_t start = take_run(4);
    unit_fill((void *)start, 4 * page, 1);
    ck_assert(arena_resize_run(start, 100));
    ck_assert_uint_eq(arena_run_pages((void *)start), 100);
    ck_assert_uint_eq(arena_totals.used_pages, 100);
    ck_assert(unit_is_filled((void *)start, 4 * page, 1));
    memset((void *)(start + 4 * page), 2, 96 * page);
    uintptr_t next = take_run(1);
    ck_assert_uint_eq(next, start + 100 * page);
    ck_assert(!arena_resize_run(start, 101));
    ck_assert_uint_eq(arena_run_pages((void *)start), 100);
    arena_release_run(next);
    ck_assert(arena_resize_run(start, 101));
    check_arenas();
}
END_TEST

START_TEST(test_grow_ends_with_the_arena)
{
    unsigned count = arena_pages();
    uintptr_t first = take_run(count / 2), second = take_run(count / 2 - 1);
    ck_assert(arena_resize_run(second, count / 2));
    ck_assert(!arena_resize_run(second, count / 2 + 1));
    ck_assert(!arena_resize_run(first, count / 2 + 1));
    check_arenas();
}
END_TEST

/* ---- Clean and dirty pages ---- */

START_TEST(test_zero_does_not_touch_clean_pages)
{
    uintptr_t start = arena_take_run(64, page, true);
    ck_assert_uint_eq(unit_resident_pages((void *)start, 64 * page), 0);
    memset((void *)start, 1, 8 * page);
    arena_release_run(start);
    ck_assert_uint_gt(purge_all(0), 0);
    ck_assert_uint_eq(arena_take_run(64, page, true), start);
    ck_assert_uint_eq(unit_resident_pages((void *)start, 64 * page), 0);
    ck_assert(unit_is_zero((void *)start, 64 * page));
}
END_TEST

/* Of a run that is partly dirty only that part is zeroed. */
START_TEST(test_zero_of_dirty_pages)
{
    uintptr_t start = take_run(10);
    memset((void *)start, 0xee, 10 * page);
    arena_release_run(start);
    uintptr_t again = arena_take_run(20, page, true);
    ck_assert_uint_eq(again, start);
    ck_assert(!unit_is_resident((void *)(again + 10 * page)));
    ck_assert(unit_is_zero((void *)again, 20 * page));
    check_arenas();
}
END_TEST

/* The pages that a run grows into count as written. */
START_TEST(test_grown_pages_are_dirty)
{
    uintptr_t start = take_run(4);
    ck_assert(arena_resize_run(start, 8));
    memset((void *)start, 0xee, 8 * page);
    ck_assert(arena_resize_run(start, 2));
    uintptr_t rest = arena_take_run(6, page, true);
    ck_assert_uint_eq(rest, start + 2 * page);
    ck_assert(unit_is_zero((void *)rest, 6 * page));
}
END_TEST

/* ---- Dropping arenas ---- */

START_TEST(test_drop_and_restore)
{
    uintptr_t slots[2 * ARENA_POOLS];
    for (unsigned i = 0; i < COUNT_OF(slots); i++)
        *(uint64_t *)(slots[i] = take_slot()) = 1;
    ck_assert(!arena_drop_free()); /* none is free */
    for (unsigned i = 0; i < ARENA_POOLS; i++)
        arena_release_slot(slots[i], page, 0);
    ck_assert(arena_drop_free());
    ck_assert(!arena_drop_free()); /* once is enough */
    check_arenas();
    ck_assert_uint_eq(*(uint64_t *)slots[ARENA_POOLS], 1);
    for (unsigned i = 0; i < ARENA_POOLS; i++) {
        uintptr_t start = take_slot();
        ck_assert_uint_eq(start, slots[i]);
        ck_assert(unit_is_zero((void *)start, POOL_BYTES));
        *(uint64_t *)start = 2;
    }
    ck_assert_uint_eq(map_arena_end(), 2);
    check_arenas();
}
END_TEST

/* ---- Everything at once, against a model ---- */

enum { PIECES = 300 };

struct piece {
    uintptr_t start; /* 0: none */
    size_t bytes;
    bool is_run;
    unsigned key;
};

/* Marks both ends of each page: enough to see pages that two pieces own. */
static void mark(const struct piece *piece)
{
    for (size_t at = 0; at < piece->bytes; at += page) {
        *(unsigned *)(piece->start + at) = piece->key;
        *(unsigned *)(piece->start + at + page - sizeof(unsigned)) = piece->key;
    }
}

static void check_marks(const struct piece *piece, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += page)
        REQUIRE(*(unsigned *)(piece->start + at) == piece->key &&
                    *(unsigned *)(piece->start + at + page - sizeof(unsigned)) == piece->key,
                "page %zu of %zu bytes", at / page, piece->bytes);
}

static void take_piece(struct piece *piece, uint64_t *random)
{
    piece->is_run = unit_random(random) % 3 != 0;
    piece->key = unit_random(random);
    piece->bytes = POOL_BYTES;
    if (!piece->is_run) {
        piece->start = take_slot();
        mark(piece);
        return;
    }
    size_t pages = 1 + (unit_random(random) % (RUN_MAX / page)) / (1 + unit_random(random) % 40);
    size_t alignment = page << unit_random(random) % 4;
    bool zero = unit_random(random) % 4 == 0;
    piece->start = arena_take_run(pages, alignment, zero);
    piece->bytes = pages * page;
    REQUIRE(piece->start != 0 && piece->start % alignment == 0, "%zu pages", pages);
    for (size_t at = 0; zero && at < piece->bytes; at += page)
        REQUIRE(unit_is_zero((void *)(piece->start + at), 64), "page %zu of %zu", at / page, pages);
    mark(piece);
}

static void release_piece(struct piece *piece, uint64_t *random)
{
    check_marks(piece, piece->bytes);
    if (piece->is_run) {
        arena_release_run(piece->start);
    } else {
        (void)random;
        arena_release_slot(piece->start, POOL_BYTES, 0);
    }
    piece->start = 0;
}

static void resize_piece(struct piece *piece, uint64_t *random)
{
    size_t pages = 1 + unit_random(random) % (2 * piece->bytes / page);
    if (!piece->is_run || pages * page > RUN_MAX || !arena_resize_run(piece->start, pages))
        return;
    size_t kept = pages * page < piece->bytes ? pages * page : piece->bytes;
    check_marks(piece, kept);
    piece->bytes = pages * page;
    mark(piece);
}

START_TEST(test_model)
{
    static struct piece pieces[PIECES];
    uint64_t random = (uint64_t)_i + 1;
    for (unsigned round = 0; round < 6000; round++) {
        unsigned fill = round / 1000 % 2 == 0 ? PIECES : PIECES / 6;
        struct piece *piece = &pieces[unit_random(&random) % fill];
        unsigned action = unit_random(&random) % 100;
        if (piece->start == 0)
            take_piece(piece, &random);
        else if (action < 70)
            release_piece(piece, &random);
        else
            resize_piece(piece, &random);
        if (action == 0 && round % 10 == 0)
            purge_all(unit_random(&random) % 4096 * page);
        if (action == 1)
            arena_drop_free();
        if (round % 50 == 0)
            check_arenas();
    }
    for (unsigned i = 0; i < PIECES; i++)
        if (pieces[i].start != 0)
            release_piece(&pieces[i], &random);
    check_arenas();
    ck_assert_uint_eq(arena_totals.used_pages, 0);
}
END_TEST

Suite *suite_arena(void)
{
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_new_slot_is_clean);
    tcase_add_test(tests, test_slots_do_not_overlap);
    tcase_add_test(tests, test_released_slot_is_partly_clean);
    tcase_add_test(tests, test_order_of_slots);
    tcase_add_test(tests, test_grows_by_huge_pages);
    tcase_add_test(tests, test_a_refused_huge_page);
    tcase_add_test(tests, test_runs_take_huge_pages_later);
    tcase_add_test(tests, test_huge_pages_take_more_memory_with_more_heaps);
    tcase_add_test(tests, test_no_huge_pages_when_switched_off);
    tcase_add_test(tests, test_no_huge_pages_where_there_are_none);
    tcase_add_test(tests, test_run);
    tcase_add_test(tests, test_small_runs_are_populated);
    tcase_add_test(tests, test_best_fit);
    tcase_add_loop_test(tests, test_coalescing, 0, 6);
    tcase_add_test(tests, test_alignment);
    tcase_add_test(tests, test_alignment_in_a_later_arena);
    tcase_add_test(tests, test_shrink);
    tcase_add_test(tests, test_grow);
    tcase_add_test(tests, test_grow_ends_with_the_arena);
    tcase_add_test(tests, test_zero_does_not_touch_clean_pages);
    tcase_add_test(tests, test_zero_of_dirty_pages);
    tcase_add_test(tests, test_grown_pages_are_dirty);
    tcase_add_test(tests, test_drop_and_restore);
    tcase_add_loop_test(tests, test_model, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}
