/* test_os_failures.c: every call that asks the OS for memory is made to fail, one after the other.
 *
 * A fixed script goes through all layers. While calls fail each allocation must either succeed or
 * give NULL and ENOMEM, and no block may suffer; afterwards the script must pass without a failure
 * and leave nothing behind. The script runs in children of the tests, and in programs of its own
 * (`unit --script`) for failures at the very first allocation of a process. */
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "molt.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The script ---- */

/* Not Check's: the script also runs without it. */
__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

struct held {
    char *p;
    size_t size;
};

static struct {
    struct held held[400];
    unsigned count;
    bool strict; /* nothing may fail */
    unsigned failures;
} script;

/* Blocks are marked at their first bytes, here and there behind, and at their last byte: to write
 * all of them would take minutes. */
static size_t next_mark(size_t at)
{
    return at < 512 ? at + 1 : (at / 16384 + 1) * 16384;
}

static unsigned char mark_at(size_t at, unsigned key)
{
    return (unsigned char)(at * 7 + (at >> 14) + key * 13 + 1);
}

static void mark(const struct held *held, unsigned key)
{
    for (size_t at = 0; at < held->size; at = next_mark(at))
        held->p[at] = (char)mark_at(at, key);
    if (held->size > 0)
        held->p[held->size - 1] = (char)key;
}

/* Whether the first `size` bytes have their marks; the last of the block is not among them. */
static bool is_marked(const char *p, size_t size, unsigned key)
{
    for (size_t at = 0; at < size; at = next_mark(at))
        if ((unsigned char)p[at] != mark_at(at, key))
            return false;
    return true;
}

static bool is_zero_at_marks(const char *p, size_t size)
{
    for (size_t at = 0; at < size; at = next_mark(at))
        if (p[at] != 0)
            return false;
    return size == 0 || p[size - 1] == 0;
}

/* The result of an allocation: NULL must come with ENOMEM. */
static void *result(void *p, size_t size, const char *call)
{
    if (p != NULL)
        return p;
    if (script.strict)
        die("%s of %zu bytes failed without need", call, size);
    if (errno != ENOMEM)
        die("%s of %zu bytes failed with errno %d", call, size, errno);
    script.failures++;
    return NULL;
}

static void hold(void *p, size_t size, size_t alignment, const char *call)
{
    if (result(p, size, call) == NULL)
        return;
    if ((uintptr_t)p % alignment != 0)
        die("%s of %zu bytes at a multiple of %zu gave %p", call, size, alignment, p);
    script.held[script.count] = (struct held){p, size};
    mark(&script.held[script.count], script.count);
    script.count++;
}

static void check_held(unsigned i, const char *when)
{
    const struct held *held = &script.held[i];
    if (held->size > 0 && (!is_marked(held->p, held->size - 1, i) ||
                           (unsigned char)held->p[held->size - 1] != (unsigned char)i))
        die("block %u of %zu bytes is damaged %s", i, held->size, when);
}

static void take(size_t size)
{
    errno = 0;
    hold(molt_malloc(size), size, size <= 8 ? 8 : 16, "malloc");
}

static void take_zeroed(size_t size)
{
    errno = 0;
    char *p = molt_calloc(1, size);
    if (p != NULL && !is_zero_at_marks(p, size))
        die("calloc of %zu bytes is not zero", size);
    hold(p, size, size <= 8 ? 8 : 16, "calloc");
}

static void take_aligned(size_t alignment, size_t size)
{
    errno = 0;
    hold(molt_aligned_alloc(alignment, size), size, alignment, "aligned_alloc");
}

static void resize(unsigned i, size_t size)
{
    struct held *held = &script.held[i];
    size_t kept = size < held->size ? size : held->size - (held->size > 0);
    errno = 0;
    char *p = result(molt_realloc(held->p, size), size, "realloc");
    if (p == NULL) {
        check_held(i, "by a realloc that failed");
        return;
    }
    if (!is_marked(p, kept, i))
        die("realloc of block %u from %zu to %zu bytes lost its content", i, held->size, size);
    *held = (struct held){p, size};
    mark(held, i);
}

