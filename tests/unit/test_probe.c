/* test_probe.c: what a tracer hears by the two probes. The test is the tracer: it counts itself in
 * the semaphores, and the linker has the probes' callers come here (unit.mk).
 *
 * Each event is checked as it comes: what it says of the block, and that a free is of a block that
 * was told. Numbers of samples lie within SIGMAS deviations, as in test_sample.c. */
#include "suites.h"
#include "unit.h"

#include "alloc/heap.h"
#include "alloc/sample.h"
#include "alloc/size_class.h"
#include "alloc/thread_self.h"
#include "alloc/watch.h"
#include "base/options.h"
#include "base/random.h"
#include "base/tunables.h"
#include "profile/probe.h"
#include "profile/record.h"

#include "molt.h"
#include "molt_object.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define SIGMAS 5.5

enum { SLOTS = 1000 };

static void *slots[SLOTS];

/* ---- What is heard ---- */

static struct {
    pthread_mutex_t mutex;
    size_t mean;  /* by which blocks are sampled; 0: it changes */
    size_t count; /* of events so far, of either probe */
    size_t frees;
    double weighted_bytes;
    void *live[20000]; /* blocks told, and not freed */
    size_t live_count;
} heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .mean = SAMPLE_MEAN_USUAL};

static size_t find_live(const void *block)
{
    size_t i = 0;
    while (i < heard.live_count && heard.live[i] != block)
        i++;
    return i;
}

static size_t bytes_of(size_t size)
{
    return size <= BLOCK_MAX ? size_class_bytes(size_class_of(size)) : (size + 4095) & ~4095u;
}

void __wrap_probe_alloc(void *block, size_t size, size_t weighted_bytes);
void __wrap_probe_alloc(void *block, size_t size, size_t weighted_bytes)
{
    pthread_mutex_lock(&heard.mutex);
    REQUIRE(find_live(block) == heard.live_count, "told twice: %p", block);
    REQUIRE(heard.live_count < COUNT_OF(heard.live), "too many events");
    heard.live[heard.live_count++] = block;
    heard.count++;
    heard.weighted_bytes += (double)weighted_bytes;
    if (heard.mean != 0) {
        double p = -expm1(-(double)bytes_of(size) / (double)heard.mean);
        REQUIRE(fabs((double)weighted_bytes - (double)size / p) <= 1, "%zu bytes count as %zu",
                size, weighted_bytes);
    }
    pthread_mutex_unlock(&heard.mutex);
}

void __wrap_probe_free(void *block);
void __wrap_probe_free(void *block)
{
    pthread_mutex_lock(&heard.mutex);
    size_t i = find_live(block);
    REQUIRE(i < heard.live_count, "freed, but never told: %p", block);
    heard.live[i] = heard.live[--heard.live_count];
    heard.frees++;
    pthread_mutex_unlock(&heard.mutex);
}

static void forget_heard(void)
{
    heard.count = heard.frees = 0;
    heard.weighted_bytes = 0;
}

/* ---- The tracer ---- */

static void listen(bool on)
{
    uint16_t one = on ? 1 : (uint16_t)-1;
    __atomic_fetch_add(&probe_listeners.alloc, one, __ATOMIC_RELAXED);
    __atomic_fetch_add(&probe_listeners.free, one, __ATOMIC_RELAXED);
}

static void in_turns(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        void *block = molt_malloc(size);
        REQUIRE(block != NULL, "no memory");
        molt_free(block);
    }
}

/* A tick has come, and the thread knows who listens. */
static void expect_following(size_t mean)
{
    in_turns(2 * TICK_FREES_MAX, 16);
    ck_assert_uint_eq(thread_self.heap->sampler.mean, mean);
    ck_assert_int_eq(watch_is_on(WATCH_SAMPLE), mean != 0);
}

static uint64_t recorded(void)
{
    struct record_totals totals;
    record_totals_get(&totals);
    return totals.total_count;
}

static void keep(size_t size)
{
    for (size_t i = 0; i < SLOTS; i++)
        slots[i] = molt_malloc(size);
}

static void free_kept(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        molt_free(slots[i]);
}

/* ---- Tests ---- */

START_TEST(test_nobody)
{
    in_turns(100 * (size_t)SLOTS, 2000);
    in_turns(SLOTS, 200000);
    ck_assert_uint_eq(heard.count, 0);
    ck_assert_uint_eq(thread_self.heap->sampler.mean, 0);
    ck_assert(!watch_is_on(WATCH_SAMPLE | WATCH_FREES));
}
END_TEST

