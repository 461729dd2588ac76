/* test_holder.c: who holds free memory in pools, in heaps of which that is known. */
#include "suites.h"
#include "unit.h"

#include "alloc/account.h"
#include "alloc/pool.h"
#include "base/options.h"
#include "molt.h"
#include "molt_object.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SIZE = 200,
    BYTES = 208, /* of such blocks */
    IN_POOL = POOL_BYTES / BYTES,
    POOLS = 300,
    BLOCKS = POOLS * IN_POOL,
};

/* ---- Programs: each of these functions is a stack of its own, and so short ---- */

enum { STACK_CODE = 64 };
#define STACK __attribute__((noinline, aligned(64)))

static void *crowd[BLOCKS], *guests[BLOCKS], *loners[POOLS];

STACK static void *take_crowd(void)
{
    void *block = molt_malloc(SIZE);
    __asm__ volatile("" : "+r"(block));
    return block;
}

STACK static void *take_guest(void)
{
    void *block = molt_malloc(SIZE);
    __asm__ volatile("" : "+r"(block));
    return block;
}

STACK static void *take_loner(void)
{
    void *block = molt_malloc(SIZE);
    __asm__ volatile("" : "+r"(block));
    return block;
}

/* The crowd fills pools wholly, but for one block in so many. */
static void fill_pools(unsigned pools, unsigned one_in)
{
    for (unsigned i = 0; i < pools * IN_POOL; i++)
        crowd[i] = take_crowd();
    for (unsigned i = 0; one_in != 0 && i < pools * IN_POOL; i += one_in)
        molt_free(crowd[i]);
}

/* Pools in each of which a loner is left. */
static void leave_loners(unsigned pools)
{
    for (unsigned i = 0; i < pools * IN_POOL; i++) {
        guests[i] = i % IN_POOL == 0 ? NULL : take_guest();
        if (i % IN_POOL == 0)
            loners[i / IN_POOL] = take_loner();
    }
    for (unsigned i = 0; i < pools * IN_POOL; i++)
        molt_free(guests[i]);
}

/* ---- The report ---- */

static char text[1 << 16];

static void report(void)
{
    int file = memfd_create("report", 0);
    ck_assert_int_eq(molt_profile_holders(file), 0);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    close(file);
}

struct entry {
    size_t bytes, percent, blocks;
    double oldest, median;
    char sizes[64];
};

/* Whether one of the frames lies in the function. */
static bool has_frame(const char *frames, void *(*function)(void))
{
    Dl_info info;
    ck_assert(dladdr((void *)(uintptr_t)function, &info) != 0);
    size_t start = (uintptr_t)function - (uintptr_t)info.dli_fbase;
    for (const char *line = frames; strncmp(line, "    ", 4) == 0; line = strchr(line, '\n') + 1) {
        const char *place = strstr(line, "unit+0x");
        if (place != NULL && place < strchr(line, '\n') &&
            strtoul(place + 7, NULL, 16) - start < STACK_CODE)
            return true;
    }
    return false;
}

/* The line of the function's stack; all zero: there is none. */
static struct entry entry_of(void *(*function)(void))
{
    for (const char *line = text; (line = strstr(line, "\nholder: ")) != NULL; line++) {
        struct entry entry = {0};
        int fields = sscanf(line,
                            "\nholder: %zu bytes (%zu %%): %zu block%*[s ]of %63[^,], the oldest "
                            "%lf s old, half of them %lf s or older, allocated at:",
                            &entry.bytes, &entry.percent, &entry.blocks, entry.sizes, &entry.oldest,
                            &entry.median);
        ck_assert_int_eq(fields, 6);
        if (has_frame(strchr(line + 1, '\n') + 1, function))
            return entry;
    }
    return (struct entry){0};
}

static void expect(const char *words)
{
    REQUIRE(strstr(text, words) != NULL, "no '%s' in:\n%s", words, text);
}

/* Free blocks of the class with memory behind them. */
static size_t free_bytes(void)
{
    static struct molt_class classes[ACCOUNT_CLASSES];
    size_t bytes = 0;
    molt_classes_get(classes, sizeof classes[0], COUNT_OF(classes));
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (classes[i].block_bytes == BYTES && classes[i].kind == MOLT_CLASS_BLOCKS)
            bytes = (classes[i].free_blocks + classes[i].moving_blocks) * BYTES;
    return bytes;
}

