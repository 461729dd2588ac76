/* test_straggler.c: threads that come to no safepoint, or too late; threads that make objects
 * faster than others collect them. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "gc/pacing.h"
#include "object/owner.h"
#include "gc/straggler.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct molt_gc_stats stats_of(int generation)
{
    struct molt_gc_stats stats;
    ck_assert_int_eq(molt_gc_get_stats(generation, &stats), 0);
    return stats;
}

static uint64_t skipped_busy(void)
{
    return stats_of(0).skipped_busy + stats_of(1).skipped_busy + stats_of(2).skipped_busy;
}

static uint64_t collected(void)
{
    return stats_of(0).collected + stats_of(1).collected + stats_of(2).collected;
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- A thread that comes to no safepoint ---- */

static atomic_bool is_running, may_come, may_end;
static atomic_uint stuck_id;

static void wait_for(atomic_bool *condition)
{
    while (!atomic_load(condition))
        sleep_ms(1);
}

static void *be_stuck(void *unused)
{
    pthread_setname_np(pthread_self(), "the stuck one");
    molt_release(ring_new(&node_type, 0, 1));
    atomic_store(&stuck_id, os_thread_id());
    atomic_store(&is_running, true);
    wait_for(&may_come);
    molt_gc_safepoint();
    molt_gc_blocking_begin();
    wait_for(&may_end);
    return unused;
}

static pthread_t stuck;

static void start_stuck(void)
{
    ck_assert_int_eq(pthread_create(&stuck, NULL, be_stuck, NULL), 0);
    wait_for(&is_running);
}

static void end_stuck(void)
{
    atomic_store(&may_come, true);
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(stuck, NULL), 0);
    molt_gc_blocking_end();
}

/* The attempts become rare: 700 objects, 1400 … */
START_TEST(test_attempts_become_rare)
{
    enum { MADE = 200000 };
    start_stuck();
    make_garbage(MADE);
    uint64_t skipped = skipped_busy();
    ck_assert_uint_ge(skipped, 2);
    ck_assert_uint_le(skipped, 10);
    ck_assert_uint_eq(collected(), 0);
    ck_assert_int_gt(pacing_limit(), 700);
    end_stuck();
    ck_assert_int_eq(molt_gc_collect(2), MADE + 1);
    ck_assert_int_eq(pacing_limit(), 700);
}
END_TEST

/* As soon as the thread has come, what was put off is done; and the pace is the usual one again. */
START_TEST(test_thread_that_comes)
{
    start_stuck();
    make_garbage(50000);
    ck_assert_uint_eq(collected(), 0);
    atomic_store(&may_come, true);
    for (int i = 0; i < 10000 && collected() == 0; i++) {
        make_garbage(1);
        sleep_ms(1);
    }
    ck_assert_uint_ge(collected(), 50000);
    uint64_t skipped = skipped_busy();
    make_garbage(50000);
    ck_assert_uint_eq(skipped_busy(), skipped);
    ck_assert_uint_ge(collected(), 99000);
    end_stuck();
}
END_TEST

