/* test_deferral.c: where the program's callbacks run while collections are deferred. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "gc/pacing.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The callbacks take it, so a callback inside a molt_new under it would wait for itself. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool holds;
static atomic_size_t called;

static void call(void)
{
    REQUIRE(!holds, "a callback runs under the lock");
    pthread_mutex_lock(&mutex);
    atomic_fetch_add(&called, 1);
    pthread_mutex_unlock(&mutex);
}

static void call_with(void *object)
{
    (void)object;
    call();
}

static void call_with_weak(molt_weak *weak, void *unused)
{
    (void)unused;
    molt_weak_free(weak);
    call();
}

static void call_with_phase(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)info, (void)arg;
    call();
}

MOLT_TYPE(calling_type, struct node, MOLT_REFS(struct node, a, b), .finalize = call_with,
          .dispose = call_with);

static void hold(void)
{
    pthread_mutex_lock(&mutex);
    holds = true;
}

static void let_go(void)
{
    holds = false;
    pthread_mutex_unlock(&mutex);
}

/* Rings of one, each made under the lock. */
static void make_under_lock(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hold();
        struct node *node = molt_new(&calling_type);
        let_go();
        molt_set(&node->a, node);
        REQUIRE(molt_weak_new(node, call_with_weak, NULL) != NULL, "no memory");
        molt_release(node);
    }
}

enum { MANY = 5000, CALLS = 3 };

static void set_up(void)
{
    molt_gc_set_deferred(true);
}

START_TEST(test_nothing_runs_in_molt_new)
{
    if (_i == 1)
        molt_ctl("gc", NULL, NULL, "incremental", strlen("incremental"));
    molt_gc_add_callback(call_with_phase, NULL);
    ck_assert(molt_gc_is_deferred());
    ck_assert(!molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
    make_under_lock(700);
    ck_assert(!molt_gc_is_due());
    make_under_lock(MANY - 700);
    ck_assert(molt_gc_is_due());
    ck_assert_uint_eq(atomic_load(&called), 0);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), MANY);
    molt_gc_remove_callback(call_with_phase, NULL);
    ck_assert_int_eq(molt_gc_run_deferred(), MANY);
    ck_assert_uint_eq(atomic_load(&called), MANY * CALLS);
    ck_assert(!molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
    make_under_lock(701);
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 701);
}
END_TEST

/* What is due comes at the next new object again. */
START_TEST(test_switched_off)
{
    make_under_lock(MANY);
    molt_gc_set_deferred(false);
    ck_assert(!molt_gc_is_deferred());
    ck_assert_uint_eq(atomic_load(&called), 0);
    molt_release(molt_new(&node_type));
    ck_assert_uint_eq(atomic_load(&called), MANY * CALLS);
    ck_assert(!molt_gc_is_due());
}
END_TEST

/* Full collections become due as well, large objects bring them, too. */
START_TEST(test_large_objects)
{
    struct molt_gc_stats stats;
    for (int i = 0; i < 20; i++) {
        struct node *node = molt_new_extra(&node_type, 1 << 20);
        molt_set(&node->a, node);
        molt_release(node);
    }
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 20);
    molt_gc_get_stats(2, &stats);
    ck_assert_uint_eq(stats.collections, 1);
}
END_TEST

/* Collecting by name is not deferred, and what was due is done with it. */
START_TEST(test_explicit_collection)
{
    make_under_lock(MANY);
    ck_assert_int_eq(molt_gc_collect(_i), MANY);
    ck_assert_uint_eq(atomic_load(&called), MANY * CALLS);
    ck_assert(!molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
}
END_TEST

/* Nor is death by a release. */
START_TEST(test_release)
{
    struct node *node = molt_new(&calling_type);
    molt_release(node);
    ck_assert_uint_eq(atomic_load(&called), 2);
}
END_TEST

START_TEST(test_disabled)
{
    molt_gc_disable();
    make_under_lock(MANY);
    ck_assert(!molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
    molt_gc_enable();
    make_under_lock(1);
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), MANY + 1);
}
END_TEST

/* ---- What other threads release ---- */

static void *release_there(void *object)
{
    molt_release(object);
    return NULL;
}

static void by_run(void)
{
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
}

static void by_region(void)
{
    molt_gc_blocking_begin();
    molt_gc_blocking_end();
}

static void by_collection(void)
{
    molt_gc_collect(0);
}

static void (*const settling[])(void) = {by_run, molt_gc_safepoint, by_region, by_collection};

START_TEST(test_released_by_another_thread)
{
    struct node *node = molt_new(&calling_type);
    unit_in_thread(release_there, node);
    ck_assert(molt_gc_is_due());
    make_under_lock(650);
    ck_assert_uint_eq(atomic_load(&called), 0);
    settling[_i]();
    ck_assert_uint_ge(atomic_load(&called), 2);
    ck_assert(!molt_gc_is_due());
}
END_TEST

/* ---- Where nothing can be done ---- */

static long in_finalizer = -1;

static void run_in_finalizer(struct node *node)
{
    (void)node;
    in_finalizer = molt_gc_run_deferred();
}

START_TEST(test_where_nothing_is_done)
{
    make_under_lock(MANY);
    molt_gc_blocking_begin();
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
    molt_gc_blocking_end();
    ck_assert(molt_gc_is_due());
    struct node *node = ring_new(&telling_type, 1, 1);
    node->on_finalize = run_in_finalizer;
    molt_release(node);
    ck_assert_int_eq(molt_gc_run_deferred(), MANY + 1);
    ck_assert_int_eq(in_finalizer, 0);
}
END_TEST

