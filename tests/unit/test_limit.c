/* test_limit.c: the soft and the hard limit, and what the cgroup allows. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/huge.h"
#include "alloc/limit.h"
#include "alloc/peak.h"
#include "alloc/span_cache.h"
#include "alloc/trim.h"
#include "base/options.h"
#include "molt.h"
#include "molt_object.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KIB = 1 << 10, MIB = 1 << 20, BLOCKS = 64 * MIB / KIB };

static char *blocks[BLOCKS];

static void set_up(void)
{
    options.thp = 0;
    options.decay = 1000000; /* nothing goes back by itself, however busy the machine is */
}

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(molt_ctl(name, NULL, NULL, value, strlen(value)), 0);
}

static size_t idle_bytes(void)
{
    return arena_totals.idle_pages << os_page_shift;
}

/* Allocates and writes blocks until there is no memory; how many there are. */
static unsigned take_all(size_t size)
{
    unsigned count = 0;
    errno = 0;
    while (count < BLOCKS && (blocks[count] = molt_malloc(size)) != NULL)
        memset(blocks[count++], 1, size);
    return count;
}

static void free_all(unsigned count)
{
    while (count > 0)
        molt_free(blocks[--count]);
}

/* ---- The hard limit ---- */

/* So many bytes can be had in blocks of the size, up to the limit; then it is ENOMEM, and what is
 * freed can be had again. */
static void fill_to_limit(size_t size)
{
    enum { LIMIT = 32 * MIB };
    unsigned count = take_all(size);
    ck_assert_int_eq(errno, ENOMEM);
    size_t got = count * molt_usable_size(blocks[0]);
    ck_assert_uint_le(limit_resident(), LIMIT);
    REQUIRE(got + size > LIMIT - LIMIT / 32, "%zu bytes in blocks of %zu", got, size);
    free_all(count);
    REQUIRE(take_all(size) >= count - count / 16, "blocks of %zu", size);
    free_all(count);
    molt_trim(0);
}

START_TEST(test_hard_limit_of_all_sizes)
{
    set("hard_limit", "32M");
    for (size_t size = 1 * KIB; size <= 16 * MIB; size *= 2)
        fill_to_limit(size);
    fill_to_limit(3 * MIB + 5000);
}
END_TEST

/* Spans of whole THPs would take 32 MiB. */
START_TEST(test_nothing_is_lost_to_rounding)
{
    set("hard_limit", "31M");
    void *first = molt_malloc(15 * MIB + 5000), *second = molt_malloc(15 * MIB + 5000);
    ck_assert_ptr_nonnull(second);
    molt_free(first); /* kept, and taken again from the start */
    ck_assert_ptr_nonnull(molt_malloc(14 * MIB + 5000));
    ck_assert_ptr_nonnull(molt_malloc(MIB - 64 * KIB));
}
END_TEST

/* Memory that is free already is no new memory: another size has it at once. */
START_TEST(test_what_is_free_is_had_by_other_sizes)
{
    set("hard_limit", "32M");
    static const size_t sizes[] = {KIB, 100 * KIB, 6 * MIB, 16 * KIB, MIB, 2 * KIB, 20 * MIB};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned count = take_all(sizes[i]);
        REQUIRE(count * sizes[i] >= 20 * MIB, "%u blocks of %zu", count, sizes[i]);
        REQUIRE(limit_resident() <= 32 * MIB, "%zu resident", limit_resident());
        free_all(count);
    }
}
END_TEST

/* Every way to ask fails, and leaves what there is. */
START_TEST(test_every_way_fails)
{
    char *text = molt_malloc(1000), *run = molt_malloc(100 * KIB), *huge = molt_malloc(3 * MIB);
    unit_fill(text, 1000, 1);
    unit_fill(run, 100 * KIB, 2);
    unit_fill(huge, 3 * MIB, 3);
    set("hard_limit", "8M");
    errno = 0;
    ck_assert_ptr_null(molt_calloc(1, 8 * MIB));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(molt_aligned_alloc(4 * MIB, 5 * MIB));
    ck_assert_int_eq(errno, ENOMEM);
    char *const olds[] = {text, run, huge};
    for (size_t i = 0; i < COUNT_OF(olds); i++) {
        errno = 0;
        ck_assert_ptr_null(molt_realloc(olds[i], 20 * MIB));
        ck_assert_int_eq(errno, ENOMEM);
    }
    ck_assert(unit_is_filled(text, 1000, 1));
    ck_assert(unit_is_filled(run, 100 * KIB, 2));
    ck_assert(unit_is_filled(huge, 3 * MIB, 3));
    ck_assert_uint_le(limit_resident(), 8 * MIB);
    set("hard_limit", "0");
    ck_assert_ptr_nonnull(molt_realloc(huge, 20 * MIB));
}
END_TEST