/* Who it is, and since when. */
START_TEST(test_who_is_missing)
{
    ck_assert_uint_eq(stats_of(0).missing_thread, 0);
    ck_assert_uint_eq(stats_of(0).missing_ns, 0);
    start_stuck();
    sleep_ms(100);
    errno = 0;
    ck_assert_int_eq(molt_gc_collect(0), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_uint_eq(stats_of(0).skipped_busy, 1);
    ck_assert_uint_eq(stats_of(1).skipped_busy, 0);
    for (int generation = 0; generation < 3; generation++) {
        struct molt_gc_stats stats = stats_of(generation);
        ck_assert_uint_eq(stats.missing_thread, atomic_load(&stuck_id));
        ck_assert_uint_ge(stats.missing_ns, UINT64_C(1050000000));
    }
    atomic_store(&may_come, true);
    for (int i = 0; i < 10000 && stats_of(0).missing_thread != 0; i++)
        sleep_ms(1);
    ck_assert_uint_eq(stats_of(0).missing_thread, 0);
    ck_assert_uint_eq(stats_of(0).missing_ns, 0);
    end_stuck();
}
END_TEST

static void report_stuck(void *unused)
{
    (void)unused;
    start_stuck();
    molt_gc_collect(2);
    molt_gc_report(STDERR_FILENO);
    end_stuck();
    molt_gc_report(STDERR_FILENO);
}

START_TEST(test_report)
{
    char text[4000], words[200];
    ck_assert_int_eq(unit_child(report_stuck, NULL, text, sizeof text), 0);
    snprintf(words, sizeof words, " (the stuck one) has come to no safepoint for ");
    const char *line = strstr(text, words);
    ck_assert_msg(line != NULL, "%s", text);
    ck_assert_msg(strstr(line, " s; 1 collection was skipped\n") != NULL, "%s", text);
    const char *later =
        strstr(line, "\n1 collection was skipped because a thread came to no safepoint in time\n");
    ck_assert_msg(later != NULL, "%s", text);
}
END_TEST

static void make_much(void *twice)
{
    start_stuck();
    for (int i = 0; i < (twice != NULL ? 2 : 1) * 100; i++) {
        make_garbage(20000);
        if (i < 4)
            sleep_ms(150);
    }
    end_stuck();
}

/* Once, however long it lasts. */
START_TEST(test_warning)
{
    char text[4000];
    ck_assert_int_eq(unit_child(make_much, _i == 0 ? NULL : text, text, sizeof text), 0);
    const char *line = strstr(text, "molt: warning: thread ");
    ck_assert_msg(line == text, "%s", text);
    ck_assert_msg(strstr(text, " (the stuck one) has come to no safepoint for ") != NULL, "%s",
                  text);
    ck_assert_msg(strchr(text, '\n') == text + strlen(text) - 1, "%s", text);
}
END_TEST

static void use_two_threads(void *unused)
{
    (void)unused;
    atomic_store(&may_come, true);
    start_stuck();
    make_garbage(100000);
    end_stuck();
    make_garbage(100000);
}

START_TEST(test_no_warning)
{
    char text[1000];
    ck_assert_int_eq(unit_child(use_two_threads, NULL, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

/* In a forked child the thread is gone, and who is left has another id. */
static void collect_in_child(void *unused)
{
    (void)unused;
    struct molt_gc_stats stats;
    molt_gc_get_stats(2, &stats);
    if (stats.missing_thread != 0 || owner_self->thread != os_thread_id())
        _exit(1);
    if (molt_gc_collect(2) < 10000)
        _exit(2);
    make_garbage(2000);
    molt_gc_get_stats(0, &stats);
    if (stats.skipped_busy != stats.skipped || pacing_limit() != 700)
        _exit(3);
}

START_TEST(test_child)
{
    char text[1000];
    start_stuck();
    make_garbage(10000);
    ck_assert_uint_ge(skipped_busy(), 1);
    ck_assert_int_eq(unit_child(collect_in_child, NULL, text, sizeof text), 0);
    end_stuck();
}
END_TEST

/* ---- Since when ---- */

static _Atomic uint64_t came_ms;

static void come_by_attaching(void)
{
    atomic_store(&came_ms, os_now_ms());
    molt_gc_attach();
}

static void come_by_a_region(void)
{
    molt_gc_attach();
    molt_gc_blocking_begin();
    sleep_ms(300);
    atomic_store(&came_ms, os_now_ms());
    molt_gc_blocking_end();
}

static void come_by_collecting(void)
{
    molt_gc_attach();
    sleep_ms(300);
    atomic_store(&came_ms, os_now_ms());
    while (molt_gc_collect(0) < 0)
        ;
}

static void finalize_slowly(void *object)
{
    (void)object;
    sleep_ms(300);
    atomic_store(&came_ms, os_now_ms());
}

MOLT_TYPE(slowly_finalized, struct node, MOLT_REFS(struct node, a, b), .finalize = finalize_slowly);

static void come_by_a_collection(void)
{
    molt_release(ring_new(&slowly_finalized, 0, 1));
    while (molt_gc_collect(0) < 0)
        ;
}

static void (*const coming[])(void) = {come_by_attaching, come_by_a_region, come_by_collecting,
                                       come_by_a_collection};

static void *come_then_spin(void *come)
{
    (*(void (*const *)(void))come)();
    atomic_store(&is_running, true);
    wait_for(&may_end);
    return NULL;
}

/* Each of these is a safepoint, or ends at one. */
START_TEST(test_since_when)
{
    pthread_t thread;
    molt_gc_attach();
    ck_assert_int_eq(pthread_create(&thread, NULL, come_then_spin, (void *)&coming[_i]), 0);
    while (!atomic_load(&is_running)) {
        molt_gc_safepoint();
        sleep_ms(1);
    }
    ck_assert_int_eq(molt_gc_collect(0), -1);
    struct molt_gc_stats stats = stats_of(0);
    ck_assert_uint_ne(stats.missing_thread, 0);
    ck_assert_uint_ge(stats.missing_ns, UINT64_C(1000000000));
    ck_assert_uint_le(stats.missing_ns, (os_now_ms() - atomic_load(&came_ms)) * 1000000);
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_blocking_end();
}
END_TEST

static void *collect_when_missing(void *unused)
{
    molt_gc_attach();
    atomic_store(&is_running, true);
    wait_for(&may_come);
    while (molt_gc_collect(0) < 0)
        ;
    atomic_store(&is_running, false);
    wait_for(&may_end);
    return unused;
}

/* Who collects has come. */
START_TEST(test_missing_thread_that_collects)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, collect_when_missing, NULL), 0);
    wait_for(&is_running);
    ck_assert_int_eq(molt_gc_collect(0), -1);
    ck_assert_uint_ne(stats_of(0).missing_thread, 0);
    atomic_store(&may_come, true);
    while (atomic_load(&is_running)) {
        molt_gc_safepoint();
        sleep_ms(1);
    }
    ck_assert_uint_eq(stats_of(0).missing_thread, 0);
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_blocking_end();
}
END_TEST

static void *attach_in_child(void *unused)
{
    molt_gc_attach();
    atomic_store(&is_running, true);
    wait_for(&may_end);
    return unused;
}

static bool can_start_threads_in_child(void)
{
#ifdef MOLT_WATCHED
    printf("skipped test_new_thread_in_child: ThreadSanitizer ends such a child\n");
    return false;
#else
    return true;
#endif
}

static void start_thread_in_child(void *unused)
{
    (void)unused;
    pthread_t thread;
    atomic_store(&is_running, false);
    if (pthread_create(&thread, NULL, attach_in_child, NULL) != 0)
        _exit(1);
    wait_for(&is_running);
    if (stats_of(0).missing_thread != 0)
        _exit(2);
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    pthread_join(thread, NULL);
    molt_gc_blocking_end();
}

/* A thread of a forked child may have the heap of one that was missing. */
START_TEST(test_new_thread_in_child)
{
    char text[1000];
    if (!can_start_threads_in_child())
        return;
    start_stuck();
    ck_assert_int_eq(molt_gc_collect(0), -1);
    ck_assert_int_eq(unit_child(start_thread_in_child, NULL, text, sizeof text), 0);
    end_stuck();
}
END_TEST

/* ---- A thread that comes too late ---- */

enum { LATE_MS = 400, LINGER_MS = 50, MEETINGS = 6 };

static atomic_uint rings_freed, meetings, early;

static void count_freed(void *object)
{
    (void)object;
    atomic_fetch_add(&rings_freed, 1);
}

MOLT_TYPE(counted_type, struct node, MOLT_REFS(struct node, a, b), .dispose = count_freed);

/* What has come of being at a safepoint: a collection; or none, though it has not stayed for long
 * enough. On a busy machine it may have stayed in vain. */
static void note_coming(unsigned freed_before, uint64_t since_ms)
{
    if (atomic_load(&rings_freed) != freed_before)
        atomic_fetch_add(&meetings, 1);
    else if (os_now_ms() - since_ms < LINGER_MS)
        atomic_fetch_add(&early, 1);
}

static void *come_late(void *unused)
{
    molt_gc_attach();
    atomic_store(&is_running, true);
    while (!atomic_load(&may_end)) {
        uint64_t now = os_now_ms();
        for (uint64_t end = now + LATE_MS; now < end; now = os_now_ms())
            sched_yield();
        bool was_missing = atomic_load(&owner_self->is_missing);
        unsigned before = atomic_load(&rings_freed);
        molt_gc_safepoint();
        if (was_missing)
            note_coming(before, now);
    }
    return unused;
}

/* It is at a safepoint now and then, but never within the time that a molt_new waits: it stays
 * there until a collection has been, or for LINGER_MS. An attempt that fails just as it comes sends
 * it away as well. */
START_TEST(test_late_thread)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, come_late, NULL), 0);
    wait_for(&is_running);
    while (atomic_load(&meetings) < MEETINGS && atomic_load(&early) <= MEETINGS / 2) {
        for (int i = 0; i < 200; i++)
            molt_release(ring_new(&counted_type, 0, 1));
        sleep_ms(1);
    }
    ck_assert_uint_ge(skipped_busy(), 1);
    ck_assert_uint_eq(atomic_load(&meetings), MEETINGS);
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_blocking_end();
}
END_TEST

