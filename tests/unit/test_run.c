/* test_run.c: a heap's cache of freed runs. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/run.h"
#include "molt.h"

#include <pthread.h>
#include <string.h>

#define KIB ((size_t)1 << 10)

static struct run_cache cache;

static char *take(size_t size)
{
    char *run = run_alloc(&cache, size, 1, false);
    ck_assert_ptr_nonnull(run);
    return run;
}

/* What went back to the arenas. */
static size_t give(void *run)
{
    size_t bytes = run_retire(run);
    ck_assert_uint_ne(bytes, 0);
    return run_release(&cache, run, bytes);
}

START_TEST(test_the_newest_is_taken)
{
    char *first = take(64 * KIB), *second = take(64 * KIB);
    give(first);
    give(second);
    ck_assert_ptr_eq(take(64 * KIB), second);
    ck_assert_ptr_eq(take(64 * KIB), first);
    ck_assert_uint_eq(run_bytes(first), 64 * KIB);
    ck_assert_uint_eq(cache.count, 0);
    ck_assert_uint_eq(cache.pages, 0);
}
END_TEST

START_TEST(test_only_of_the_same_size_and_alignment)
{
    char *runs[4], *aligned = run_alloc(&cache, 64 * KIB, RUN_MAX, false);
    for (unsigned i = 0; i < COUNT_OF(runs); i++)
        runs[i] = take(64 * KIB);
    give(runs[3]);
    char *smaller = take(60 * KIB), *larger = take(68 * KIB);
    ck_assert_uint_eq(cache.count, 1);
    ck_assert_uint_eq(run_bytes(smaller), 60 * KIB);
    ck_assert_uint_eq(run_bytes(larger), 68 * KIB);
    ck_assert_ptr_ne(run_alloc(&cache, 64 * KIB, RUN_MAX, false), runs[3]);
    give(aligned);
    ck_assert_ptr_eq(run_alloc(&cache, 64 * KIB, RUN_MAX, false), aligned);
}
END_TEST

START_TEST(test_a_cached_run_is_no_block)
{
    char *run = take(64 * KIB);
    size_t used = arena_totals.used_pages;
    ck_assert_uint_eq(give(run), 0);
    ck_assert_uint_eq(run_bytes(run), 0);
    ck_assert_uint_eq(run_retire(run), 0);
    ck_assert(!run_resize(run, 128 * KIB));
    ck_assert_uint_eq(arena_totals.used_pages, used);
}
END_TEST

START_TEST(test_the_oldest_goes)
{
    char *runs[RUN_CACHE_SLOTS + 1];
    for (unsigned i = 0; i < COUNT_OF(runs); i++)
        runs[i] = take(36 * KIB);
    for (unsigned i = 0; i < RUN_CACHE_SLOTS; i++)
        ck_assert_uint_eq(give(runs[i]), 0);
    ck_assert_uint_eq(give(runs[RUN_CACHE_SLOTS]), 36 * KIB);
    for (unsigned i = RUN_CACHE_SLOTS; i > 0; i--)
        ck_assert_ptr_eq(take(36 * KIB), runs[i]);
    ck_assert_uint_eq(cache.count, 0);
}
END_TEST

START_TEST(test_bytes_are_bounded)
{
    size_t half = RUN_CACHE_BYTES / 2;
    char *one = take(half), *two = take(half), *small = take(36 * KIB);
    char *most = take(RUN_CACHE_BYTES), *more = take(RUN_CACHE_BYTES + 1);
    give(one);
    give(two);
    ck_assert_uint_eq(give(small), half);
    ck_assert_uint_eq(cache.count, 2);
    ck_assert_uint_eq(give(most), half + 36 * KIB);
    ck_assert_uint_eq(cache.count, 1);
    ck_assert_uint_gt(give(more), RUN_CACHE_BYTES);
    ck_assert_uint_eq(cache.count, 1);
}
END_TEST

