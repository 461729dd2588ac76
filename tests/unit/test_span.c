/* test_span.c: where huge blocks lie, what is kept of freed ones, and blocks that grow. */
#include "suites.h"
#include "unit.h"

#include "alloc/footprint.h"
#include "alloc/huge.h"
#include "alloc/span.h"
#include "alloc/span_cache.h"
#include "base/options.h"
#include "base/tunables.h"
#include "molt.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)

static size_t page;

static void set_up(void)
{
    page = os_page_bytes();
    options.thp = 0; /* so that each page is resident for itself */
}

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % THP_BYTES == 0;
}

static char *take(size_t size)
{
    char *p = huge_alloc(size, 1, false);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* A block all of whose pages are resident. */
static char *take_written(size_t size)
{
    return memset(take(size), 1, size);
}

/* Whether blocks get places in the area, one behind the other; else says that the test is skipped:
 * a sanitizer keeps everything out of such address space. */
static bool has_area(const char *test)
{
    char *first = take(4 * MIB), *second = take(4 * MIB);
    huge_free(first);
    huge_free(second);
    huge_purge_all();
    if (second == first + 4 * MIB)
        return true;
    printf("skipped %s: no blocks at chosen addresses\n", test);
    return false;
}

/* ---- Places and sizes ---- */

START_TEST(test_starts)
{
    static char *blocks[200];
    uint64_t random = 1;
    for (unsigned i = 0; i < 2000; i++) {
        char **block = &blocks[unit_random(&random) % COUNT_OF(blocks)];
        size_t size = 2 * MIB + unit_random(&random) % (20 * MIB);
        if (*block != NULL && unit_random(&random) % 3 == 0) {
            huge_free(*block);
            *block = NULL;
        } else {
            *block = *block != NULL ? huge_resize(*block, size)
                                    : huge_alloc(size, 1, unit_random(&random) % 2 == 0);
        }
        REQUIRE(is_aligned(*block), "step %u: %p", i, (void *)*block);
    }
}
END_TEST

/* At most an eighth is more than the block, and nothing where limits count it. */
START_TEST(test_sizes)
{
    size_t most = 0;
    for (size_t size = page; size < 40 * MIB; size += 37 * page) {
        size_t before = footprint_now();
        char *p = take(size);
        size_t slack = footprint_now() - before - size;
        REQUIRE(slack <= size / SPAN_SLACK_PARTS, "%zu bytes more than %zu", slack, size);
        most = slack > most ? slack : most;
        REQUIRE(huge_bytes(p) == size, "%zu bytes", size);
        huge_free(p);
        huge_purge_all();
        REQUIRE(footprint_now() == before, "%zu bytes", size);
    }
    ck_assert_uint_gt(most, MIB);
    span_set_counted();
    for (size_t size = page; size < 40 * MIB; size += 37 * page) {
        size_t before = footprint_now();
        take(size);
        REQUIRE(footprint_now() - before == size, "%zu bytes", size);
    }
}
END_TEST

/* A limit may leave no address space for the alignment: the block comes all the same. */
START_TEST(test_no_place_in_the_area)
{
    take(page); /* the table is there */
    for (unsigned refused = 1; refused <= 3; refused++) {
        os_fail(refused, false);
        char *p = huge_alloc(3 * MIB, 1, false);
        os_fail(0, false);
        REQUIRE(p != NULL, "call %u refused", refused);
        unit_fill(p, 3 * MIB, refused);
        ck_assert(unit_is_filled(p, 3 * MIB, refused));
        ck_assert_uint_eq(huge_free(p), 3 * MIB);
    }
}
END_TEST

/* Where strangers lie in the way, blocks go round them. */
START_TEST(test_strangers_in_the_way)
{
    if (!has_area("test_strangers_in_the_way"))
        return;
    char *first = take(4 * MIB);
    for (unsigned i = 1; i < 4; i++) {
        char *p = first + 4 * MIB * i;
        if (mmap(p, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != p)
            ck_abort_msg("%p is taken", (void *)p);
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert(is_aligned(take_written(4 * MIB)));
}
END_TEST

/* ---- What is kept ---- */

START_TEST(test_neighbours_are_joined)
{
    if (!has_area("test_neighbours_are_joined"))
        return;
    char *blocks[4];
    for (unsigned i = 0; i < 4; i++)
        blocks[i] = take_written(4 * MIB + i % 2 * (MIB + page)); /* with holes behind some */
    static const unsigned order[] = {1, 3, 0, 2};
    for (unsigned i = 0; i < 4; i++)
        huge_free(blocks[order[i]]);
    unsigned long calls = os_calls();
    char *p = take(18 * MIB);
    ck_assert_ptr_eq(p, blocks[0]);
    ck_assert_uint_eq(os_calls(), calls);
    ck_assert_uint_eq(span_totals.cached_bytes, MIB + page);
    unit_fill(p, 18 * MIB, 1);
    ck_assert(unit_is_filled(p, 18 * MIB, 1));
}
END_TEST

START_TEST(test_the_rest_is_kept)
{
    char *p = take_written(20 * MIB);
    huge_free(p);
    unsigned long calls = os_calls();
    for (unsigned i = 0; i < 5; i++)
        ck_assert_ptr_eq(take(4 * MIB - page), p + 4 * MIB * i);
    ck_assert_uint_eq(os_calls(), calls);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
}
END_TEST

/* A small block gives the rest of its last huge page back, a large one has it: it would be split.
 */
START_TEST(test_the_last_huge_page)
{
    char *p = take_written(12 * MIB);
    size_t before = footprint_now();
    huge_free(p);
    p = take(2 * MIB + page);
    ck_assert_uint_eq(footprint_now(), before - (2 * MIB - page));
    char *large = take(4 * MIB + page);
    ck_assert_ptr_eq(large, p + 4 * MIB);
    ck_assert_uint_eq(footprint_now(), before - (2 * MIB - page));
    huge_free(large);
    huge_free(p);
    huge_purge_all();
    ck_assert_uint_eq(footprint_now(), before - 12 * MIB);
}
END_TEST

/* No piece is large enough: the largest is made longer, and the memory of the others moves there.
 */
START_TEST(test_pages_are_gathered)
{
    char *blocks[7];
    for (unsigned i = 0; i < 7; i++)
        blocks[i] = take_written(4 * MIB);
    for (unsigned i = 0; i < 7; i += 2)
        huge_free(blocks[i]);
    size_t before = footprint_now();
    ck_assert_uint_eq(span_totals.cached_bytes, 16 * MIB);
    char *p = take(14 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 2 * MIB);
    ck_assert_uint_eq(footprint_now(), before);
    ck_assert_uint_eq(unit_resident_pages(p, 14 * MIB), 14 * MIB / page);
    ck_assert(is_aligned(p));
    for (unsigned i = 1; i < 7; i += 2) {
        ck_assert_int_eq(blocks[i][4 * MIB - 1], 1);
        ck_assert_uint_eq(huge_free(blocks[i]), 4 * MIB);
    }
    unit_fill(p, 14 * MIB, 1);
    ck_assert(unit_is_filled(p, 14 * MIB, 1));
}
END_TEST

/* Zeros need no memory: none moves for them, nor is a piece made longer. */
START_TEST(test_zeros_gather_nothing)
{
    huge_free(take_written(4 * MIB));
    char *p = huge_alloc(8 * MIB, 1, true);
    ck_assert_uint_eq(unit_resident_pages(p, 8 * MIB), 0);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
}
END_TEST

/* ---- Growing ---- */

enum { GROWING_MAX = 4 };

/* Blocks grow page by page, in turns, by way of realloc: their content stays, and each is moved few
 * times. */
static void grow_in_turns(unsigned count, size_t from, size_t to, bool write, unsigned moves_max)
{
    char *blocks[GROWING_MAX] = {0};
    unsigned moves[GROWING_MAX] = {0};
    for (size_t size = from; size <= to; size += page) {
        for (unsigned i = 0; i < count; i++) {
            char *p = molt_realloc(blocks[i], size);
            REQUIRE(p != NULL, "%zu bytes", size);
            moves[i] += blocks[i] != NULL && p != blocks[i];
            blocks[i] = p;
            if (write)
                *(size_t *)(p + size - page) = size + i;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        for (size_t size = from; write && size <= to; size += page)
            REQUIRE(*(size_t *)(blocks[i] + size - page) == size + i, "block %u at %zu", i, size);
        REQUIRE(moves[i] <= moves_max, "block %u of %u was moved %u times", i, count, moves[i]);
        molt_free(blocks[i]);
    }
}

START_TEST(test_growth_moves_little)
{
    if (!has_area("test_growth_moves_little"))
        return;
    grow_in_turns(1, MIB, 256 * MIB, false, 12);
    grow_in_turns(4, MIB, 64 * MIB, false, 12);
    grow_in_turns(1, MIB, 64 * MIB, true, 12);
    grow_in_turns(4, 2 * MIB + page, 16 * MIB, true, 6);
}
END_TEST

/* The same where limits count what is mapped. */
START_TEST(test_growth_moves_little_under_limits)
{
    if (!has_area("test_growth_moves_little_under_limits"))
        return;
    span_set_counted();
    grow_in_turns(1, MIB, 256 * MIB, false, 12);
    grow_in_turns(4, MIB, 16 * MIB, true, 12);
}
END_TEST

START_TEST(test_growth_costs_few_calls)
{
    if (!has_area("test_growth_costs_few_calls"))
        return;
    unsigned long calls = os_calls();
    grow_in_turns(1, 2 * MIB + page, 64 * MIB, false, 4);
    ck_assert_uint_lt(os_calls() - calls, 200);
}
END_TEST

/* What is kept behind a block that grows becomes part of it, memory and all. */
START_TEST(test_growth_into_what_is_kept)
{
    if (!has_area("test_growth_into_what_is_kept"))
        return;
    char *p = take_written(4 * MIB), *behind = take_written(16 * MIB);
    ck_assert_ptr_eq(behind, p + 4 * MIB);
    huge_free(behind);
    unsigned long calls = os_calls();
    ck_assert_ptr_eq(huge_resize(p, 20 * MIB), p);
    ck_assert_uint_eq(os_calls(), calls);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
    ck_assert_uint_eq(unit_resident_pages(p, 20 * MIB), 20 * MIB / page);
}
END_TEST

/* A block that grows out of what is kept finds the rest of it behind. */
START_TEST(test_growth_starts_in_what_is_kept)
{
    if (!has_area("test_growth_starts_in_what_is_kept"))
        return;
    huge_free(take_written(32 * MIB));
    size_t before = footprint_now();
    grow_in_turns(1, 2 * MIB - page, 32 * MIB, true, 1);
    ck_assert_uint_le(footprint_now(), before + ARENA_BYTES);
}
END_TEST

/* Four blocks share what is kept: each has a part of it behind. */
START_TEST(test_growth_shares_what_is_kept)
{
    huge_free(take_written(64 * MIB));
    unsigned long calls = os_calls();
    char *blocks[4];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = huge_alloc_to_grow(2 * MIB);
    for (size_t size = 4 * MIB; size <= 14 * MIB; size += 2 * MIB)
        for (unsigned i = 0; i < 4; i++)
            ck_assert_ptr_eq(huge_resize(blocks[i], size), blocks[i]);
    ck_assert_uint_eq(os_calls(), calls);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(unit_resident_pages(blocks[i], 14 * MIB), 14 * MIB / page);
}
END_TEST

START_TEST(test_growth_moves_pages)
{
    if (!has_area("test_growth_moves_pages"))
        return;
    char *p = take(8 * MIB), *stranger = take(4 * MIB);
    ck_assert_ptr_eq(stranger, p + 8 * MIB);
    unit_fill(p, 8 * MIB, 1);
    char *moved = huge_resize(p, 9 * MIB);
    ck_assert(moved != NULL && moved != p && is_aligned(moved));
    ck_assert(unit_is_filled(moved, 8 * MIB, 1));
    ck_assert_uint_eq(huge_bytes(p), 0);
    for (size_t size = 9 * MIB; size <= 64 * MIB; size += MIB)
        ck_assert_ptr_eq(huge_resize(moved, size), moved);
}
END_TEST

START_TEST(test_shrinking_gives_back)
{
    size_t before = footprint_now();
    char *p = take_written(32 * MIB);
    options.huge_cache = 0;
    for (size_t size = 32 * MIB; size > 3 * MIB; size -= page) {
        REQUIRE(huge_resize(p, size) == p, "%zu bytes", size);
        size_t bytes = footprint_now() - before;
        REQUIRE(bytes >= size && bytes <= size + size / SPAN_SLACK_PARTS, "%zu for %zu", bytes,
                size);
    }
    options.huge_cache = 64 * MIB;
    p = take_written(32 * MIB);
    ck_assert_ptr_eq(huge_resize(p, 10 * MIB), p);
    ck_assert_uint_eq(span_totals.cached_bytes, 22 * MIB);
}
END_TEST

/* ---- Refusals ---- */

/* A number in each page. */
static void stamp(char *p, size_t bytes, size_t key)
{
    for (size_t at = 0; at < bytes; at += page)
        *(size_t *)(p + at) = key + at;
}

static bool is_stamped(const char *p, size_t bytes, size_t key)
{
    for (size_t at = 0; at < bytes; at += page)
        if (*(const size_t *)(p + at) != key + at)
            return false;
    return true;
}

/* All that can happen to spans, with whatever is refused; a block that does not come is no error.
 */
static void play(char **blocks, unsigned count)
{
    uint64_t random = 3;
    for (unsigned step = 0; step < 60; step++) {
        unsigned i = unit_random(&random) % count;
        size_t size = 2 * MIB + unit_random(&random) % (9 * MIB);
        if (blocks[i] != NULL && step % 3 == 0) {
            size_t bytes = huge_bytes(blocks[i]), kept = bytes < size ? bytes : size;
            char *resized = huge_resize(blocks[i], size);
            blocks[i] = resized != NULL ? resized : blocks[i];
            kept = resized != NULL ? kept : bytes;
            REQUIRE(is_stamped(blocks[i], kept, i), "step %u", step);
        } else {
            if (blocks[i] != NULL)
                huge_free(blocks[i]);
            blocks[i] = step % 5 == 0 ? huge_alloc_to_grow(size) : huge_alloc(size, 1, false);
        }
        if (blocks[i] != NULL)
            stamp(blocks[i], huge_bytes(blocks[i]), i);
    }
    for (unsigned i = 0; i < count; i++) {
        REQUIRE(blocks[i] == NULL || is_stamped(blocks[i], huge_bytes(blocks[i]), i), "%u", i);
        if (blocks[i] != NULL)
            huge_free(blocks[i]);
        blocks[i] = NULL;
    }
}

START_TEST(test_one_call_is_refused)
{
    char *blocks[6] = {0};
    play(blocks, COUNT_OF(blocks));
    unsigned long calls = os_calls();
    play(blocks, COUNT_OF(blocks));
    calls = os_calls() - calls;
    ck_assert_uint_gt(calls, 20);
    for (unsigned nth = 1; nth <= calls; nth++) {
        os_fail(nth, false);
        play(blocks, COUNT_OF(blocks));
        os_fail(0, false);
    }
    huge_purge_all();
    ck_assert_uint_eq(huge_totals.bytes, 0);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
}
END_TEST

START_TEST(test_all_later_calls_are_refused)
{
    char *blocks[6] = {0};
    for (unsigned nth = 1; nth <= 40; nth++) {
        os_fail(nth, true);
        play(blocks, COUNT_OF(blocks));
        os_fail(0, false);
        huge_purge_all();
        REQUIRE(huge_totals.bytes == 0 && span_totals.cached_bytes == 0, "from call %u on", nth);
    }
}
END_TEST

Suite *suite_span(void)
{
    Suite *suite = suite_create("span");
    TCase *tests = tcase_create("span");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_starts);
    tcase_add_test(tests, test_sizes);
    tcase_add_test(tests, test_no_place_in_the_area);
    tcase_add_test(tests, test_strangers_in_the_way);
    tcase_add_test(tests, test_neighbours_are_joined);
    tcase_add_test(tests, test_the_rest_is_kept);
    tcase_add_test(tests, test_the_last_huge_page);
    tcase_add_test(tests, test_pages_are_gathered);
    tcase_add_test(tests, test_zeros_gather_nothing);
    tcase_add_test(tests, test_growth_moves_little);
    tcase_add_test(tests, test_growth_moves_little_under_limits);
    tcase_add_test(tests, test_growth_costs_few_calls);
    tcase_add_test(tests, test_growth_into_what_is_kept);
    tcase_add_test(tests, test_growth_starts_in_what_is_kept);
    tcase_add_test(tests, test_growth_shares_what_is_kept);
    tcase_add_test(tests, test_growth_moves_pages);
    tcase_add_test(tests, test_shrinking_gives_back);
    tcase_add_test(tests, test_one_call_is_refused);
    tcase_add_test(tests, test_all_later_calls_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