static void set_up(void)
{
    options.decay = 1000000; /* nothing goes back by itself */
    options.prof_final = 0;
    unit_skip_starts();
}

static bool is_near(double a, double b, double percent)
{
    return a - b <= b * percent / 100 && b - a <= b * percent / 100;
}

/* ---- Where all blocks are recorded ---- */

START_TEST(test_trace)
{
    molt_profile_start(1);
    fill_pools(20, 0);
    leave_loners(20);
    molt_profile_stop();
    report();
    struct entry loner = entry_of(take_loner);
    ck_assert_uint_eq(loner.blocks, 20);
    ck_assert_str_eq(loner.sizes, "208 bytes");
    ck_assert_uint_eq(loner.bytes, 20 * (IN_POOL - 1) * BYTES);
    ck_assert_uint_ge(loner.percent, 95);
    ck_assert_uint_eq(entry_of(take_crowd).blocks + entry_of(take_guest).blocks, 0);
    expect("holders: 1 stack holds ");
    expect(" of 1.2 MiB free in pools\n");
    ck_assert_ptr_null(strstr(text, "estimated"));
}
END_TEST

/* Shares are those of blocks: three quarters are of one stack. */
START_TEST(test_trace_of_shared_pools)
{
    molt_profile_start(1);
    for (unsigned i = 0; i < 20 * IN_POOL; i++)
        crowd[i] = i % 4 == 0 ? take_loner() : take_guest();
    for (unsigned i = 0; i < 20 * IN_POOL; i++)
        if (i / 4 % 10 != 0) /* of ten groups of four one stays */
            molt_free(crowd[i]);
    molt_profile_stop();
    report();
    struct entry guest = entry_of(take_guest), loner = entry_of(take_loner);
    ck_assert_uint_eq(loner.blocks, 20 * IN_POOL / 40 + 1);
    ck_assert(is_near((double)guest.bytes, 3.0 * (double)loner.bytes, 3));
    ck_assert(is_near((double)(guest.bytes + loner.bytes), (double)free_bytes(), 1));
}
END_TEST

/* Blocks from before hold their share, too. */
START_TEST(test_blocks_from_before)
{
    fill_pools(10, 2);
    molt_profile_start(1);
    leave_loners(10);
    molt_profile_stop();
    report();
    size_t all = free_bytes(), loners_bytes = entry_of(take_loner).bytes;
    REQUIRE(loners_bytes < all * 3 / 4, "%zu of %zu", loners_bytes, all);
    expect(" are held by blocks that are not recorded\n");
}
END_TEST

START_TEST(test_ages)
{
    molt_profile_start(1);
    for (unsigned i = 0; i < 100; i++)
        guests[i] = take_guest();
    unsigned count = 4;
    __asm__ volatile("" : "+r"(count)); /* so that the loop has one call */
    for (unsigned i = 0; i < count; i++) {
        usleep(i == 1 ? 400000 : 0);
        loners[i] = take_loner();
    }
    for (unsigned i = 0; i < 100; i++)
        molt_free(guests[i]);
    molt_profile_stop();
    report();
    struct entry loner = entry_of(take_loner);
    ck_assert_uint_eq(loner.blocks, 4);
    REQUIRE(loner.oldest >= 0.4 && loner.oldest - loner.median >= 0.3, "%f, %f", loner.oldest,
            loner.median);
}
END_TEST

