/* test_incremental.c: incremental collections. Slices come with young collections, so a test that
 * wants a cycle to go on makes objects that die at once. */
#include "suites.h"
#include "unit.h"

#include "molt_object.h"
#include "gc/incremental.h"

#include <stdlib.h>
#include <string.h>

struct ring {
    MOLT_OBJECT;
    struct ring *next, *other;
    unsigned number;
};

static unsigned finalized;

static void count_finalized(void *object)
{
    (void)object;
    finalized++;
}

MOLT_TYPE(ring_type, struct ring, MOLT_REFS(struct ring, next, other));
MOLT_TYPE(told_type, struct ring, MOLT_REFS(struct ring, next, other), .finalize = count_finalized);
struct bare {
    MOLT_OBJECT;
};

MOLT_TYPE(table_type, struct bare, .flags = MOLT_TRAILING_REFS);

static void set_option(const char *name, const char *value)
{
    ck_assert_int_eq(molt_ctl(name, NULL, NULL, value, strlen(value)), 0);
}

/* Slices end with their work here, not by the clock. */
static void set_up(void)
{
    set_option("gc", "incremental");
    set_option("gc_slice", "1000000");
    finalized = 0;
}

/* `count` objects in a circle; the caller has one reference. */
static struct ring *make_ring(const molt_type *type, unsigned count)
{
    struct ring *first = molt_new(type), *last = first;
    for (unsigned i = 1; i < count; i++) {
        last->next = molt_new(type);
        last = last->next;
        last->number = i;
    }
    molt_set(&last->next, first);
    return first;
}

static bool ring_is_whole(const struct ring *first, unsigned count)
{
    const struct ring *at = first;
    for (unsigned i = 0; i < count; i++) {
        if (!molt_is_object(at) || at->number != i)
            return false;
        at = at->next;
    }
    return at == first;
}

/* Makes and drops short lists, so that collections become due, until a cycle has begun (or ended).
 */
static bool run_until(bool running, unsigned steps)
{
    for (unsigned i = 0; i < steps && incremental_is_running() != running; i++) {
        struct ring *keep[800];
        for (unsigned k = 0; k < COUNT_OF(keep); k++)
            keep[k] = molt_new(&ring_type);
        for (unsigned k = 0; k < COUNT_OF(keep); k++)
            molt_release(keep[k]);
    }
    return incremental_is_running() == running;
}

/* Old objects, of which enough are new for a full collection to be due. */
static void make_old(struct ring **rings, unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++)
        rings[i] = make_ring(&told_type, size);
}

enum { RINGS = 600, SIZE = 50 };

START_TEST(test_a_cycle_frees_what_was_garbage_when_it_began)
{
    struct ring *rings[RINGS];
    make_old(rings, RINGS, SIZE);
    molt_gc_collect(2);
    for (unsigned i = 0; i < RINGS; i += 2)
        molt_release(rings[i]);
    ck_assert_uint_eq(finalized, 0);
    /* A quarter more, so that the next full one is due. */
    struct ring *more = make_ring(&ring_type, RINGS * SIZE / 2);
    ck_assert(run_until(true, 1000));
    ck_assert(run_until(false, 10000));
    ck_assert_uint_eq(finalized, RINGS / 2 * SIZE);
    for (unsigned i = 1; i < RINGS; i += 2)
        ck_assert(ring_is_whole(rings[i], SIZE));
    ck_assert(ring_is_whole(more, RINGS * SIZE / 2));
}
END_TEST

START_TEST(test_what_changes_meanwhile_stays_alive)
{
    struct ring *rings[RINGS];
    uint64_t random = 1;
    make_old(rings, RINGS, SIZE);
    molt_gc_collect(2);
    struct ring *more = make_ring(&ring_type, RINGS * SIZE / 2);
    ck_assert(run_until(true, 1000));
    while (incremental_is_running()) {
        /* References wander: what was counted is so no longer. */
        for (unsigned i = 0; i < 100; i++) {
            struct ring *a = rings[unit_random(&random) % RINGS];
            struct ring *b = rings[unit_random(&random) % RINGS];
            molt_set(&a->other, b);
            molt_set(&b->next->other, unit_random(&random) % 2 != 0 ? a->next : NULL);
        }
        run_until(false, 1);
    }
    ck_assert_uint_eq(finalized, 0);
    for (unsigned i = 0; i < RINGS; i++)
        ck_assert(ring_is_whole(rings[i], SIZE));
    ck_assert(ring_is_whole(more, RINGS * SIZE / 2));
}
END_TEST

START_TEST(test_pools_and_large_objects_may_go_meanwhile)
{
    struct ring *rings[RINGS];
    void **tables[8];
    make_old(rings, RINGS, SIZE);
    for (unsigned i = 0; i < COUNT_OF(tables); i++) {
        tables[i] = molt_new_extra(&table_type, 100000 * sizeof(void *));
        for (unsigned k = 0; k < 1000; k++)
            tables[i][1 + k] = molt_retain(rings[k % RINGS]);
    }
    molt_gc_collect(2);
    struct ring *more = make_ring(&ring_type, RINGS * SIZE / 2);
    ck_assert(run_until(true, 1000));
    for (unsigned i = 0; i < COUNT_OF(tables); i++)
        molt_release(tables[i]);
    for (unsigned i = 0; i < RINGS; i++) {
        molt_clear(&rings[i]->next); /* no circle any more: they die at once, and their pools go */
        molt_release(rings[i]);
    }
    ck_assert_uint_eq(finalized, RINGS * SIZE);
    molt_trim(0);
    ck_assert(run_until(false, 10000));
    ck_assert(ring_is_whole(more, RINGS * SIZE / 2));
}
END_TEST