static const size_t sizes[] = {200, 1000, 20000, 40000, 1000000, 3000000};

/* No profile is taken meanwhile. */
START_TEST(test_rate)
{
    size_t size = sizes[_i], count = (size < 10000 ? 500 : 10) * (size_t)SLOTS;
    double p = -expm1(-(double)bytes_of(size) / (double)SAMPLE_MEAN_USUAL);
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    forget_heard();
    in_turns(count, size);
    double expected = (double)count * p, deviation = sqrt(expected * (1 - p));
    ck_assert_msg(fabs((double)heard.count - expected) <= SIGMAS * deviation + 1e-6,
                  "%zu samples, %.1f expected", heard.count, expected);
    double bytes = (double)count * (double)size;
    ck_assert_double_le(fabs(heard.weighted_bytes - bytes),
                        SIGMAS * deviation * (double)size / p + (double)count);
    ck_assert_uint_eq(heard.frees, heard.count);
    ck_assert_uint_eq(recorded(), 0);
    ck_assert_int_eq(molt_profile_dump("/dev/null"), -1);
    ck_assert_int_eq(errno, ENODATA);
}
END_TEST

/* With the listener sampling goes. The frees of what was told are told. */
START_TEST(test_end)
{
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    keep(20000);
    size_t count = heard.count, live = heard.live_count;
    ck_assert_uint_gt(live, 0);
    listen(false);
    in_turns(10 * (size_t)SLOTS, 20000);
    ck_assert_uint_eq(heard.count, count);
    expect_following(0);
    free_kept();
    ck_assert_uint_eq(heard.live_count, 0);
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    in_turns(10 * (size_t)SLOTS, 20000);
    ck_assert_uint_gt(heard.count, count);
}
END_TEST

/* Only one of the two probes has a listener. */
START_TEST(test_one_probe)
{
    sdt_semaphore *semaphore = _i == 0 ? &probe_listeners.alloc : &probe_listeners.free;
    *semaphore = UINT16_MAX;
    expect_following(SAMPLE_MEAN_USUAL);
    in_turns(10 * (size_t)SLOTS, 20000);
    ck_assert_uint_gt(heard.count, 0);
    *semaphore = 0;
    expect_following(0);
}
END_TEST

/* The samples of a profile are told, and no others; the profile does not notice. */
START_TEST(test_profile)
{
    heard.mean = 65536;
    listen(true);
    molt_profile_start(65536);
    in_turns(50 * (size_t)SLOTS, 5000);
    ck_assert_uint_gt(heard.count, SLOTS);
    ck_assert_uint_eq(heard.count, recorded());
    listen(false);
    size_t count = heard.count;
    in_turns(50 * (size_t)SLOTS, 5000);
    ck_assert_uint_eq(heard.count, count);
    ck_assert_uint_gt(recorded(), count + SLOTS);
    listen(true);
    heard.mean = SAMPLE_MEAN_USUAL;
    molt_profile_stop();
    uint64_t all = recorded();
    expect_following(SAMPLE_MEAN_USUAL);
    in_turns(50 * (size_t)SLOTS, 5000);
    ck_assert_uint_gt(heard.count, count);
    ck_assert_uint_eq(recorded(), all);
}
END_TEST

START_TEST(test_trace)
{
    heard.mean = 1;
    molt_profile_start(1);
    in_turns(1, 20); /* the thread follows */
    listen(true);
    forget_heard();
    in_turns(SLOTS, 24);
    in_turns(5, 5000000);
    ck_assert_uint_eq(heard.count, SLOTS + 5);
    ck_assert_double_eq_tol(heard.weighted_bytes, SLOTS * 24.0 + 5 * 5000000.0, 0.5);
    ck_assert_uint_eq(heard.frees, SLOTS + 5);
}
END_TEST

/* A new profile forgets all that was recorded, but not what was told. */
START_TEST(test_new_profile)
{
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    keep(_i == 0 ? 20000 : 100000);
    ck_assert_uint_gt(heard.live_count, 0);
    heard.mean = 4096;
    molt_profile_start(4096);
    free_kept();
    ck_assert_uint_eq(heard.live_count, 0);
}
END_TEST

/* Without memory to note it nothing is told, which the program does not notice. */
START_TEST(test_no_memory)
{
    options.prof_memory = 0;
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    keep(20000);
    free_kept();
    in_turns(10, 5000000);
    ck_assert_uint_eq(heard.count, 0);
    ck_assert_uint_eq(heard.frees, 0);
}
END_TEST