START_TEST(test_zeroed)
{
    char *run = take(100 * KIB);
    memset(run, 1, 100 * KIB);
    give(run);
    ck_assert_ptr_eq(run_alloc(&cache, 100 * KIB, 1, true), run);
    ck_assert(unit_is_zero(run, 100 * KIB));
}
END_TEST

START_TEST(test_emptied)
{
    size_t used = arena_totals.used_pages;
    char *runs[3] = {take(40 * KIB), take(60 * KIB), take(80 * KIB)};
    for (unsigned i = 0; i < COUNT_OF(runs); i++)
        give(runs[i]);
    run_cache_empty(&cache);
    ck_assert_uint_eq(cache.count, 0);
    ck_assert_uint_eq(cache.pages, 0);
    ck_assert_uint_eq(arena_totals.used_pages, used);
    ck_assert(arena_is_valid(0));
}
END_TEST

START_TEST(test_without_a_cache)
{
    char *run = run_alloc(NULL, 64 * KIB, 1, false);
    size_t used = arena_totals.used_pages;
    size_t bytes = run_retire(run);
    ck_assert_uint_eq(run_release(NULL, run, bytes), 64 * KIB);
    ck_assert_uint_eq(arena_totals.used_pages, used - (64 * KIB >> os_page_shift));
}
END_TEST

/* ---- The heap's cache ---- */

static size_t cached_bytes(void)
{
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    return stats.cached_bytes;
}

START_TEST(test_statistics)
{
    struct molt_stats stats;
    char *run = molt_malloc(64 * KIB);
    molt_free(run);
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.cached_bytes, 64 * KIB);
    ck_assert_uint_eq(stats.run_bytes, 0);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

START_TEST(test_trim_empties_it)
{
    molt_free(molt_malloc(64 * KIB));
    ck_assert_uint_eq(cached_bytes(), 64 * KIB);
    molt_trim(0);
    ck_assert_uint_eq(cached_bytes(), 0);
}
END_TEST

static void *free_one(void *unused)
{
    molt_free(molt_malloc(64 * KIB));
    return unused;
}

START_TEST(test_the_end_of_its_thread_empties_it)
{
    unit_in_thread(free_one, NULL);
    ck_assert_uint_eq(cached_bytes(), 0);
}
END_TEST

/* ---- A run that two threads free at the same moment ---- */

static void *shared_run;
static pthread_barrier_t barrier;

static void *retire(void *result)
{
    pthread_barrier_wait(&barrier);
    *(size_t *)result = run_retire(shared_run);
    return NULL;
}

START_TEST(test_one_of_two_frees_counts)
{
    pthread_barrier_init(&barrier, NULL, 2);
    for (unsigned i = 0; i < 1000; i++) {
        pthread_t thread;
        size_t theirs = 0, mine = 0;
        shared_run = run_alloc(NULL, 64 * KIB, 1, false);
        ck_assert_int_eq(pthread_create(&thread, NULL, retire, &theirs), 0);
        retire(&mine);
        pthread_join(thread, NULL);
        REQUIRE(mine + theirs == 64 * KIB, "%zu, %zu", mine, theirs);
        run_release(NULL, shared_run, 64 * KIB);
    }
}
END_TEST

Suite *suite_run(void)
{
    Suite *suite = suite_create("run");
    TCase *own = tcase_create("cache");
    tcase_add_test(own, test_the_newest_is_taken);
    tcase_add_test(own, test_only_of_the_same_size_and_alignment);
    tcase_add_test(own, test_a_cached_run_is_no_block);
    tcase_add_test(own, test_the_oldest_goes);
    tcase_add_test(own, test_bytes_are_bounded);
    tcase_add_test(own, test_zeroed);
    tcase_add_test(own, test_emptied);
    tcase_add_test(own, test_without_a_cache);
    suite_add_tcase(suite, own);
    TCase *heap = tcase_create("heap");
    tcase_add_test(heap, test_statistics);
    tcase_add_test(heap, test_trim_empties_it);
    tcase_add_test(heap, test_the_end_of_its_thread_empties_it);
    tcase_add_test(heap, test_one_of_two_frees_counts);
    suite_add_tcase(suite, heap);
    return suite;
}
