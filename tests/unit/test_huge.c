/* test_huge.c: the table of huge blocks and the cache of their mappings. */
#include "suites.h"
#include "unit.h"

#include "alloc/huge.h"
#include "alloc/span_cache.h"
#include "base/options.h"
#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

#define MIB ((size_t)1 << 20)

static size_t page;

static void set_up(void)
{
    page = os_page_bytes();
}

static char *take(size_t size)
{
    char *p = huge_alloc(size, 1, false);
    ck_assert_ptr_nonnull(p);
    return p;
}

START_TEST(test_one)
{
    char *p = take(3 * MIB + 1);
    size_t bytes = 3 * MIB + page, found = 0;
    ck_assert_uint_eq((uintptr_t)p % page, 0);
    ck_assert_uint_eq(huge_bytes(p), bytes);
    ck_assert_uint_eq(huge_totals.bytes, bytes);
    ck_assert_uint_eq(huge_totals.blocks, 1);
    memset(p, 1, bytes);
    ck_assert_uint_eq(huge_bytes(p + page), 0);
    ck_assert_uint_eq(huge_bytes(p + 8), 0);
    ck_assert_uint_eq(huge_find(p + bytes - 1, &found), (uintptr_t)p);
    ck_assert_uint_eq(found, bytes);
    ck_assert_uint_eq(huge_find(p + bytes, &found), 0);
    ck_assert_uint_eq(huge_freed_bytes(p), 0);
    ck_assert_uint_eq(huge_free(p), bytes);
    ck_assert_uint_eq(huge_bytes(p), 0);
    ck_assert_uint_eq(huge_freed_bytes(p), bytes);
    ck_assert_uint_eq(huge_free(p), 0);
    ck_assert_uint_eq(huge_totals.bytes, 0);
    ck_assert_uint_eq(huge_totals.blocks, 0);
}
END_TEST

START_TEST(test_strangers)
{
    int local = 0;
    size_t bytes;
    ck_assert_uint_eq(huge_bytes(NULL), 0); /* there is no table yet */
    ck_assert_uint_eq(huge_free(&local), 0);
    take(MIB);
    ck_assert_uint_eq(huge_bytes(NULL), 0);
    ck_assert_uint_eq(huge_bytes(&local), 0);
    ck_assert_uint_eq(huge_free(NULL), 0);
    ck_assert_uint_eq(huge_find(&local, &bytes), 0);
    ck_assert_uint_eq(huge_freed_bytes(&local), 0);
}
END_TEST

START_TEST(test_table_grows)
{
    enum { BLOCKS = 3000 };
    static char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = take(1 + i % 3 * page);
        blocks[i][0] = (char)i;
    }
    ck_assert_uint_eq(huge_totals.blocks, BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        REQUIRE(huge_bytes(blocks[i]) == (1 + i % 3) * page, "block %u", i);
        REQUIRE(blocks[i][0] == (char)i, "block %u", i);
    }
    for (unsigned i = 0; i < BLOCKS; i += 2)
        REQUIRE(huge_free(blocks[i]) != 0, "block %u", i);
    for (unsigned i = 0; i < BLOCKS; i++)
        REQUIRE((huge_bytes(blocks[i]) != 0) == (i % 2 == 1), "block %u", i);
    for (unsigned i = 1; i < BLOCKS; i += 2)
        REQUIRE(huge_free(blocks[i]) != 0, "block %u", i);
    ck_assert_uint_eq(huge_totals.blocks, 0);
    ck_assert_uint_eq(huge_totals.bytes, 0);
}
END_TEST

/* Freed entries are used again or dropped: the table does not grow with time. */
START_TEST(test_table_forgets)
{
    options.huge_cache = 0;
    size_t most = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char *p = take((1 + i % 7) * page);
        char *other = i % 5 == 0 ? take(page) : NULL;
        REQUIRE(huge_free(p) != 0, "round %u", i);
        if (other != NULL)
            REQUIRE(huge_free(other) != 0, "round %u", i);
        most = huge_totals.table_bytes > most ? huge_totals.table_bytes : most;
    }
    ck_assert_uint_le(most, 16 << 10);
    ck_assert_uint_eq(huge_totals.blocks, 0);
}
END_TEST

START_TEST(test_alignments)
{
    for (size_t alignment = 1; alignment <= 256 * MIB; alignment *= 2) {
        char *p = huge_alloc(3 * page, alignment, false);
        ck_assert_ptr_nonnull(p);
        REQUIRE((uintptr_t)p % alignment == 0, "alignment %zu", alignment);
        REQUIRE(huge_bytes(p) == 3 * page, "alignment %zu", alignment);
        memset(p, 1, 3 * page);
    }
    ck_assert_uint_eq(huge_totals.bytes, 3 * page * huge_totals.blocks);
}
END_TEST