/* A run grows into free pages behind it only as far as the limit allows. */
START_TEST(test_realloc_in_place_obeys)
{
    char *run = molt_malloc(64 * KIB), *huge = molt_malloc(3 * MIB);
    char limit[32];
    snprintf(limit, sizeof limit, "%zu", limit_resident() + 256 * KIB);
    set("hard_limit", limit);
    ck_assert_ptr_null(molt_realloc(run, 2 * MIB));
    ck_assert_ptr_null(molt_realloc(huge, 4 * MIB));
    ck_assert_ptr_eq(molt_realloc(run, 128 * KIB), run);
    ck_assert_uint_le(limit_resident(), limits.hard);
}
END_TEST

/* A limit below what is in use: nothing new, until enough is freed. */
START_TEST(test_limit_below_what_is_in_use)
{
    unsigned count = 16 * MIB / (64 * KIB);
    for (unsigned i = 0; i < count; i++)
        ck_assert_ptr_nonnull(blocks[i] = molt_malloc(64 * KIB));
    set("hard_limit", "4M");
    ck_assert_ptr_null(molt_malloc(64 * KIB));
    free_all(count); /* the last mebibyte or two may stay until they are more */
    ck_assert_uint_le(limit_resident(), 4 * MIB);
    ck_assert_ptr_nonnull(molt_malloc(64 * KIB));
}
END_TEST

struct large {
    MOLT_OBJECT;
    char bytes[2000];
};
MOLT_TYPE(large_type, struct large, .flags = MOLT_LEAF);

START_TEST(test_objects_obey)
{
    set("hard_limit", "8M");
    unsigned count = 0;
    errno = 0;
    while (molt_new(&large_type) != NULL)
        count++;
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_gt(count, 7 * MIB / 2100);
    ck_assert_uint_le(limit_resident(), 8 * MIB);
}
END_TEST

/* Holes are no memory, so they are filled only as far as the limit allows. */
START_TEST(test_holes_obey)
{
    unsigned count = 16 * MIB / KIB;
    for (unsigned i = 0; i < count; i++)
        ck_assert_ptr_nonnull(blocks[i] = molt_malloc(KIB));
    for (unsigned i = 0; i < count; i++)
        if (i % 61 != 0) { /* a live block on one of four pages or fewer */
            molt_free(blocks[i]);
            blocks[i] = NULL;
        }
    molt_trim(0);
    ck_assert_uint_gt(arena_gone_bytes, 8 * MIB);
    size_t limit = limit_resident() + 2 * MIB;
    char text[32];
    snprintf(text, sizeof text, "%zu", limit);
    set("hard_limit", text);
    unsigned more = 0;
    while (molt_malloc(KIB) != NULL)
        more++;
    ck_assert_uint_gt(more, MIB / KIB);
    ck_assert_uint_le(limit_resident(), limit);
}
END_TEST

static void *take_in_thread(void *count)
{
    for (unsigned i = 0; i < 4000; i++) {
        void *block = molt_malloc((size_t)16 << (i % 17));
        if (block != NULL)
            ++*(unsigned *)count;
        REQUIRE(limit_resident() <= 16 * MIB + 2 * MIB, "%zu resident", limit_resident());
    }
    return NULL;
}

/* Threads that take memory at the same time exceed the limit by little, in the end by nothing. */
START_TEST(test_threads_obey)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    unsigned counts[THREADS] = {0}, taken = 0;
    set("hard_limit", "16M");
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_in_thread, &counts[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        taken += counts[i];
    }
    ck_assert_uint_gt(taken, 0);
}
END_TEST

static void reach_limit_often(void *unused)
{
    (void)unused;
    set("hard_limit", "8M");
    for (int i = 0; i < 10; i++)
        if (molt_malloc(20 * MIB) != NULL)
            _exit(2);
    set("hard_limit", "16M");
    if (molt_malloc(12 * MIB) == NULL || molt_malloc(12 * MIB) != NULL)
        _exit(3);
}

START_TEST(test_one_line)
{
    char text[4096], wanted[200];
    ck_assert_int_eq(unit_child(reach_limit_often, NULL, text, sizeof text), 0);
    snprintf(wanted, sizeof wanted,
             "molt: warning: hard_limit of %d bytes reached: 0 are in use, and %d were asked for\n",
             8 * MIB, 20 * MIB);
    ck_assert_str_eq(text, wanted);
}
END_TEST

