/* test_peak.c: beyond the peak, free memory goes back before more is taken. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/huge.h"
#include "alloc/span_cache.h"
#include "alloc/remote.h"
#include "alloc/thread.h"
#include "base/options.h"
#include "molt.h"

#include <string.h>

enum { KIB = 1 << 10, MIB = 1 << 20, BLOCK = 4 * KIB, COUNT = 16 * MIB / BLOCK };

static char *blocks[COUNT];

static void set_up(void)
{
    options.thp = 0; /* but for the test of huge pages */
}

static size_t idle_bytes(void)
{
    return arena_totals.idle_pages << os_page_shift;
}

static void *take(size_t bytes)
{
    char *block = molt_malloc(bytes);
    REQUIRE(block != NULL, "%zu bytes", bytes);
    memset(block, 1, bytes);
    return block;
}

static void take_many(size_t bytes)
{
    for (size_t i = 0; i < bytes / BLOCK; i++)
        blocks[i] = take(BLOCK);
}

static void free_many(size_t bytes)
{
    for (size_t i = 0; i < bytes / BLOCK; i++)
        molt_free(blocks[i]);
}

/* Leaves 16 MiB of free pages, all of the peak but little. */
static void leave_free_pages(void)
{
    take_many(16 * MIB);
    free_many(16 * MIB);
    ck_assert_uint_gt(idle_bytes(), 15 * MIB);
}

START_TEST(test_free_pages_make_room_for_a_huge_block)
{
    leave_free_pages();
    molt_free(take(8 * MIB));
    ck_assert_uint_lt(idle_bytes(), 9 * MIB);
    ck_assert_uint_gt(idle_bytes(), 7 * MIB); /* no more than was needed */
}
END_TEST

START_TEST(test_nothing_goes_below_the_peak)
{
    void *huge = take(24 * MIB);
    molt_free(huge);
    huge_purge_all();
    leave_free_pages();
    size_t purged = arena_totals.purged_pages;
    molt_free(take(4 * MIB));
    ck_assert_uint_eq(arena_totals.purged_pages, purged);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
}
END_TEST

START_TEST(test_cached_mappings_make_room_for_pools)
{
    void *older = take(6 * MIB), *newer = take(4 * MIB);
    molt_free(older);
    molt_free(newer);
    take_many(2 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 8 * MIB);
    take_many(16 * MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
}
END_TEST

START_TEST(test_cached_mappings_make_room_for_runs)
{
    molt_free(take(6 * MIB));
    for (int i = 0; i < 8; i++)
        take(MIB);
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
}
END_TEST

START_TEST(test_cached_mappings_make_room_for_a_block_that_grows)
{
    void *block = take(3 * MIB), *other = take(8 * MIB);
    molt_free(other);
    ck_assert_ptr_nonnull(molt_realloc(block, 12 * MIB));
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
}
END_TEST

START_TEST(test_empty_pools_go)
{
    for (size_t size = 16; size <= 512; size += 16)
        molt_free(take(size));
    take_many(2 * MIB);
    for (unsigned size_class = 1; size_class <= 32; size_class++)
        ck_assert_uint_eq(thread_self.heap->active[size_class], 0);
}
END_TEST

static void *free_and_take(void *unused)
{
    free_many(16 * MIB);
    take_many(16 * MIB);
    return unused;
}

/* The owner of the freed blocks sleeps. */
START_TEST(test_waiting_pools_make_room)
{
    take_many(16 * MIB);
    take(BLOCK); /* the last pool is FULL, too */
    char *first = blocks[0];
    unit_in_thread(free_and_take, NULL);
    ck_assert_uint_gt(arena_gone_bytes, 14 * MIB);
    ck_assert_uint_eq(unit_resident_pages(first, POOL_BYTES), 0);
}
END_TEST

/* However often the same memory comes and goes, it goes back few times. */
START_TEST(test_swaying_costs_little)
{
    size_t purged = 0;
    for (int i = 0; i < 200; i++) {
        purged = arena_totals.purged_pages;
        take_many(4 * MIB);
        free_many(4 * MIB);
        molt_free(take(4 * MIB));
    }
    ck_assert_uint_eq(arena_totals.purged_pages, purged);
    ck_assert_uint_eq(span_totals.cached_bytes, 4 * MIB);
}
END_TEST

/* What a huge page holds in advance is about to be used. */
START_TEST(test_filled_pages_stay)
{
    if (!unit_has_huge_pages("test_filled_pages_stay"))
        return;
    options.thp = 1;
    take_many(16 * MIB);
    uint32_t last = map_arena_end() - 1;
    size_t purged = arena_totals.purged_pages;
    for (int i = 0; i < 1000 && map_arena_end() - 1 <= last + 1; i++)
        take(16 * KIB);
    ck_assert_uint_eq(arena_totals.purged_pages, purged);
}
END_TEST

Suite *suite_peak(void)
{
    Suite *suite = suite_create("peak");
    TCase *tests = tcase_create("growth");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_free_pages_make_room_for_a_huge_block);
    tcase_add_test(tests, test_nothing_goes_below_the_peak);
    tcase_add_test(tests, test_cached_mappings_make_room_for_pools);
    tcase_add_test(tests, test_cached_mappings_make_room_for_runs);
    tcase_add_test(tests, test_cached_mappings_make_room_for_a_block_that_grows);
    tcase_add_test(tests, test_empty_pools_go);
    tcase_add_test(tests, test_waiting_pools_make_room);
    tcase_add_test(tests, test_swaying_costs_little);
    tcase_add_test(tests, test_filled_pages_stay);
    suite_add_tcase(suite, tests);
    return suite;
}
