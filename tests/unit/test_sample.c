/* test_sample.c: how many allocations are sampled, whatever way the heap is used, and what is
 * recorded of them.
 *
 * Of n blocks of S bytes n p are expected to be sampled, p = 1 - e^(-S / mean), with a deviation of
 * sqrt(n p (1 - p)). Numbers further away than SIGMAS of these come once in thirty million trials.
 */
#include "suites.h"
#include "unit.h"

#include "alloc/map.h"
#include "alloc/peak.h" // peak_set_limits
#include "alloc/sample.h"
#include "alloc/size_class.h"
#include "base/options.h"
#include "base/random.h"
#include "base/tunables.h"
#include "os/os.h" // os_fail
#include "profile/profile.h"
#include "profile/record.h"

#include "molt.h"
#include "molt_object.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGMAS 5.5

enum { SLOTS = 1000 };

static void *slots[SLOTS];
static uint64_t state = 1;

static struct record_totals totals(void)
{
    struct record_totals now;
    record_totals_get(&now);
    ck_assert_uint_eq(now.missed_count, 0);
    return now;
}

static void expect_samples(const char *what, size_t count, size_t bytes, size_t mean)
{
    double p = 1 / random_weight(bytes, mean), expected = (double)count * p;
    double seen = (double)totals().total_count, deviation = sqrt(expected * (1 - p));
    ck_assert_msg(
        fabs(seen - expected) <= SIGMAS * deviation + 1e-6,
        "%s: %zu blocks of %zu bytes, one sample in %zu bytes: %.0f samples, %.1f expected", what,
        count, bytes, mean, seen, expected);
}

/* ---- Ways to use a heap; each makes `count` blocks and frees them ---- */

static void in_turns(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        void *block = molt_malloc(size);
        REQUIRE(block != NULL, "no memory");
        molt_free(block);
    }
}

static void at_random(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        size_t slot = unit_random(&state) % SLOTS;
        molt_free(slots[slot]);
        slots[slot] = molt_malloc(size);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        molt_free(slots[i]);
        slots[i] = NULL;
    }
}

static void in_heaps(size_t count, size_t size)
{
    for (size_t done = 0, height; done < count; done += height) {
        height = unit_random(&state) % SLOTS + 1;
        height = height < count - done ? height : count - done;
        for (size_t i = 0; i < height; i++)
            slots[i] = molt_calloc(1, size);
        for (size_t i = height; i-- > 0;)
            molt_free(slots[i]);
    }
    memset(slots, 0, sizeof slots);
}

static void *free_all(void *unused)
{
    for (size_t i = 0; i < SLOTS; i++)
        molt_free(slots[i]);
    return unused;
}

static void freed_by_others(size_t count, size_t size)
{
    for (size_t done = 0; done < count; done += SLOTS) {
        for (size_t i = 0; i < SLOTS; i++)
            slots[i] = molt_malloc(size);
        unit_in_thread(free_all, NULL);
    }
    memset(slots, 0, sizeof slots);
}

/* A thread that ends leaves its lists to the next one. */
static void *make_some(void *size)
{
    for (size_t i = 0; i < SLOTS; i++)
        slots[i] = molt_malloc((size_t)size);
    for (size_t i = 0; i < SLOTS; i += 2)
        molt_free(slots[i]);
    return NULL;
}

static void by_many_threads(size_t count, size_t size)
{
    for (size_t done = 0; done < count; done += SLOTS) {
        unit_in_thread(make_some, (void *)size);
        for (size_t i = 1; i < SLOTS; i += 2)
            molt_free(slots[i]);
    }
    memset(slots, 0, sizeof slots);
}

static void aligned(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        void *block = molt_aligned_alloc(16, size);
        REQUIRE((uintptr_t)block % 16 == 0, "not aligned");
        molt_free(block);
    }
}

static const struct {
    const char *name;
    void (*use)(size_t count, size_t size);
} ways[] = {
    {"in turns", in_turns},
    {"at random", at_random},
    {"in heaps", in_heaps},
    {"freed by others", freed_by_others},
    {"by many threads", by_many_threads},
    {"aligned", aligned},
};

static const size_t sizes[] = {48, 208, 1024, 5120, 20480, 40960, 200704};
static const size_t means[] = {1, 4096, 65536, 524288};