/* A thread with blocks of its own, which also frees some of others. */
static void *thread_part(void *unused)
{
    for (size_t size = 1; size < 3000; size += 300)
        take(size);
    take(50000);
    for (unsigned i = 0; i < 20 && i < script.count; i++) {
        check_held(i, "when a thread frees it");
        molt_free(script.held[i].p);
        script.held[i] = script.held[--script.count];
        if (i < script.count)
            mark(&script.held[i], i);
    }
    return unused;
}

static void run_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_part, NULL) != 0)
        die("no thread");
    pthread_join(thread, NULL);
}

static void take_all_kinds(void)
{
    for (size_t size = 0; size < 3000; size += 61)
        take(size);
    for (size_t size = 0; size < 5000; size += 487)
        take_zeroed(size);
    for (size_t size = 3000; size <= 32768; size += 3000)
        take(size);
    for (size_t size = 33000; size < (size_t)2 << 20; size += 700000) {
        take(size);
        take_zeroed(size + 1);
    }
    for (size_t size = (size_t)2 << 20; size < (size_t)6 << 20; size += (size_t)3 << 20) {
        take(size + 1);
        take_zeroed(size + 10000);
    }
    for (size_t alignment = 32; alignment <= (size_t)4 << 20; alignment *= 16) {
        take_aligned(alignment, 100);
        take_aligned(alignment, alignment < 4096 ? 30000 : 100000);
    }
}

static void resize_all(void)
{
    for (unsigned i = 0; i < script.count; i++) {
        size_t size = script.held[i].size;
        resize(i, size * 2 + 1);
        if (i % 3 == 0)
            resize(i, size / 3 + 1);
    }
}

static void free_all(void)
{
    for (unsigned i = 0; i < script.count; i++) {
        check_held(i, "at the end");
        errno = 77;
        molt_free(script.held[i].p);
        if (errno != 77)
            die("free changed errno to %d", errno);
    }
    script.count = 0;
}

static void play(bool strict)
{
    script.strict = strict;
    script.failures = 0;
    take_all_kinds();
    run_thread();
    for (unsigned i = 0; i < script.count; i++)
        check_held(i, "half-way");
    resize_all();
    molt_trim(0);
    run_thread();
    free_all();
    take_all_kinds(); /* from the caches */
    free_all();
    molt_trim(0);
}

static void expect_nothing_left(void)
{
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    if (stats.live_blocks != 0 || stats.live_bytes != 0)
        die("%zu blocks of %zu bytes are left", stats.live_blocks, stats.live_bytes);
    if (stats.dirty_bytes != 0 || stats.cached_bytes != 0)
        die("%zu dirty and %zu cached bytes are left", stats.dirty_bytes, stats.cached_bytes);
}

static void play_and_recover(void)
{
    play(false);
    unsetenv("MOLT"); /* read again by a start that is tried again */
    options.fail_os = 0;
    os_fail(0, false);
    play(true);
    expect_nothing_left();
}

/* ---- Failures in a process that has started well ---- */

struct failure {
    unsigned long nth;
    bool every;
    bool warm; /* the script has been played before */
};

static void fail_and_recover(void *argument)
{
    struct failure *failure = argument;
    if (failure->warm)
        play(true);
    os_fail(failure->nth, failure->every);
    play_and_recover();
}

static void expect_survival(struct failure failure)
{
    char text[1000];
    int status = unit_child(fail_and_recover, &failure, text, sizeof text);
    if (status != 0)
        ck_abort_msg("call %lu%s fails%s: status %#x: %s", failure.nth,
                     failure.every ? " and all later" : "", failure.warm ? " (warm)" : "",
                     (unsigned)status, text);
}

static unsigned long script_calls;

/* In a child, with its result by the exit status. */
static void count_calls(void *limit)
{
    unsigned long before = os_calls();
    play(true);
    unsigned long calls = os_calls() - before;
    dprintf(STDERR_FILENO, "%lu", calls);
    (void)limit;
}

static void set_up(void)
{
    char text[1000];
    ck_assert_int_eq(unit_child(count_calls, NULL, text, sizeof text), 0);
    script_calls = strtoul(text, NULL, 10);
    ck_assert_uint_gt(script_calls, 20);
    ck_assert_uint_lt(script_calls, 2000);
}

