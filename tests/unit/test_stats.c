/* test_stats.c: the numbers of one thread exactly, and the output in three formats. */
#include "suites.h"
#include "unit.h"

#include "alloc/pool.h"
#include "alloc/registry.h"
#include "base/tunables.h"
#include "molt.h"
#include "os/os.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct molt_stats now(void)
{
    struct molt_stats stats;
    memset(&stats, 0xee, sizeof stats);
    ck_assert_int_eq(molt_stats_get(&stats, sizeof stats), 0);
    return stats;
}

START_TEST(test_nothing_yet)
{
    struct molt_stats stats = now();
    ck_assert_uint_eq(stats.live_blocks, 0);
    ck_assert_uint_eq(stats.live_bytes, 0);
    ck_assert_uint_eq(stats.free_bytes, 0);
    ck_assert_uint_eq(stats.heaps, 0);
    ck_assert_uint_eq(stats.arenas, 0);
    ck_assert_uint_eq(stats.committed_bytes, 0);
    ck_assert_uint_eq(stats.purged_bytes, 0);
}
END_TEST

START_TEST(test_each_layer)
{
    size_t page = os_page_bytes();
    char *small = molt_malloc(100), *run = molt_malloc(100000), *huge = molt_malloc(5 << 20);
    struct molt_stats stats = now();
    ck_assert_uint_eq(stats.live_blocks, 3);
    ck_assert_uint_eq(stats.pool_bytes, 112);
    ck_assert_uint_eq(stats.run_bytes, os_round_to_pages(100000));
    ck_assert_uint_eq(stats.huge_bytes, 5 << 20);
    ck_assert_uint_eq(stats.huge_blocks, 1);
    ck_assert_uint_eq(stats.live_bytes, stats.pool_bytes + stats.run_bytes + stats.huge_bytes);
    ck_assert_uint_eq(stats.free_bytes, page / 112 * 112 - 112);
    ck_assert_uint_eq(stats.heaps, 1);
    ck_assert_uint_eq(stats.parked_heaps, 0);
    ck_assert_uint_eq(stats.arenas, 1);
    ck_assert_uint_eq(stats.committed_bytes, ARENA_BYTES + (5 << 20));
    ck_assert_uint_eq(stats.peak_bytes, stats.committed_bytes);
    ck_assert_uint_gt(stats.metadata_bytes, 0);

    molt_free(huge);
    stats = now();
    ck_assert_uint_eq(stats.huge_bytes, 0);
    ck_assert_uint_eq(stats.huge_blocks, 0);
    ck_assert_uint_eq(stats.cached_bytes, 5 << 20);
    molt_free(run);
    stats = now();
    ck_assert_uint_eq(stats.run_bytes, 0);
    ck_assert_uint_eq(stats.cached_bytes, (5 << 20) + os_round_to_pages(100000));
    char *bigger = molt_malloc(2 << 20);
    molt_free(bigger); /* too large for the cache, which a tick may empty now */
    stats = now();
    ck_assert_uint_eq(stats.dirty_bytes + stats.cached_bytes,
                      (4 << 20) + os_round_to_pages(100000)); /* the mapping made room for it */
    molt_free(small);
    stats = now();
    ck_assert_uint_eq(stats.live_blocks, 0);
    ck_assert_uint_eq(stats.live_bytes, 0);
}
END_TEST

START_TEST(test_peak_and_purged)
{
    char *huge = molt_malloc((size_t)100 << 20);
    size_t peak = now().committed_bytes;
    molt_free(huge); /* too large for the cache */
    struct molt_stats stats = now();
    ck_assert_uint_eq(stats.peak_bytes, peak);
    ck_assert_uint_eq(stats.committed_bytes, peak - ((size_t)100 << 20));
    ck_assert_uint_eq(stats.purged_bytes, (size_t)100 << 20);
    char *run = molt_malloc(1 << 20);
    memset(run, 1, 1 << 20);
    molt_free(run);
    molt_trim(0);
    ck_assert_uint_eq(now().purged_bytes, (size_t)101 << 20);
    ck_assert_uint_eq(now().dirty_bytes, 0);
}
END_TEST

/* The sums follow random operations exactly. */
START_TEST(test_exact)
{
    enum { BLOCKS = 500 };
    static char *blocks[BLOCKS];
    uint64_t random = 7;
    size_t live = 0, bytes = 0;
    for (unsigned round = 0; round < 20000; round++) {
        char **block = &blocks[unit_random(&random) % BLOCKS];
        if (*block != NULL) {
            bytes -= molt_usable_size(*block);
            molt_free(*block);
            *block = NULL;
            live--;
        } else {
            size_t limit = (size_t)1 << unit_random(&random) % 22;
            *block = molt_malloc(unit_random(&random) % (limit + 1));
            bytes += molt_usable_size(*block);
            live++;
        }
        if (round % 100 == 0) {
            struct molt_stats stats = now();
            REQUIRE(stats.live_blocks == live, "%zu, %zu", stats.live_blocks, live);
            REQUIRE(stats.live_bytes == bytes, "%zu, %zu", stats.live_bytes, bytes);
        }
    }
}
END_TEST