static size_t bytes_of(size_t size)
{
    return size <= BLOCK_MAX ? size_class_bytes(size_class_of(size)) : size;
}

START_TEST(test_rate)
{
    size_t size = sizes[(size_t)_i % COUNT_OF(sizes)];
    size_t rounds = unit_is_sanitized() ? 3 : size > 4096 ? 10 : 100, count = rounds * SLOTS;
    const char *name = ways[(size_t)_i / COUNT_OF(sizes)].name;
    for (size_t i = 0; i < COUNT_OF(means); i++) {
        ck_assert_int_eq(molt_profile_start(means[i]), 0);
        ways[(size_t)_i / COUNT_OF(sizes)].use(count, size);
        expect_samples(name, count, bytes_of(size), means[i]);
        ck_assert_uint_eq(totals().live_count, 0);
    }
}
END_TEST

START_TEST(test_off)
{
    in_turns(SLOTS, 200);
    ck_assert_uint_eq(totals().total_count, 0);
    molt_profile_start(1);
    in_turns(10, 200);
    molt_profile_stop();
    in_heaps(100 * (size_t)SLOTS, 200);
    ck_assert_uint_eq(totals().total_count, 10);
}
END_TEST

static void *begin_another(void *unused)
{
    molt_profile_start(524288);
    return unused;
}

/* A profile of nearly all blocks has left marks in the lists of a thread when another thread begins
 * the next one. They are no samples of that, of which there are 0.6 among these blocks. */
START_TEST(test_void_marks)
{
    uint64_t samples = 0;
    for (int round = 0; round < 20; round++) {
        molt_profile_start(2);
        for (size_t i = 0; i < SLOTS; i++)
            slots[i] = molt_malloc(16);
        for (size_t i = 0; i < SLOTS; i++)
            molt_free(slots[i]);
        unit_in_thread(begin_another, NULL);
        for (size_t i = 0; i < SLOTS; i++)
            slots[i] = molt_malloc(16);
        samples += totals().total_count;
        for (size_t i = 0; i < SLOTS; i++)
            molt_free(slots[i]);
    }
    ck_assert_uint_le(samples, 10);
}
END_TEST

/* What was recorded is taken out when it is freed, also after the end. */
START_TEST(test_freed_after_the_end)
{
    molt_profile_start(1);
    void *small = molt_malloc(100), *run = molt_malloc(100000), *huge = molt_malloc(5000000);
    molt_profile_stop();
    ck_assert_uint_eq(totals().live_count, 3);
    ck_assert_uint_eq(totals().live_bytes, 5100100);
    molt_free(small);
    molt_free(run);
    molt_free(huge);
    ck_assert_uint_eq(totals().live_count, 0);
}
END_TEST

START_TEST(test_realloc)
{
    static const size_t grown[] = {10, 12, 200, 3000, 50000, 60000, 3000000, 9000000, 100000, 10};
    molt_profile_start(1);
    void *block = NULL;
    for (size_t i = 0; i < COUNT_OF(grown); i++) {
        block = molt_realloc(block, grown[i]);
        ck_assert_uint_eq(totals().live_count, 1);
        ck_assert_uint_eq(totals().live_bytes, grown[i]);
    }
    molt_free(block);
    ck_assert_uint_eq(totals().live_count, 0);
}
END_TEST

/* Ways to have realloc fail to grow a block, or to move one that shrinks. */
static size_t ask_too_much(size_t bytes)
{
    (void)bytes;
    return SIZE_MAX / 4; /* more than there are addresses */
}

static size_t ask_at_the_limit(size_t bytes)
{
    options.hard_limit = 1;
    peak_set_limits();
    return bytes + (16 << 20);
}

static size_t ask_a_system_without_memory(size_t bytes)
{
    os_fail(1, true);
    return bytes + (16 << 20);
}

static size_t ask_for_little(size_t bytes)
{
    os_fail(1, true);
    return bytes / 20;
}

static size_t (*const failing[])(size_t bytes) = {
    ask_too_much,
    ask_at_the_limit,
    ask_a_system_without_memory,
    ask_for_little,
};

/* Blocks of pools (20 and 20,000 bytes), a run, and huge ones. */
static const size_t resized[] = {20, 20000, 100000, 2500000, 9000000};

static bool copy_record(const struct record *record, void *copy)
{
    *(struct record *)copy = *record;
    return true;
}