START_TEST(test_script_passes)
{
    expect_survival((struct failure){.nth = 0});
}
END_TEST

/* Each of the first 40, then each stride-th; some, where a child takes ten times as long. */
static unsigned long next_call(unsigned long nth, unsigned long stride)
{
    if (unit_is_sanitized())
        return nth + 7;
    return nth + (nth < 40 ? 1 : stride);
}

START_TEST(test_one_call_fails)
{
    for (unsigned long nth = 1; nth <= script_calls + 1; nth = next_call(nth, 1))
        expect_survival((struct failure){.nth = nth});
}
END_TEST

START_TEST(test_all_later_calls_fail)
{
    for (unsigned long nth = 1; nth <= script_calls + 1; nth = next_call(nth, 5))
        expect_survival((struct failure){.nth = nth, .every = true});
}
END_TEST

START_TEST(test_warm_calls_fail)
{
    for (unsigned long nth = 1; nth <= script_calls + 1; nth = next_call(nth, 11)) {
        expect_survival((struct failure){.nth = nth, .warm = true});
        expect_survival((struct failure){.nth = nth, .every = true, .warm = true});
    }
}
END_TEST

/* ---- Each kind of allocation as the thread's first ---- */

static void first_small(void)
{
    take(100);
}

static void first_zeroed(void)
{
    take_zeroed(100);
}

static void first_zeroed_page(void)
{
    take_zeroed(30000);
}

static void first_aligned(void)
{
    for (size_t alignment = 32; alignment <= 65536; alignment *= 2)
        take_aligned(alignment, 100);
}

static void first_aligned_8k(void)
{
    take_aligned(8192, 5000);
}

static void first_aligned_32k(void)
{
    take_aligned(32768, 100);
}

static void first_run(void)
{
    take(100000);
}

static void first_huge(void)
{
    take(5000000);
}

static void first_realloc(void)
{
    errno = 0;
    hold(molt_realloc(NULL, 100), 100, 16, "realloc");
}

static void (*const first_calls[])(void) = {
    first_small,       first_zeroed, first_zeroed_page, first_aligned, first_aligned_8k,
    first_aligned_32k, first_run,    first_huge,        first_realloc,
};

struct first {
    struct failure failure;
    void (*call)(void);
};

static void first_fails(void *argument)
{
    struct first *first = argument;
    os_fail(first->failure.nth, first->failure.every);
    script.strict = false;
    first->call();
    free_all();
    os_fail(0, false);
    script.strict = true;
    first->call();
    free_all();
}

START_TEST(test_first_call_of_a_thread_fails)
{
    struct first first = {.call = first_calls[_i]};
    char text[1000];
    for (unsigned i = 0; i < 16; i++) {
        first.failure = (struct failure){.nth = 1 + i / 2, .every = i % 2 == 1};
        int status = unit_child(first_fails, &first, text, sizeof text);
        if (status != 0)
            ck_abort_msg("call %lu%s fails: status %#x: %s", first.failure.nth,
                         first.failure.every ? " and all later" : "", (unsigned)status, text);
    }
}
END_TEST

/* ---- Single calls ---- */