struct node {
    MOLT_OBJECT;
    struct node *next;
    char bytes[100];
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

START_TEST(test_objects)
{
    molt_profile_start(_i == 0 ? 1 : 4096);
    for (unsigned i = 0; i < 20 * IN_POOL; i++)
        crowd[i] = molt_new(&node_type);
    for (unsigned i = 0; i < 20 * IN_POOL; i++)
        if (i % 10 != 0)
            molt_release(crowd[i]);
    molt_profile_stop();
    report();
    expect("bytes (struct node), the oldest");
}
END_TEST

/* ---- Where some are ---- */

/* Of 300 loners 55 are expected to be sampled, with a deviation of 7. That changes their share of
 * all that is free by 3 %, so five deviations are 15 %. */
enum { MEAN = 1024 };

static void check_loners(size_t crowd_bytes)
{
    size_t known = free_bytes() - crowd_bytes;
    report();
    struct entry loner = entry_of(take_loner);
    REQUIRE(is_near((double)loner.bytes, (double)known, 15), "%zu, not %zu\n%s", loner.bytes, known,
            text);
    expect("holders: estimated by ");
}

START_TEST(test_samples)
{
    molt_profile_start(MEAN);
    fill_pools(POOLS, 5);
    leave_loners(POOLS);
    check_loners((size_t)BLOCKS / 5 * BYTES);
}
END_TEST

/* The other pages of their pools go, so what the crowd has freed counts for more. */
START_TEST(test_samples_and_holes)
{
    molt_profile_start(MEAN);
    fill_pools(POOLS, 50);
    leave_loners(POOLS);
    molt_trim(0);
    ck_assert_uint_lt(free_bytes(), POOLS * 6 * os_page_bytes());
    check_loners((size_t)BLOCKS / 50 * BYTES);
}
END_TEST

/* All is free that the loners' pools have, and half of it is theirs: 50 samples, with a deviation
 * of 6. */
START_TEST(test_samples_of_half_the_blocks)
{
    leave_loners(POOLS / 2);
    memset(guests, 0, sizeof guests);
    molt_profile_start(MEAN / 2);
    leave_loners(POOLS / 2);
    size_t known = free_bytes();
    report();
    struct entry loner = entry_of(take_loner);
    REQUIRE(is_near((double)loner.bytes, (double)known / 2, 70), "%zu of %zu\n%s", loner.bytes,
            known, text);
}
END_TEST

/* One sample, of a few that are expected, is no sign of blocks from before. */
START_TEST(test_few_samples)
{
    molt_profile_start(52000);
    leave_loners(POOLS);
    molt_profile_stop();
    report();
    size_t stacks = 0;
    sscanf(text, "holders: %zu", &stacks);
    REQUIRE(stacks == 0 || entry_of(take_loner).percent >= 90, "%s", text);
}
END_TEST

/* ---- Ends ---- */

START_TEST(test_nothing_is_free)
{
    molt_profile_start(100 * 1000 * 1000);
    report();
    expect(" free in pools\n");
    ck_assert_int_eq(strncmp(text, "holders: 0 stacks hold 0 % of ", 30), 0);
}
END_TEST

START_TEST(test_errors)
{
    errno = 0;
    ck_assert_int_eq(molt_profile_holders(1), -1);
    ck_assert_int_eq(errno, ENODATA);
    molt_profile_start(1);
    ck_assert_int_eq(molt_profile_holders(-1), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

static void *churn(void *end)
{
    void *some[100] = {0};
    uint64_t state = (uintptr_t)some;
    while (!__atomic_load_n((bool *)end, __ATOMIC_RELAXED)) {
        unsigned slot = unit_random(&state) % 100;
        molt_free(some[slot]);
        some[slot] = molt_malloc(unit_random(&state) % 3000);
    }
    for (unsigned i = 0; i < 100; i++)
        molt_free(some[i]);
    return NULL;
}

START_TEST(test_while_others_work)
{
    pthread_t threads[4];
    bool end = false;
    molt_profile_start(_i == 0 ? 1 : 2048);
    for (unsigned i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &end), 0);
    for (unsigned i = 0; i < 20; i++)
        report();
    __atomic_store_n(&end, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* Large heaps, for which a build that watches memory takes long; and numbers that are close, not
 * exact, while others change them (account.h), which it takes for errors. */
static void add_large(Suite *suite)
{
    TCase *tests = tcase_create("large");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_samples);
    tcase_add_test(tests, test_samples_and_holes);
    tcase_add_test(tests, test_samples_of_half_the_blocks);
    tcase_add_loop_test(tests, test_few_samples, 0, 3);
    tcase_add_loop_test(tests, test_while_others_work, 0, 2);
    suite_add_tcase(suite, tests);
}

Suite *suite_holder(void)
{
    Suite *suite = suite_create("holder");
    TCase *tests = tcase_create("holder");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_trace);
    tcase_add_test(tests, test_trace_of_shared_pools);
    tcase_add_test(tests, test_blocks_from_before);
    tcase_add_test(tests, test_ages);
    tcase_add_loop_test(tests, test_objects, 0, 2);
    tcase_add_test(tests, test_errors);
    tcase_add_test(tests, test_nothing_is_free);
    suite_add_tcase(suite, tests);
    if (!unit_is_sanitized())
        add_large(suite);
    return suite;
}