static size_t all_live(void)
{
    struct record_totals now;
    record_totals_get(&now); /* what fails has samples that are missed */
    return now.live_count;
}

/* A block that could neither be resized nor moved is still there, and so is its record: that of its
 * allocation. Only what shrinks where it stands is another block. */
static void fail_to_resize(size_t size, size_t (*ask)(size_t bytes), size_t mean)
{
    struct record before, after;
    molt_profile_start(mean);
    char *block = molt_malloc(size);
    ck_assert_uint_eq(all_live(), 1);
    record_each_live(copy_record, &before);
    size_t wanted = ask(size);
    void *other = molt_realloc(block, wanted);
    os_fail(0, false);
    ck_assert_msg(wanted < size || other == NULL, "%zu bytes became %zu", size, wanted);
    ck_assert_msg(all_live() == 1, "%zu bytes, %zu asked for, one in %zu: %zu records", size,
                  wanted, mean, all_live());
    record_each_live(copy_record, &after);
    if (other == NULL)
        ck_assert_mem_eq(&before, &after, offsetof(struct record, place) - sizeof(uint32_t));
    else
        ck_assert_uint_eq(after.size, wanted);
    molt_free(other == NULL ? block : other);
    ck_assert_uint_eq(all_live(), 0);
}

START_TEST(test_failing_realloc)
{
    size_t size = resized[(size_t)_i % COUNT_OF(resized)];
    size_t (*ask)(size_t) = failing[(size_t)_i / COUNT_OF(resized)];
    fail_to_resize(size, ask, 1);
}
END_TEST

/* The same where the block is one of few that are sampled. */
START_TEST(test_failing_realloc_of_a_sample)
{
    size_t size = resized[(size_t)_i % COUNT_OF(resized)];
    size_t (*ask)(size_t) = failing[(size_t)_i / COUNT_OF(resized)];
    if (ask != ask_for_little)
        fail_to_resize(size, ask, 2);
}
END_TEST

START_TEST(test_calloc)
{
    static const size_t some[] = {8, 40, 1000, 5000, 20000, 40000, 3000000};
    molt_profile_start(20000);
    for (size_t i = 0; i < 3000; i++) {
        size_t size = some[i % COUNT_OF(some)], slot = unit_random(&state) % 50;
        molt_free(slots[slot]);
        slots[slot] = molt_calloc(1, size);
        REQUIRE(unit_is_zero(slots[slot], size), "%zu bytes are not zero", size);
        memset(slots[slot], 0xee, size);
    }
    ck_assert_uint_gt(totals().total_count, 100);
}
END_TEST

/* The blocks of samples are in pools of their own, whose free blocks a program may overwrite, too:
 * of a full pool, and of one with room. */
static void write_after_free(void *count)
{
    size_t blocks = (size_t)count;
    for (size_t i = 0; i < blocks; i++)
        slots[i] = molt_malloc(1024);
    for (size_t i = 0; i < blocks; i += 2)
        molt_free(slots[i]);
    for (size_t i = 0; i < blocks; i += 2)
        memset(slots[i], 'x', 8);
    for (size_t i = 0; i < blocks; i++)
        slots[i] = molt_malloc(1024);
}

START_TEST(test_write_after_free)
{
    molt_profile_start(2);
    unit_expect_abort(write_after_free, (void *)(_i == 0 ? 9UL : 500UL), "write after free");
}
END_TEST

/* ---- Objects ---- */