START_TEST(test_impossible)
{
    ck_assert_ptr_null(huge_alloc(SIZE_MAX, 1, false));
    ck_assert_ptr_null(huge_alloc(SIZE_MAX - page, 1, false));
    ck_assert_ptr_null(huge_alloc(PTRDIFF_MAX, 1, false));
    ck_assert_ptr_null(huge_alloc(1, (size_t)1 << 63, false));
    ck_assert_ptr_null(huge_alloc((size_t)1 << 63, (size_t)1 << 63, false));
    ck_assert_uint_eq(huge_totals.blocks, 0);
    char *p = take(MIB);
    ck_assert_ptr_null(huge_resize(p, SIZE_MAX));
    ck_assert_ptr_null(huge_resize(p, PTRDIFF_MAX));
    ck_assert_uint_eq(huge_bytes(p), MIB);
}
END_TEST

/* ---- The cache ---- */

START_TEST(test_cache_serves_again)
{
    char *p = take(4 * MIB);
    memset(p, 1, 4 * MIB);
    ck_assert_uint_eq(huge_free(p), 4 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
    ck_assert(unit_is_resident(p));
    char *again = take(4 * MIB);
    ck_assert_ptr_eq(again, p);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
    ck_assert_uint_eq(huge_bytes(again), 4 * MIB);
}
END_TEST

START_TEST(test_cache_takes_the_nearest)
{
    char *small = take(4 * MIB), *large = take(20 * MIB), *middle = take(8 * MIB);
    take(2 * MIB);
    huge_free(small);
    huge_free(middle);
    ck_assert_uint_eq(span_totals.cached_bytes, 12 * MIB);
    char *p = take(7 * MIB);
    ck_assert_ptr_eq(p, middle);
    ck_assert_uint_eq(huge_bytes(p), 7 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
    huge_free(large);
    ck_assert_uint_eq(span_totals.cached_bytes, 24 * MIB);
    if (large == small + 4 * MIB)
        ck_assert_ptr_eq(take(24 * MIB), small);
}
END_TEST

/* Zero means zero, also from the cache; below and above the size from which pages are given back.
 */
START_TEST(test_cache_zeroes)
{
    static const size_t sizes[][2] = {{3, 3}, {3, 5}, {5, 3}, {16, 16}, {16, 30}, {30, 16}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t before = sizes[i][0] * MIB, after = sizes[i][1] * MIB + page;
        char *p = take(before);
        memset(p, 0xee, before);
        huge_free(p);
        char *zeroed = huge_alloc(after, 1, true);
        ck_assert_ptr_nonnull(zeroed);
        REQUIRE(unit_is_zero(zeroed, after), "%zu MiB to %zu", sizes[i][0], sizes[i][1]);
        huge_free(zeroed);
        huge_purge_all();
    }
}
END_TEST

START_TEST(test_zero_does_not_touch_new_pages)
{
    char *p = huge_alloc(32 * MIB, 1, true);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(unit_resident_pages(p, 32 * MIB), 0);
}
END_TEST

START_TEST(test_cache_budget)
{
    options.huge_cache = 10 * MIB;
    char *blocks[4];
    for (unsigned i = 0; i < 4; i++)
        blocks[i] = take(4 * MIB);
    char *large = take(11 * MIB);
    for (unsigned i = 0; i < 4; i++) {
        huge_free(blocks[i]);
        ck_assert_uint_le(span_totals.cached_bytes, options.huge_cache);
    }
    ck_assert_uint_eq(span_totals.cached_bytes, 10 * MIB);
    huge_free(large); /* does not fit at all, and drives none out */
    ck_assert_uint_eq(span_totals.cached_bytes, 10 * MIB);
    options.huge_cache = 0;
    huge_free(take(4 * MIB));
    ck_assert_uint_eq(span_totals.cached_bytes, 6 * MIB);
}
END_TEST

START_TEST(test_cache_has_few_places)
{
    char *blocks[SPAN_PIECES * 2];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = take((i + 1) * page);
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        huge_free(blocks[i]);
    size_t kept = 0;
    for (unsigned i = SPAN_PIECES; i < COUNT_OF(blocks); i++)
        kept += (i + 1) * page;
    ck_assert_uint_le(span_totals.cached_bytes, kept);
    ck_assert_uint_gt(span_totals.cached_bytes, 0);
}
END_TEST

START_TEST(test_cache_decays)
{
    huge_free(take(4 * MIB));
    uint64_t now = os_now_ms();
    huge_tick(now);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
    size_t purged = span_totals.purged_bytes;
    huge_tick(now + options.decay + 1);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
    ck_assert_uint_eq(span_totals.purged_bytes, purged + 4 * MIB);
}
END_TEST

START_TEST(test_purge_all)
{
    ck_assert_uint_eq(huge_purge_all(), 0);
    huge_free(take(4 * MIB));
    ck_assert_uint_eq(huge_purge_all(), 4 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
    ck_assert_uint_eq(huge_purge_all(), 0);
    char *p = take(4 * MIB);
    memset(p, 1, 4 * MIB);
}
END_TEST

/* ---- Resizing ---- */

START_TEST(test_resize)
{
    static const size_t sizes[] = {5, 4, 9, 3, 64, 64, 2};
    char *p = take(3 * MIB);
    size_t bytes = 3 * MIB;
    unit_fill(p, bytes, 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t size = sizes[i] * MIB + i;
        char *moved = huge_resize(p, size);
        ck_assert_ptr_nonnull(moved);
        size_t kept = size < bytes ? size : bytes;
        ck_assert(unit_is_filled(moved, kept, (unsigned)i + 1));
        bytes = huge_bytes(moved);
        ck_assert_uint_eq(bytes, os_round_to_pages(size));
        ck_assert(moved == p || huge_bytes(p) == 0);
        unit_fill(moved, bytes, (unsigned)i + 2);
        ck_assert_uint_eq(huge_totals.bytes, bytes);
        ck_assert_uint_eq(huge_totals.blocks, 1);
        p = moved;
    }
    ck_assert_uint_eq(huge_free(p), bytes);
}
END_TEST

START_TEST(test_resize_to_the_same)
{
    char *p = take(3 * MIB);
    unsigned long calls = os_calls();
    ck_assert_ptr_eq(huge_resize(p, 3 * MIB - 100), p);
    ck_assert_uint_eq(os_calls(), calls);
}
END_TEST

/* Whatever the table's fill, what stays as it is needs no memory. */
START_TEST(test_resize_to_the_same_needs_no_memory)
{
    char *blocks[200];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = take(3 * MIB);
        os_fail(1, true);
        REQUIRE(huge_resize(blocks[i], 3 * MIB - 1) == blocks[i], "with %u blocks", i + 1);
        os_fail(0, false);
    }
}
END_TEST

/* A table full of blocks must make room before it learns of the new address. */
START_TEST(test_resize_among_many)
{
    enum { BLOCKS = 500 };
    static char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++)
        unit_fill(blocks[i] = take(page), page, i);
    for (unsigned round = 1; round < 5; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = huge_resize(blocks[i], (round * 7 + i) % 5 * page + 1);
            ck_assert_ptr_nonnull(blocks[i]);
        }
        for (unsigned i = 0; i < BLOCKS; i++)
            REQUIRE(unit_is_filled(blocks[i], page, i), "block %u", i);
    }
    ck_assert_uint_eq(huge_totals.blocks, BLOCKS);
}
END_TEST