/* ---- Makers and collectors ---- */

enum { MAKERS = 4 };

static atomic_size_t made;

static void *make_rings(void *unused)
{
    while (!atomic_load(&may_end)) {
        make_garbage(100);
        atomic_fetch_add(&made, 100);
    }
    return unused;
}

/* Several make rings as fast as they can, and one is away for a while again and again. */
START_TEST(test_makers)
{
    pthread_t threads[MAKERS];
    size_t most = 0;
    for (int i = 0; i < MAKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_rings, NULL), 0);
    molt_release(ring_new(&node_type, 0, 1));
    for (int i = 0; i < 10; i++) {
        sleep_ms(i % 2 == 0 ? 30 : 800); /* at no safepoint */
        uint64_t freed = collected();
        size_t now = atomic_load(&made) - (size_t)freed;
        most = now > most ? now : most;
        molt_gc_blocking_begin();
        sleep_ms(5);
        molt_gc_blocking_end();
    }
    atomic_store(&may_end, true);
    molt_gc_blocking_begin();
    for (int i = 0; i < MAKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    molt_gc_blocking_end();
    ck_assert_uint_le(most, ((size_t)64 << 20) / 48); /* bytes of a node */
}
END_TEST

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_size_t disposed;

static void dispose_slowly(void *object)
{
    (void)object;
    atomic_store(&is_running, true);
    sleep_ms(1);
    atomic_fetch_add(&disposed, 1);
}