static void fail_otherwise(void *unused)
{
    volatile size_t too_much = SIZE_MAX;
    (void)unused;
    set("hard_limit", "16M");
    unsigned count = 15 * MIB / (64 * KIB);
    for (unsigned i = 0; i < count; i++)
        blocks[i] = molt_malloc(64 * KIB);
    free_all(count);
    if (molt_malloc(15 * MIB) == NULL)
        _exit(3);
    set("hard_limit", "1G");
    os_fail(1, true);
    if (molt_malloc(20 * MIB) != NULL || molt_malloc(too_much) != NULL)
        _exit(2);
}

/* Not where the OS has refused the memory, nor where a first refusal was overcome. */
START_TEST(test_no_line_for_other_failures)
{
    char text[4096];
    ck_assert_int_eq(unit_child(fail_otherwise, NULL, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

/* ---- The soft limit ---- */

START_TEST(test_soft_limit_gives_back)
{
    unsigned count = 16 * MIB / (64 * KIB);
    for (unsigned i = 0; i < count; i++)
        ck_assert_ptr_nonnull(blocks[i] = molt_malloc(64 * KIB));
    free_all(count);
    ck_assert_uint_gt(idle_bytes(), 14 * MIB);
    set("soft_limit", "12M");
    ck_assert_ptr_nonnull(molt_malloc(3 * MIB));
    ck_assert_uint_eq(idle_bytes(), 0);
    ck_assert_uint_lt(limit_resident(), 5 * MIB);
}
END_TEST

/* Pools without live blocks, pages of partly used pools, kept runs and spans go as well. */
START_TEST(test_soft_limit_gives_back_all_kinds)
{
    enum { SMALL = 4 * MIB / 512 };
    for (unsigned i = 0; i < SMALL; i++)
        blocks[i] = molt_malloc(512);
    for (unsigned i = 0; i < SMALL; i++)
        if (i % 128 != 0)
            molt_free(blocks[i]);
    molt_free(molt_malloc(400 * KIB));
    void *span = molt_malloc(6 * MIB);
    molt_free(span);
    ck_assert_uint_gt(span_totals.cached_bytes, 0);
    set("soft_limit", "4M");
    ck_assert_ptr_nonnull(molt_malloc(3 * MIB));
    ck_assert_uint_eq(span_totals.cached_bytes, 0);
    ck_assert_uint_eq(idle_bytes(), 0);
    ck_assert_uint_gt(arena_gone_bytes, 2 * MIB);
    ck_assert_uint_lt(limit_resident(), 5 * MIB);
}
END_TEST

/* A program that stays above the limit gives back once in a while, not at each call. */
START_TEST(test_soft_limit_has_hysteresis)
{
    set("soft_limit", "16M");
    ck_assert_ptr_nonnull(molt_malloc(32 * MIB));
    size_t purged = 0, changes = 0;
    for (unsigned i = 0; i < 16 * MIB / (64 * KIB); i++) {
        ck_assert_ptr_nonnull(molt_malloc(48 * KIB));
        molt_free(molt_malloc(100 * KIB)); /* something to give back each time */
        changes += arena_totals.purged_pages != purged;
        purged = arena_totals.purged_pages;
    }
    ck_assert_uint_ge(changes, 8);
    ck_assert_uint_le(changes, 40);
}
END_TEST

/* After a time far above it the limit holds again. */
START_TEST(test_soft_limit_comes_back)
{
    set("soft_limit", "16M");
    void *large = molt_malloc(64 * MIB);
    ck_assert_ptr_nonnull(molt_malloc(3 * MIB));
    molt_free(large); /* ticks */
    unsigned count = 10 * MIB / (64 * KIB);
    for (unsigned i = 0; i < count; i++)
        blocks[i] = molt_malloc(64 * KIB);
    free_all(count);
    ck_assert_ptr_nonnull(molt_malloc(5 * MIB));
    ck_assert_uint_eq(idle_bytes(), 0);
}
END_TEST

START_TEST(test_no_soft_limit)
{
    set("soft_limit", "1M");
    set("soft_limit", "0");
    ck_assert_ptr_nonnull(molt_malloc(32 * MIB));
    molt_free(molt_malloc(8 * MIB));
    ck_assert_uint_eq(span_totals.cached_bytes, 8 * MIB);
}
END_TEST

/* ---- Percentages ---- */

START_TEST(test_percent)
{
    char text[16];
    size_t length = sizeof text;
    set("hard_limit", "90%");
    ck_assert_int_eq(molt_ctl("hard_limit", text, &length, NULL, 0), 0);
    ck_assert_str_eq(text, "90%");
    size_t whole = os_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    ck_assert_uint_eq(limits.hard,
                      whole == SIZE_MAX ? 0 : whole / 100 * 90 + whole % 100 * 90 / 100);
    static const char *const wrong[] = {"0%", "101%", "%", "5 %", "1.5%", "-1%", "8388608T", "9%%"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert_int_eq(molt_ctl("soft_limit", NULL, NULL, wrong[i], strlen(wrong[i])), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_int_eq(molt_ctl("dirty", NULL, NULL, "5%", 2), -1);
    set("hard_limit", "64M");
    ck_assert_uint_eq(limits.hard, 64 * MIB);
}
END_TEST

START_TEST(test_prof_dump_at)
{
    static const char *const right[] = {"90%", "0", "1%", "100%", "memory.high"};
    static const char *const wrong[] = {"0%", "101%", "5", "64M", "memory.max", "memory.high ", ""};
    for (size_t i = 0; i < COUNT_OF(right); i++) {
        char text[16];
        size_t length = sizeof text;
        set("prof_dump_at", right[i]);
        ck_assert_int_eq(molt_ctl("prof_dump_at", text, &length, NULL, 0), 0);
        ck_assert_str_eq(text, right[i]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_int_eq(molt_ctl("prof_dump_at", NULL, NULL, wrong[i], strlen(wrong[i])), -1);
}
END_TEST

/* ---- Trees of groups, in a folder of their own ---- */

static char tree[64];

static void make_file(const char *path, const char *text)
{
    char name[300];
    snprintf(name, sizeof name, "%s%s", tree, path);
    for (char *slash = name + strlen(tree) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static size_t limit_in(const char *groups)
{
    char path[300];
    make_file("/groups", groups);
    snprintf(path, sizeof path, "%s/groups", tree);
    return os_cgroup_limit(path, tree);
}

static void make_tree(void)
{
    strcpy(tree, "/tmp/molt-cgroup-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(tree));
}

static void remove_tree(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", tree);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(test_version_2)
{
    make_file("/memory.max", "max\n");
    make_file("/a/memory.max", "5000000\n");
    make_file("/a/b/memory.max", "7000000\n");
    make_file("/a/b/c/memory.max", "max\n");
    make_file("/z/memory.max", "1000\n");
    ck_assert_uint_eq(limit_in("0::/a/b/c\n"), 5000000);
    ck_assert_uint_eq(limit_in("0::/a/b\n"), 5000000);
    ck_assert_uint_eq(limit_in("0::/a"), 5000000);
    ck_assert_uint_eq(limit_in("0::/\n"), SIZE_MAX);
    ck_assert_uint_eq(limit_in("0::/z\n"), 1000);
    make_file("/a/b/c/memory.max", "3000000\n");
    ck_assert_uint_eq(limit_in("0::/a/b/c\n"), 3000000);
}
END_TEST

/* In a container the mount is the group itself, and the path leads nowhere. */
START_TEST(test_container)
{
    make_file("/memory.max", "4000000\n");
    ck_assert_uint_eq(limit_in("0::/docker/0123456789abcdef\n"), 4000000);
    ck_assert_uint_eq(limit_in("0::/../../other\n"), 4000000);
    make_file("/memory/memory.limit_in_bytes", "3000000\n");
    ck_assert_uint_eq(limit_in("4:memory:/docker/0123456789abcdef\n0::/\n"), 3000000);
}
END_TEST

START_TEST(test_version_1)
{
    make_file("/memory/memory.limit_in_bytes", "9223372036854771712\n");
    make_file("/memory/a/memory.limit_in_bytes", "6000000\n");
    make_file("/memory/a/b:c/memory.limit_in_bytes", "9223372036854771712\n");
    ck_assert_uint_eq(limit_in("9:name=systemd:/a\n8:pids:/\n4:cpu,memory,io:/a/b:c\n0::/\n"),
                      6000000);
    ck_assert_uint_eq(limit_in("4:memory:/a\n"), 6000000);
    ck_assert_uint_eq(limit_in("4:memoryless:/a\n3:cpu:/memory\n"), SIZE_MAX);
}
END_TEST

/* Nothing, and nonsense. */
START_TEST(test_no_groups)
{
    ck_assert_uint_eq(limit_in(""), SIZE_MAX);
    ck_assert_uint_eq(limit_in("\n\n0\n0:\n::\n0::"), SIZE_MAX);
    ck_assert_uint_eq(os_cgroup_limit("/nowhere", tree), SIZE_MAX);
    make_file("/memory.max", "");
    ck_assert_uint_eq(limit_in("0::/\n"), SIZE_MAX);
    make_file("/memory.max", "99999999999999999999999\n");
    ck_assert_uint_eq(limit_in("0::/\n"), SIZE_MAX);
    make_file("/memory.max", "77\n");
    char path[3000];
    memset(path, 'a', sizeof path);
    memcpy(path, "0::/", 4);
    path[sizeof path - 1] = '\0';
    ck_assert_uint_eq(limit_in(path), 77);
}
END_TEST

/* ---- How full groups are ---- */

static struct os_cgroup_fill fullest_in(const char *groups, bool of_high)
{
    static struct os_cgroup_walk walk;
    static char path[300];
    make_file("/groups", groups);
    snprintf(path, sizeof path, "%s/groups", tree);
    walk.groups = path;
    walk.tree = tree;
    return os_cgroup_fullest(&walk, of_high, of_high ? 100 : 90);
}

static void expect_fill(const char *groups, size_t used, size_t mark)
{
    struct os_cgroup_fill fill = fullest_in(groups, false);
    ck_assert_uint_eq(fill.used, used);
    ck_assert_uint_eq(fill.mark, mark);
}

START_TEST(test_fill)
{
    expect_fill("0::/a/b\n", 0, SIZE_MAX);
    make_file("/a/memory.max", "1000\n");
    expect_fill("0::/a/b\n", 0, SIZE_MAX);
    make_file("/a/memory.current", "500\n");
    make_file("/a/b/memory.max", "max\n");
    make_file("/a/b/memory.current", "400\n");
    expect_fill("0::/a/b\n", 500, 900);
    make_file("/a/b/memory.max", "410\n");
    expect_fill("0::/a/b\n", 400, 369);
    make_file("/a/b/memory.stat", "anon 9\nactive_file 8\ninactive_file 300\nx 1\n");
    expect_fill("0::/a/b\n", 500, 900);
    ck_assert_uint_eq(fullest_in("0::/a/b\n", true).mark, SIZE_MAX);
    make_file("/a/b/memory.high", "350\n");
    ck_assert_uint_eq(fullest_in("0::/a/b\n", true).mark, 350);
    ck_assert_uint_eq(fullest_in("0::/a/b\n", true).used, 100);
}
END_TEST

START_TEST(test_fill_in_version_1)
{
    make_file("/memory/a/memory.limit_in_bytes", "1000\n");
    make_file("/memory/a/memory.usage_in_bytes", "950\n");
    make_file("/memory/a/memory.stat", "inactive_file 900\ntotal_inactive_file 20\n");
    expect_fill("4:memory:/a\n", 930, 900);
    ck_assert_uint_eq(fullest_in("4:memory:/a\n", true).mark, SIZE_MAX);
}
END_TEST

static void add_hard(Suite *suite)
{
    TCase *tests = tcase_create("hard");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_hard_limit_of_all_sizes);
    tcase_add_test(tests, test_nothing_is_lost_to_rounding);
    tcase_add_test(tests, test_what_is_free_is_had_by_other_sizes);
    tcase_add_test(tests, test_every_way_fails);
    tcase_add_test(tests, test_realloc_in_place_obeys);
    tcase_add_test(tests, test_limit_below_what_is_in_use);
    tcase_add_test(tests, test_objects_obey);
    tcase_add_test(tests, test_holes_obey);
    tcase_add_test(tests, test_threads_obey);
    tcase_add_test(tests, test_one_line);
    tcase_add_test(tests, test_no_line_for_other_failures);
    suite_add_tcase(suite, tests);
}

static void add_soft(Suite *suite)
{
    TCase *tests = tcase_create("soft");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_soft_limit_gives_back);
    tcase_add_test(tests, test_soft_limit_gives_back_all_kinds);
    tcase_add_test(tests, test_soft_limit_has_hysteresis);
    tcase_add_test(tests, test_soft_limit_comes_back);
    tcase_add_test(tests, test_no_soft_limit);
    tcase_add_test(tests, test_percent);
    tcase_add_test(tests, test_prof_dump_at);
    suite_add_tcase(suite, tests);
}

Suite *suite_limit(void)
{
    Suite *suite = suite_create("limit");
    add_hard(suite);
    add_soft(suite);
    TCase *groups = tcase_create("cgroup");
    tcase_add_checked_fixture(groups, make_tree, remove_tree);
    tcase_add_test(groups, test_version_2);
    tcase_add_test(groups, test_container);
    tcase_add_test(groups, test_version_1);
    tcase_add_test(groups, test_no_groups);
    tcase_add_test(groups, test_fill);
    tcase_add_test(groups, test_fill_in_version_1);
    suite_add_tcase(suite, groups);
    return suite;
}