START_TEST(test_garbage_without_end_stays_bounded)
{
    struct ring *rings[RINGS];
    uint64_t random = 2;
    size_t most = 0;
    make_old(rings, RINGS, SIZE);
    for (unsigned i = 0; i < 20 * RINGS; i++) {
        struct ring **at = &rings[unit_random(&random) % RINGS];
        molt_release(*at);
        *at = make_ring(&told_type, SIZE);
        if (i % 100 == 0) {
            size_t live = molt_gc_objects(-1, NULL, NULL);
            most = live > most ? live : most;
        }
    }
    ck_assert_uint_lt(most, 2 * RINGS * SIZE);
    ck_assert_uint_gt(finalized, 18 * RINGS * SIZE);
    struct molt_gc_stats stats;
    molt_gc_get_stats(2, &stats);
    ck_assert_uint_gt(stats.collections, 3);
}
END_TEST

static void expect_no_full_one(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)arg;
    REQUIRE(info->generation < 2, "all old objects are collected in one pause");
}

/* Also those that are none, or have no end. */
static const char *const slice_lengths[] = {"1000000", "1", "0", "18446744073709551615",
                                            "20000000000000000"};

/* However fast it grows, a heap is collected in slices, and garbage stays below what lives. */
START_TEST(test_heap_that_grows)
{
    enum { ROUNDS = 20000 };
    static struct ring *rings[ROUNDS];
    size_t live = 0;
    set_option("gc_slice", slice_lengths[_i]);
    ck_assert_int_eq(molt_gc_add_callback(expect_no_full_one, NULL), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        rings[i] = make_ring(&told_type, SIZE);
        if (i % 4 == 0)
            continue;
        molt_release(rings[i - i % 4 / 2]); /* three quarters become garbage, soon */
        rings[i - i % 4 / 2] = make_ring(&told_type, SIZE);
    }
    live = molt_gc_objects(-1, NULL, NULL);
    molt_gc_remove_callback(expect_no_full_one, NULL); /* there is one at exit */
    ck_assert_uint_gt(finalized, 0);
    ck_assert_uint_lt(live, 2 * ROUNDS * SIZE + 11 * 11 * 700);
    struct molt_gc_stats stats;
    molt_gc_get_stats(2, &stats);
    ck_assert_uint_gt(stats.collections, 2);
}
END_TEST

START_TEST(test_an_explicit_collection_ends_a_cycle)
{
    struct ring *rings[RINGS];
    make_old(rings, RINGS, SIZE);
    molt_gc_collect(2);
    struct ring *more = make_ring(&ring_type, RINGS * SIZE / 2);
    ck_assert(run_until(true, 1000));
    for (unsigned i = 0; i < RINGS; i++)
        molt_release(rings[i]);
    ck_assert_int_ge(molt_gc_collect(2), RINGS * SIZE);
    ck_assert(!incremental_is_running());
    ck_assert_uint_eq(finalized, RINGS * SIZE);
    molt_release(more);
}
END_TEST

START_TEST(test_debug_flags_hold_for_slices)
{
    struct ring *rings[RINGS];
    make_old(rings, RINGS, SIZE);
    molt_gc_collect(2);
    for (unsigned i = 0; i < RINGS; i++)
        molt_release(rings[i]);
    molt_gc_set_debug(MOLT_GC_SAVEALL);
    struct ring *more = make_ring(&ring_type, RINGS * SIZE / 2);
    ck_assert(run_until(true, 1000));
    ck_assert(run_until(false, 10000));
    molt_gc_set_debug(0);
    ck_assert_uint_ge(molt_gc_garbage(NULL, 0), RINGS * SIZE);
    ck_assert_uint_eq(finalized, RINGS * SIZE); /* they have run, and the objects are kept */
    ck_assert(molt_is_object(rings[0]));
    molt_release(more);
}
END_TEST

Suite *suite_incremental(void)
{
    Suite *suite = suite_create("incremental");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_a_cycle_frees_what_was_garbage_when_it_began);
    tcase_add_test(tests, test_what_changes_meanwhile_stays_alive);
    tcase_add_test(tests, test_pools_and_large_objects_may_go_meanwhile);
    tcase_add_test(tests, test_garbage_without_end_stays_bounded);
    tcase_add_loop_test(tests, test_heap_that_grows, 0, (int)COUNT_OF(slice_lengths));
    tcase_add_test(tests, test_an_explicit_collection_ends_a_cycle);
    tcase_add_test(tests, test_debug_flags_hold_for_slices);
    suite_add_tcase(suite, tests);
    return suite;
}