START_TEST(test_realloc)
{
    static const size_t grown[] = {10, 200, 3000, 50000, 60000, 3000000, 9000000, 100000, 10};
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    for (size_t i = 0; i < SLOTS; i++) {
        void *block = NULL;
        for (size_t j = 0; j < COUNT_OF(grown); j++)
            block = molt_realloc(block, grown[j]);
        molt_free(block);
    }
    ck_assert_uint_gt(heard.count, 2 * SLOTS); /* the large ones */
    ck_assert_uint_eq(heard.live_count, 0);
}
END_TEST

struct node {
    MOLT_OBJECT;
    struct node *next;
    long value[100];
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

START_TEST(test_objects)
{
    heard.mean = 0; /* the block of an object is larger than its body */
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    size_t live = heard.live_count;
    for (size_t i = 0; i < 100 * (size_t)SLOTS; i++)
        molt_release(molt_new(&node_type));
    ck_assert_uint_gt(heard.count, 50);
    ck_assert_uint_le(heard.live_count, live + 3); /* the collector's own tables */
}
END_TEST

/* A child inherits the listener, and what was told. */
static void free_in_child(void *block)
{
    molt_free(block);
    REQUIRE(heard.live_count == 0, "the free of an inherited block was not told");
    expect_following(SAMPLE_MEAN_USUAL);
    forget_heard();
    in_turns(1, 9000000);
    REQUIRE(heard.count == 1 && heard.frees == 1, "a large block was not told");
}

START_TEST(test_child)
{
    char text[1000];
    listen(true);
    expect_following(SAMPLE_MEAN_USUAL);
    forget_heard();
    void *block = molt_malloc(9000000);
    ck_assert_uint_eq(heard.live_count, 1);
    ck_assert_int_eq(unit_child(free_in_child, block, text, sizeof text), 0);
    molt_free(block);
}
END_TEST

/* ---- While other threads run ---- */

static atomic_bool at_end;
static _Atomic(unsigned char *) shared[256];

static void *exchange(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    while (!atomic_load(&at_end)) {
        uint32_t r = unit_random(&random);
        size_t size = 2 + (r >> 8) % (r % 64 == 0 ? 60000 : 4000);
        unsigned char *block = atomic_exchange(&shared[r % COUNT_OF(shared)], molt_malloc(size));
        if (block != NULL && r % 5 == 0)
            block = molt_realloc(block, 500);
        molt_free(block);
    }
    return seed;
}

static size_t heard_so_far(void)
{
    pthread_mutex_lock(&heard.mutex);
    size_t count = heard.count;
    pthread_mutex_unlock(&heard.mutex);
    return count;
}

/* Listeners come and go, and so do profiles. A busy machine takes longer to make the events. */
START_TEST(test_threads)
{
    enum { THREADS = 8, EVENTS = 100 };
    pthread_t threads[THREADS];
    heard.mean = 0;
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, exchange, (void *)(i + 1)), 0);
    for (int i = 0; i < (unit_is_sanitized() ? 100 : 600) || heard_so_far() <= EVENTS; i++) {
        listen(i % 2 == 0);
        if (i % 7 == 0)
            molt_profile_start(i % 3 == 0 ? 16384 : SAMPLE_MEAN_USUAL);
        else if (i % 7 == 4)
            molt_profile_stop();
        usleep(1000);
    }
    atomic_store(&at_end, true);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNT_OF(shared); i++)
        molt_free(shared[i]);
    ck_assert_uint_gt(heard.count, EVENTS);
    ck_assert_uint_eq(heard.live_count, 0);
}
END_TEST

/* These tests leave no profile behind. */
static void write_none(void)
{
    options.prof_final = 0;
}

Suite *suite_probe(void)
{
    Suite *suite = suite_create("probe");
    TCase *tests = tcase_create("probe");
    tcase_add_checked_fixture(tests, write_none, NULL);
    tcase_set_timeout(tests, patience(60));
    tcase_add_test(tests, test_nobody);
    tcase_add_loop_test(tests, test_rate, 0, COUNT_OF(sizes));
    tcase_add_test(tests, test_end);
    tcase_add_loop_test(tests, test_one_probe, 0, 2);
    tcase_add_test(tests, test_profile);
    tcase_add_test(tests, test_trace);
    tcase_add_loop_test(tests, test_new_profile, 0, 2);
    tcase_add_test(tests, test_no_memory);
    tcase_add_test(tests, test_realloc);
    tcase_add_test(tests, test_objects);
    tcase_add_test(tests, test_child);
    tcase_add_test(tests, test_threads);
    suite_add_tcase(suite, tests);
    return suite;
}