static void dispose_under_lock(void *object)
{
    (void)object;
    atomic_store(&is_running, true);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    atomic_fetch_add(&disposed, 1);
}

MOLT_TYPE(slow_type, struct node, MOLT_REFS(struct node, a, b), .dispose = dispose_slowly);
MOLT_TYPE(locking_type, struct node, MOLT_REFS(struct node, a, b), .dispose = dispose_under_lock);

static void *make_and_collect(void *type)
{
    for (int i = 0; i < 300; i++)
        molt_release(ring_new(type, 0, 1));
    molt_gc_collect(2);
    return NULL;
}

/* While another thread collects, slowly, who makes objects waits for it, but makes some. */
START_TEST(test_maker_waits_for_a_slow_collection)
{
    pthread_t thread;
    molt_release(ring_new(&node_type, 0, 1));
    ck_assert_int_eq(pthread_create(&thread, NULL, make_and_collect, &slow_type), 0);
    while (!atomic_load(&is_running))
        molt_gc_safepoint();
    unsigned count[3];
    make_garbage(200000);
    ck_assert_uint_eq(atomic_load(&disposed), 300); /* else it would have gone on long before */
    molt_gc_get_count(count);
    ck_assert_uint_lt(count[0], 200000);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* … but not if that waits for the maker. */
START_TEST(test_maker_that_a_collection_waits_for)
{
    pthread_t thread;
    molt_release(ring_new(&node_type, 0, 1));
    pthread_mutex_lock(&mutex);
    ck_assert_int_eq(pthread_create(&thread, NULL, make_and_collect, &locking_type), 0);
    while (!atomic_load(&is_running))
        molt_gc_safepoint();
    uint64_t start = os_now_ms();
    make_garbage(200000);
    ck_assert_uint_eq(atomic_load(&disposed), 0);
    ck_assert_uint_lt(os_now_ms() - start, 10000); /* a few waits, each of 20 ms */
    pthread_mutex_unlock(&mutex);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_blocking_end();
    ck_assert_uint_eq(atomic_load(&disposed), 300);
}
END_TEST

Suite *suite_straggler(void)
{
    Suite *suite = suite_create("straggler");
    TCase *missing = tcase_create("missing");
    tcase_set_timeout(missing, 60);
    tcase_add_test(missing, test_attempts_become_rare);
    tcase_add_test(missing, test_thread_that_comes);
    tcase_add_test(missing, test_who_is_missing);
    tcase_add_test(missing, test_report);
    tcase_add_loop_test(missing, test_warning, 0, 2);
    tcase_add_test(missing, test_no_warning);
    tcase_add_test(missing, test_child);
    tcase_add_loop_test(missing, test_since_when, 0, (int)COUNT_OF(coming));
    tcase_add_test(missing, test_missing_thread_that_collects);
    tcase_add_test(missing, test_new_thread_in_child);
    suite_add_tcase(suite, missing);
    TCase *late = tcase_create("late");
    tcase_set_timeout(late, 60);
    tcase_add_test(late, test_late_thread);
    suite_add_tcase(suite, late);
    TCase *makers = tcase_create("makers");
    tcase_set_timeout(makers, 60);
    tcase_add_test(makers, test_makers);
    tcase_add_test(makers, test_maker_waits_for_a_slow_collection);
    tcase_add_test(makers, test_maker_that_a_collection_waits_for);
    suite_add_tcase(suite, makers);
    return suite;
}