struct node {
    MOLT_OBJECT;
    struct node *next;
    long value[3];
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

struct leaf {
    MOLT_OBJECT;
    long value[5];
};
MOLT_TYPE(leaf_type, struct leaf, .flags = MOLT_LEAF);

static const molt_type *const types[] = {&node_type, &leaf_type};

static void count_type(const struct site *site, void *type)
{
    const molt_type *wanted = *(const molt_type **)type;
    if (site->type != NULL && strcmp(site->type, wanted->name) == 0)
        *(const molt_type **)type = NULL; /* found */
}

START_TEST(test_objects)
{
    const molt_type *type = types[_i];
    size_t count = 200 * (size_t)SLOTS, mean = 16384;
    molt_release(molt_new(type)); /* attaches, by other blocks */
    molt_profile_start(mean);
    for (size_t done = 0; done < count; done += SLOTS) {
        for (size_t i = 0; i < SLOTS; i++) {
            slots[i] = molt_new(type);
            REQUIRE(molt_typeof(slots[i]) == type && unit_is_zero((char *)slots[i] + 8, 24), "new");
        }
        for (size_t i = 0; i < SLOTS; i++)
            molt_release(slots[i]);
    }
    const molt_type *found = type;
    record_each_site(count_type, &found);
    ck_assert_ptr_null(found);
    size_t bytes = size_class_bytes(object_class_of(type->size, type == &node_type));
    expect_samples(type->name, count, bytes, mean);
    ck_assert_uint_le(totals().live_count, 3); /* the collector's own tables */
}
END_TEST

/* Rings of sampled objects are collected as others. */
START_TEST(test_garbage)
{
    molt_profile_start(_i == 0 ? 1 : 200);
    for (int i = 0; i < 3000; i++) {
        struct node *one = molt_new(&node_type), *two = molt_new(&node_type);
        molt_set(&one->next, two);
        molt_set(&two->next, one);
        molt_release(one);
        molt_release(two);
    }
    ck_assert_uint_gt(totals().total_count, 100);
    molt_gc_collect(2);
    struct record_totals after = totals();
    record_totals_get(&after);
    ck_assert_uint_le(after.live_count, 20); /* the thread's own tables */
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
        size_t size = 2 + (r >> 8) % (r % 64 == 0 ? 60000 : 400);
        unsigned char *block = molt_malloc(size);
        REQUIRE(block != NULL, "no memory");
        block[0] = (unsigned char)r;
        block[size - 1] = (unsigned char)~r;
        memcpy(block, &(uint16_t){(uint16_t)size}, 2);
        block = atomic_exchange(&shared[r % COUNT_OF(shared)], block);
        if (block != NULL && r % 5 == 0)
            block = molt_realloc(block, 500);
        molt_free(block);
    }
    return seed;
}

START_TEST(test_on_and_off)
{
    enum { THREADS = 8 };
    static const size_t turns[] = {65536, 0, 4096, 524288, 1, 0, 300};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, exchange, (void *)(i + 1)), 0);
    for (int i = 0; i < (unit_is_sanitized() ? 100 : 1000); i++) {
        if (turns[(size_t)i % COUNT_OF(turns)] == 0)
            molt_profile_stop();
        else
            molt_profile_start(turns[(size_t)i % COUNT_OF(turns)]);
        usleep(500);
    }
    molt_profile_start(1);
    atomic_store(&at_end, true);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNT_OF(shared); i++)
        molt_free(shared[i]);
    ck_assert_uint_eq(totals().live_count, 0);
}
END_TEST

/* These tests leave no profile behind; what the hard limit refuses is written about in any case. */
static char profile_path[64];

static void write_none(void)
{
    options.prof_final = 0;
    snprintf(profile_path, sizeof profile_path, "/tmp/molt-sample.%d.heap", (int)getpid());
    options.prof_out = profile_path;
}

static void remove_profile(void)
{
    unlink(profile_path);
}

Suite *suite_sample(void)
{
    Suite *suite = suite_create("sample");
    TCase *tests = tcase_create("sample");
    tcase_add_checked_fixture(tests, write_none, remove_profile);
    tcase_set_timeout(tests, patience(60));
    tcase_add_loop_test(tests, test_rate, 0, COUNT_OF(sizes) * COUNT_OF(ways));
    tcase_add_test(tests, test_off);
    tcase_add_test(tests, test_void_marks);
    tcase_add_test(tests, test_freed_after_the_end);
    tcase_add_test(tests, test_calloc);
    tcase_add_test(tests, test_realloc);
    tcase_add_loop_test(tests, test_failing_realloc, 0, COUNT_OF(resized) * COUNT_OF(failing));
    tcase_add_loop_test(tests, test_failing_realloc_of_a_sample, 0,
                        COUNT_OF(resized) * COUNT_OF(failing));
    tcase_add_loop_test(tests, test_write_after_free, 0, 2);
    tcase_add_loop_test(tests, test_objects, 0, COUNT_OF(types));
    tcase_add_loop_test(tests, test_garbage, 0, 2);
    tcase_add_test(tests, test_on_and_off);
    suite_add_tcase(suite, tests);
    return suite;
}
