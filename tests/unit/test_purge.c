/* test_purge.c: which free pages go back to the OS, and when. The clock is the test's. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/purge.h"
#include "base/options.h"

#include <string.h>

static size_t page;
static uint64_t now;

static void set_up(void)
{
    page = os_page_bytes();
    now = 1000000;
    options.decay = 1000;
    options.thp = 0;
}

/* A free run of dirty pages. */
static uintptr_t dirty_run(size_t pages)
{
    uintptr_t start = arena_take_run(pages, page, false);
    ck_assert_uint_ne(start, 0);
    memset((void *)start, 1, pages * page);
    arena_release_run(start);
    return start;
}

static void tick_after(uint64_t ms)
{
    now += ms;
    purge_tick(now);
}

START_TEST(test_purge_all)
{
    uintptr_t start = dirty_run(100);
    ck_assert_uint_eq(unit_resident_pages((void *)start, 100 * page), 100);
    ck_assert_uint_eq(purge_all(0), 100 * page);
    ck_assert_uint_eq(unit_resident_pages((void *)start, 100 * page), 0);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_uint_eq(arena_totals.purged_pages, 100);
    ck_assert_uint_eq(purge_all(0), 0);
    ck_assert(unit_is_zero((void *)start, 100 * page));
}
END_TEST

START_TEST(test_purge_keeps)
{
    dirty_run(100);
    ck_assert_uint_eq(purge_all(100 * page), 0);
    ck_assert_uint_eq(purge_all(30 * page), 70 * page);
    ck_assert_uint_eq(arena_totals.idle_pages, 30);
    ck_assert_uint_eq(purge_all(30 * page), 0);
}
END_TEST

START_TEST(test_purge_spares_used_pages)
{
    uintptr_t live = arena_take_run(10, page, false);
    unit_fill((void *)live, 10 * page, 1);
    uintptr_t start = dirty_run(10), more = arena_take_run(10, page, false);
    ck_assert_uint_eq(more, start);
    unit_fill((void *)more, 10 * page, 2);
    purge_all(0);
    ck_assert(unit_is_filled((void *)live, 10 * page, 1));
    ck_assert(unit_is_filled((void *)more, 10 * page, 2));
}
END_TEST

/* One tick marks the pages, one at least `decay` later returns them. */
START_TEST(test_decay)
{
    uintptr_t start = dirty_run(50);
    tick_after(0);
    ck_assert_uint_eq(arena_totals.idle_pages, 50);
    tick_after(options.decay - 1);
    ck_assert_uint_eq(arena_totals.idle_pages, 50);
    tick_after(options.decay);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_uint_eq(unit_resident_pages((void *)start, 50 * page), 0);
}
END_TEST

/* Pages that were in use between two sweeps are young again. */
START_TEST(test_used_pages_stay)
{
    uintptr_t start = dirty_run(50);
    for (unsigned round = 0; round < 5; round++) {
        tick_after(options.decay);
        uintptr_t again = arena_take_run(50, page, false);
        ck_assert_uint_eq(again, start);
        arena_release_run(again);
    }
    ck_assert_uint_eq(arena_totals.idle_pages, 50);
    tick_after(options.decay);
    tick_after(options.decay);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
}
END_TEST

/* Where `decay` has passed without a tick and nothing was freed since, what is free was so all the
 * time: it goes, although no sweep has seen it before. */
START_TEST(test_after_sleep)
{
    tick_after(0);
    uintptr_t start = dirty_run(50);
    tick_after(1);
    ck_assert_uint_eq(arena_totals.idle_pages, 50);
    tick_after(options.decay);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert(unit_is_zero((void *)start, 50 * page));
}
END_TEST

/* After a long pause much may be done, in portions: each tick at the same time does one. */
START_TEST(test_portions)
{
    enum { RUNS = 12 };
    uintptr_t runs[RUNS];
    size_t pages = RUN_MAX / page;
    for (unsigned i = 0; i < RUNS; i++) {
        runs[i] = arena_take_run(pages, page, false);
        memset((void *)runs[i], 1, pages * page);
    }
    for (unsigned i = 0; i < RUNS; i++)
        arena_release_run(runs[i]);
    tick_after(1);
    now += 20 * options.decay;
    size_t before = arena_totals.idle_pages, ticks = 1;
    for (; purge_tick(now); ticks++, before = arena_totals.idle_pages)
        ck_assert_uint_le(before - arena_totals.idle_pages, PURGE_PORTION);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_uint_ge(ticks, RUNS * pages / PURGE_PORTION);
}
END_TEST

/* What goes above the budget does not wait. */
START_TEST(test_budget)
{
    options.dirty = 40 * page;
    dirty_run(40);
    tick_after(1);
    ck_assert_uint_eq(arena_totals.idle_pages, 40);
    dirty_run(50);
    tick_after(1);
    ck_assert_uint_le(arena_totals.idle_pages, 40);
}
END_TEST

/* A tenth of the time: a few pages a tick, and all of them after enough ticks. */
START_TEST(test_quota)
{
    uintptr_t runs[16];
    size_t pages = RUN_MAX / page;
    for (unsigned i = 0; i < COUNT_OF(runs); i++) {
        runs[i] = arena_take_run(pages, page, false);
        memset((void *)runs[i], 1, pages * page);
    }
    for (unsigned i = 0; i < COUNT_OF(runs); i++)
        arena_release_run(runs[i]);
    size_t all = arena_totals.idle_pages, most = 0;
    ck_assert_uint_eq(all, COUNT_OF(runs) * pages);
    tick_after(options.decay);
    for (unsigned tick = 0; tick < 3000; tick++) {
        size_t before = arena_totals.idle_pages;
        tick_after(1);
        size_t purged = before - arena_totals.idle_pages;
        most = purged > most ? purged : most;
    }
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_uint_lt(most, all / 4);
}
END_TEST

START_TEST(test_nothing_to_do)
{
    tick_after(0);
    tick_after(100000);
    ck_assert_uint_eq(purge_all(0), 0);
    ck_assert_uint_eq(arena_totals.purged_pages, 0);
}
END_TEST

Suite *suite_purge(void)
{
    Suite *suite = suite_create("purge");
    TCase *tests = tcase_create("purge");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_purge_all);
    tcase_add_test(tests, test_purge_keeps);
    tcase_add_test(tests, test_purge_spares_used_pages);
    tcase_add_test(tests, test_decay);
    tcase_add_test(tests, test_used_pages_stay);
    tcase_add_test(tests, test_after_sleep);
    tcase_add_test(tests, test_portions);
    tcase_add_test(tests, test_budget);
    tcase_add_test(tests, test_quota);
    tcase_add_test(tests, test_nothing_to_do);
    suite_add_tcase(suite, tests);
    return suite;
}