/* What one write into a huge page's range makes resident. */
static size_t pages_of_a_write(char *p)
{
    char *range = (char *)(((uintptr_t)p + THP_BYTES - 1) & ~(THP_BYTES - 1));
    range[page] = 1;
    return unit_resident_pages(range, THP_BYTES);
}

START_TEST(test_large_blocks_have_huge_pages)
{
    if (!unit_has_huge_pages("test_large_blocks_have_huge_pages"))
        return;
    size_t whole = THP_BYTES / page;
    ck_assert_uint_eq(pages_of_a_write(take(THP_HUGE_MIN)), whole);
    ck_assert_uint_eq(pages_of_a_write(take(THP_HUGE_MIN - MIB)), 1);
    ck_assert_uint_eq(pages_of_a_write(huge_alloc(THP_HUGE_MIN, 1, true)), 1);
    options.thp = 0;
    ck_assert_uint_eq(pages_of_a_write(take(THP_HUGE_MIN)), 1);
}
END_TEST

/* calloc's block lies in a mapping that has asked for huge pages, for its last block. */
START_TEST(test_zeroed_blocks_have_none)
{
    if (!unit_has_huge_pages("test_zeroed_blocks_have_none"))
        return;
    char *p = take(8 * MIB);
    huge_free(p);
    ck_assert_ptr_eq(huge_alloc(8 * MIB, 1, true), p);
    ck_assert_uint_eq(pages_of_a_write(p), 1);
}
END_TEST

Suite *suite_huge(void)
{
    Suite *suite = suite_create("huge");
    TCase *tests = tcase_create("huge");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_one);
    tcase_add_test(tests, test_strangers);
    tcase_add_test(tests, test_table_grows);
    tcase_add_test(tests, test_table_forgets);
    tcase_add_test(tests, test_alignments);
    tcase_add_test(tests, test_impossible);
    tcase_add_test(tests, test_cache_serves_again);
    tcase_add_test(tests, test_cache_takes_the_nearest);
    tcase_add_test(tests, test_cache_zeroes);
    tcase_add_test(tests, test_zero_does_not_touch_new_pages);
    tcase_add_test(tests, test_cache_budget);
    tcase_add_test(tests, test_cache_has_few_places);
    tcase_add_test(tests, test_cache_decays);
    tcase_add_test(tests, test_purge_all);
    tcase_add_test(tests, test_large_blocks_have_huge_pages);
    tcase_add_test(tests, test_zeroed_blocks_have_none);
    tcase_add_test(tests, test_resize);
    tcase_add_test(tests, test_resize_to_the_same);
    tcase_add_test(tests, test_resize_to_the_same_needs_no_memory);
    tcase_add_test(tests, test_resize_among_many);
    suite_add_tcase(suite, tests);
    return suite;
}