/* Sizes of an older and of a newer header. */
START_TEST(test_struct_sizes)
{
    char room[sizeof(struct molt_stats) + 64];
    char *p = molt_malloc(10);
    memset(room, 0xee, sizeof room);
    ck_assert_int_eq(molt_stats_get((struct molt_stats *)room, sizeof room), 0);
    ck_assert_uint_eq(((struct molt_stats *)room)->live_blocks, 1);
    ck_assert(unit_is_zero(room + sizeof(struct molt_stats), 64));
    memset(room, 0xee, sizeof room);
    ck_assert_int_eq(molt_stats_get((struct molt_stats *)room, 2 * sizeof(size_t)), 0);
    ck_assert_uint_eq(((struct molt_stats *)room)->live_bytes, 16);
    ck_assert_int_eq((unsigned char)room[2 * sizeof(size_t)], 0xee);
    errno = 0;
    ck_assert_int_eq(molt_stats_get(NULL, 100), -1);
    ck_assert_int_eq(errno, EINVAL);
    molt_free(p);
}
END_TEST

/* ---- Output ---- */

/* All that molt_stats_write writes. */
static char *output(enum molt_format format)
{
    static char text[20000];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(molt_stats_write(fileno(file), format), 0);
    ssize_t length = pread(fileno(file), text, sizeof text - 1, 0);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    fclose(file);
    return text;
}

static const char *const names[] = {
    "live_blocks",  "live_bytes",      "pool_bytes", "run_bytes",
    "huge_bytes",   "huge_blocks",     "free_bytes", "dirty_bytes",
    "cached_bytes", "committed_bytes", "peak_bytes", "metadata_bytes",
    "purged_bytes", "arenas",          "heaps",      "parked_heaps",
};
_Static_assert(COUNT_OF(names) == sizeof(struct molt_stats) / sizeof(size_t), "one for each");

static size_t value_of(const struct molt_stats *stats, size_t field)
{
    return ((const size_t *)(const void *)stats)[field];
}

static void skip(const char **at, const char *text)
{
    if (strncmp(*at, text, strlen(text)) != 0)
        ck_abort_msg("expected '%s' at '%.60s'", text, *at);
    *at += strlen(text);
}

static size_t number(const char **at)
{
    char *end;
    REQUIRE(isdigit((unsigned char)**at), "at '%.60s'", *at);
    size_t value = strtoul(*at, &end, 10);
    *at = end;
    return value;
}

static struct molt_stats some_blocks(void)
{
    ck_assert_ptr_nonnull(molt_malloc(100));
    ck_assert_ptr_nonnull(molt_malloc(100000));
    ck_assert_ptr_nonnull(molt_malloc(5 << 20));
    molt_free(molt_malloc(3 << 20));
    return now();
}

/* One object, all its fields in their order, nothing else. */
START_TEST(test_json)
{
    struct molt_stats stats = some_blocks();
    const char *at = output(MOLT_JSON);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        skip(&at, i == 0 ? "{\"" : ", \"");
        skip(&at, names[i]);
        skip(&at, "\": ");
        ck_assert_uint_eq(number(&at), value_of(&stats, i));
    }
    skip(&at, "}\n");
    ck_assert_str_eq(at, "");
}
END_TEST

START_TEST(test_prometheus)
{
    struct molt_stats stats = some_blocks();
    const char *at = output(MOLT_PROMETHEUS);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        skip(&at, "# HELP molt_");
        skip(&at, names[i]);
        skip(&at, " ");
        at += strcspn(at, "\n");
        skip(&at, "\n# TYPE molt_");
        skip(&at, names[i]);
        skip(&at, " ");
        ck_assert(strncmp(at, "gauge\n", 6) == 0 || strncmp(at, "counter\n", 8) == 0);
        at += strcspn(at, "\n");
        skip(&at, "\nmolt_");
        skip(&at, names[i]);
        skip(&at, " ");
        ck_assert_uint_eq(number(&at), value_of(&stats, i));
        skip(&at, "\n");
    }
    ck_assert_str_eq(at, "");
}
END_TEST

START_TEST(test_text)
{
    struct molt_stats stats = some_blocks();
    const char *text = output(MOLT_TEXT);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char line[100];
        snprintf(line, sizeof line, "molt: %s: %zu (", names[i], value_of(&stats, i));
        if (strstr(text, line) == NULL)
            ck_abort_msg("no '%s' in '%s'", line, text);
    }
}
END_TEST

START_TEST(test_output_fails)
{
    errno = 0;
    ck_assert_int_eq(molt_stats_write(-1, MOLT_TEXT), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(molt_stats_write(STDERR_FILENO, (enum molt_format)3), -1);
    ck_assert_int_eq(errno, EINVAL);
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) {
        ck_assert_int_eq(molt_stats_write(full, MOLT_JSON), -1);
        ck_assert_int_eq(errno, ENOSPC);
    }
}
END_TEST

Suite *suite_stats(void)
{
    Suite *suite = suite_create("stats");
    TCase *tests = tcase_create("stats");
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_nothing_yet);
    tcase_add_test(tests, test_each_layer);
    tcase_add_test(tests, test_peak_and_purged);
    tcase_add_test(tests, test_exact);
    tcase_add_test(tests, test_struct_sizes);
    tcase_add_test(tests, test_json);
    tcase_add_test(tests, test_prometheus);
    tcase_add_test(tests, test_text);
    tcase_add_test(tests, test_output_fails);
    suite_add_tcase(suite, tests);
    return suite;
}