/* It stays due. */
START_TEST(test_no_memory)
{
    make_under_lock(100000);
    os_fail(1, true);
    errno = 0;
    ck_assert_int_eq(molt_gc_run_deferred(), -1);
    ck_assert_int_eq(errno, ENOMEM);
    os_fail(0, false);
    ck_assert(molt_gc_is_due());
    ck_assert_uint_eq(atomic_load(&called), 0);
    ck_assert_int_eq(molt_gc_run_deferred(), 100000);
}
END_TEST

/* … also if that goes for the slice alone. */
START_TEST(test_no_memory_for_a_slice)
{
    molt_ctl("gc", NULL, NULL, "incremental", strlen("incremental"));
    molt_gc_collect(2);
    make_under_lock(MANY);
    molt_gc_set_threshold(700, 10, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_ge(molt_gc_collect(1), 0);
    make_under_lock(701);
    ck_assert(molt_gc_is_due());
    os_fail(1, true);
    errno = 0;
    ck_assert_int_eq(molt_gc_run_deferred(), -1);
    ck_assert_int_eq(errno, ENOMEM);
    os_fail(0, false);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 0);
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 0);
    ck_assert(!molt_gc_is_due());
}
END_TEST

static void run_in_child(void *unused)
{
    (void)unused;
    if (!molt_gc_is_deferred() || !molt_gc_is_due() || molt_gc_run_deferred() != MANY)
        _exit(1);
}

START_TEST(test_child)
{
    char text[1000];
    make_under_lock(MANY);
    ck_assert_int_eq(unit_child(run_in_child, NULL, text, sizeof text), 0);
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), MANY);
}
END_TEST

/* ---- A thread that does not come ---- */

static atomic_bool runs, may_come, may_end;

static void wait_for(atomic_bool *condition)
{
    while (!atomic_load(condition))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *be_late(void *unused)
{
    molt_gc_attach();
    atomic_store(&runs, true);
    wait_for(&may_come);
    molt_gc_blocking_begin();
    atomic_store(&runs, false);
    wait_for(&may_end);
    return unused;
}

/* A ring of large objects that a full collection alone finds; one is due, since there are large
 * ones twice as many by now. */
static void make_old_garbage(size_t count)
{
    struct node *first = molt_new_extra(&node_type, 1 << 20), *last = first;
    for (size_t i = 1; i < count; i++) {
        last->a = molt_new_extra(&node_type, 1 << 20);
        last = last->a;
    }
    molt_set(&last->a, first);
    molt_gc_collect(2);
    for (size_t i = 0; i < 2 * count; i++) {
        struct node *node = molt_new_extra(&node_type, 1 << 20);
        molt_set(&node->a, node);
        molt_release(node);
    }
    molt_release(first);
}

/* What is due stays so, a full collection, too, and the slices of one. */
START_TEST(test_busy)
{
    pthread_t thread;
    if (_i == 1) {
        molt_ctl("gc", NULL, NULL, "incremental", strlen("incremental"));
        molt_ctl("gc_slice", NULL, NULL, "1000000", strlen("1000000"));
    }
    make_old_garbage(20);
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(pthread_create(&thread, NULL, be_late, NULL), 0);
    wait_for(&runs);
    errno = 0;
    ck_assert_int_eq(molt_gc_run_deferred(), -1);
    ck_assert_int_eq(errno, EBUSY);
    atomic_store(&may_come, true);
    while (atomic_load(&runs))
        molt_gc_safepoint();
    ck_assert(molt_gc_is_due());
    ck_assert_int_eq(molt_gc_run_deferred(), 60);
    ck_assert(!molt_gc_is_due());
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_blocking_end();
}
END_TEST

/* ---- Several threads ---- */

enum { THREADS = 4 };

static void *make_and_run(void *unused)
{
    for (int i = 0; i < 20; i++) {
        make_under_lock(500);
        if (i % 4 == 0)
            while (molt_gc_is_due() && molt_gc_run_deferred() < 0)
                ;
        molt_gc_safepoint();
    }
    return unused;
}

START_TEST(test_threads)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_run, NULL), 0);
    molt_gc_blocking_begin();
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    molt_gc_blocking_end();
    molt_gc_collect(2);
    ck_assert_uint_eq(atomic_load(&called), THREADS * 20 * 500 * CALLS);
}
END_TEST

Suite *suite_deferral(void)
{
    Suite *suite = suite_create("deferral");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, NULL);
    tcase_add_loop_test(all, test_nothing_runs_in_molt_new, 0, 2);
    tcase_add_test(all, test_switched_off);
    tcase_add_test(all, test_large_objects);
    tcase_add_loop_test(all, test_explicit_collection, 0, 3);
    tcase_add_test(all, test_release);
    tcase_add_test(all, test_disabled);
    tcase_add_loop_test(all, test_released_by_another_thread, 0, (int)COUNT_OF(settling));
    tcase_add_test(all, test_where_nothing_is_done);
    tcase_add_test(all, test_no_memory);
    tcase_add_test(all, test_no_memory_for_a_slice);
    tcase_add_test(all, test_child);
    tcase_add_loop_test(all, test_busy, 0, 2);
    tcase_add_test(all, test_threads);
    suite_add_tcase(suite, all);
    return suite;
}