/* mremap may fail at any time: the block is copied. */
START_TEST(test_no_mremap)
{
    char *p = molt_malloc(5 << 20);
    unit_fill(p, 5 << 20, 1);
    os_fail(1, false);
    p = molt_realloc(p, 9 << 20);
    ck_assert_ptr_nonnull(p);
    ck_assert(unit_is_filled(p, 5 << 20, 1));
    molt_free(p);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

START_TEST(test_no_memory_for_realloc)
{
    char *p = molt_malloc(5 << 20);
    unit_fill(p, 5 << 20, 1);
    os_fail(1, true);
    errno = 0;
    ck_assert_ptr_null(molt_realloc(p, 9 << 20));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(unit_is_filled(p, 5 << 20, 1));
    ck_assert_uint_eq(molt_usable_size(p), 5 << 20);
    os_fail(0, false);
    p = molt_realloc(p, 9 << 20);
    ck_assert_ptr_nonnull(p);
    ck_assert(unit_is_filled(p, 5 << 20, 1));
}
END_TEST

/* Blocks that are free already are still handed out. */
START_TEST(test_free_blocks_need_no_os)
{
    char *blocks[300];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = molt_malloc(200);
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        molt_free(blocks[i]);
    molt_free(molt_malloc(100000));
    molt_free(molt_malloc(5 << 20));
    os_fail(1, true);
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        ck_assert_ptr_nonnull(molt_malloc(200));
    ck_assert_ptr_nonnull(molt_malloc(100000));
    ck_assert_ptr_nonnull(molt_malloc(5 << 20));
}
END_TEST

START_TEST(test_trim_fails)
{
    char *run = molt_malloc(1 << 20), *live = molt_malloc(1 << 20);
    unit_fill(live, 1 << 20, 1);
    memset(run, 1, 1 << 20);
    molt_free(run);
    os_fail(1, true);
    ck_assert_int_eq(molt_trim(0), 0);
    os_fail(0, false);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.dirty_bytes, 1 << 20);
    ck_assert_int_eq(molt_trim(0), 1);
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.dirty_bytes, 0);
    ck_assert(unit_is_filled(live, 1 << 20, 1));
    char *zero = molt_calloc(1, 1 << 20);
    ck_assert(unit_is_zero(zero, 1 << 20));
}
END_TEST

/* ---- Failures at the start of a process ---- */

/* Writable ones; a reservation may be lost, since munmap fails here too. */
static size_t data_pages(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %*u %*u %*u %*u %zu", &pages) != 1)
        die("no /proc/self/statm");
    fclose(file);
    return pages;
}

/* A program that cannot get memory asks again and again: that must not use anything up. */
static void ask_in_vain(void)
{
    size_t before = data_pages();
    for (unsigned i = 0; i < 3000; i++) {
        errno = 0;
        void *p = molt_malloc(100);
        if (p == NULL && errno != ENOMEM)
            die("malloc failed with errno %d", errno);
        molt_free(p);
    }
    size_t after = data_pages();
    void *p = molt_malloc(100);
    if (p == NULL && after > before + 100) /* else they were the heap's start */
        die("3000 failures cost %zu pages", after - before);
    molt_free(p);
}

int os_failures_script(void)
{
    ask_in_vain();
    play_and_recover();
    return 0;
}

static void run_program(void *options_text)
{
    setenv("MOLT", options_text, 1);
    execl("/proc/self/exe", "unit", "--script", (char *)NULL);
    die("no program: %s", strerror(errno));
}

START_TEST(test_process_starts_without_memory)
{
    for (unsigned nth = 1; nth <= 30; nth++) {
        char setting[40], text[1000];
        snprintf(setting, sizeof setting, "fail_os=%u", nth);
        int status = unit_child(run_program, setting, text, sizeof text);
        if (status != 0)
            ck_abort_msg("%s: status %#x: %s", setting, (unsigned)status, text);
    }
}
END_TEST

Suite *suite_os_failures(void)
{
    Suite *suite = suite_create("os_failures");
    TCase *scripts = tcase_create("script");
    tcase_set_timeout(scripts, 300);
    tcase_add_checked_fixture(scripts, set_up, NULL);
    tcase_add_test(scripts, test_script_passes);
    tcase_add_test(scripts, test_one_call_fails);
    tcase_add_test(scripts, test_all_later_calls_fail);
    tcase_add_test(scripts, test_warm_calls_fail);
    suite_add_tcase(suite, scripts);
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 60);
    tcase_add_loop_test(calls, test_first_call_of_a_thread_fails, 0, (int)COUNT_OF(first_calls));
    tcase_add_test(calls, test_no_mremap);
    tcase_add_test(calls, test_no_memory_for_realloc);
    tcase_add_test(calls, test_free_blocks_need_no_os);
    tcase_add_test(calls, test_trim_fails);
    tcase_add_test(calls, test_process_starts_without_memory);
    suite_add_tcase(suite, calls);
    return suite;
}
