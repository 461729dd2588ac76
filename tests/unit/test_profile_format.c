/* test_profile_format.c: what heap profiles tell beside what pprof reads (doc/profile-format.md),
 * read back where all is known. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "base/options.h"
#include "molt.h"
#include "molt_object.h"
#include "profile/site.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- Reading ---- */

struct row {
    char type[128], tag[128], thread[128];
    size_t requested, all_requested, temporary, lifetimes[SITE_LIFETIMES];
    size_t count, bytes, all_count, all_bytes;
};

static char text[1 << 20];

/* Writes a profile of now, and reads it. */
static void write_profile(void)
{
    char path[] = "/tmp/molt-format.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    int result = molt_profile_dump(path);
    FILE *file = fopen(path, "r");
    unlink(path);
    ck_assert_int_eq(result, 0);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
}

static void read_counts(struct row *row, const char *line)
{
    int end = 0;
    sscanf(line, "# requested: %zu [%zu], temporary: %zu, lifetimes:%n", &row->requested,
           &row->all_requested, &row->temporary, &end);
    REQUIRE(end > 0, "no counts: %s", line);
    char *rest = (char *)(uintptr_t)line + end;
    for (unsigned i = 0; i < SITE_LIFETIMES && *rest == ' '; i++)
        row->lifetimes[i] = strtoul(rest, &rest, 10);
    REQUIRE(*rest == '\n', "more lifetimes than there are: %s", line);
}

/* Whether the line is the row's end. */
static bool read_line(struct row *row, const char *line)
{
    if (strncmp(line, "# requested: ", 13) == 0)
        read_counts(row, line);
    else if (*line == '#')
        (void)(sscanf(line, "# type: %127[^\n]", row->type) == 1 ||
               sscanf(line, "# tag: %127[^\n]", row->tag) == 1 ||
               sscanf(line, "# thread: %127[^\n]", row->thread));
    else
        return sscanf(line, "%zu: %zu [%zu: %zu] @ ", &row->count, &row->bytes, &row->all_count,
                      &row->all_bytes) == 4;
    return false;
}

/* Adds up the rows with that type, tag and thread; "": without one, NULL: any. */
static struct row sum_of(const char *type, const char *tag, const char *thread)
{
    struct row sum = {.count = 0}, row = {.count = 0};
    for (const char *line = strchr(text, '\n') + 1; *line != '\n'; line = strchr(line, '\n') + 1) {
        if (!read_line(&row, line))
            continue;
        if ((type == NULL || strcmp(type, row.type) == 0) &&
            (tag == NULL || strcmp(tag, row.tag) == 0) &&
            (thread == NULL || strcmp(thread, row.thread) == 0)) {
            sum.count += row.count;
            sum.all_count += row.all_count;
            sum.requested += row.requested;
            sum.all_requested += row.all_requested;
            sum.temporary += row.temporary;
            for (unsigned i = 0; i < SITE_LIFETIMES; i++)
                sum.lifetimes[i] += row.lifetimes[i];
        }
        row = (struct row){.count = 0};
    }
    return sum;
}

#define CHECK_SUM(sum, count_, all_, requested_, all_requested_)  \
    do {                                                          \
        struct row found = (sum);                                 \
        ck_assert_uint_eq(found.count, (count_));                 \
        ck_assert_uint_eq(found.all_count, (all_));               \
        ck_assert_uint_eq(found.requested, (requested_));         \
        ck_assert_uint_eq(found.all_requested, (all_requested_)); \
    } while (0)

/* ---- What a program has done ---- */

enum { BLOCKS = 20000 };

static void *blocks[BLOCKS];

static void take(unsigned first, unsigned end, size_t size)
{
    for (unsigned i = first; i < end; i++)
        blocks[i] = molt_malloc(size);
}

static void release(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        molt_free(blocks[i]);
}

struct node {
    MOLT_OBJECT;
    struct node *next;
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

static void *work(void *unused)
{
    prctl(PR_SET_NAME, "worker 1");
    molt_tag_push("jobs");
    take(100, 107, 300);
    molt_tag_pop();
    return unused;
}

START_TEST(test_rows)
{
    prctl(PR_SET_NAME, "main thread");
    molt_release(molt_new(&node_type)); /* attaches the thread, by other blocks */
    molt_profile_start(1);
    molt_tag_push("cache: 1");
    take(0, 10, 100);
    release(9, 10); /* freed before anything else is allocated */
    release(0, 2);
    molt_tag_pop();
    for (unsigned i = 10; i < 15; i++)
        blocks[i] = molt_new(&node_type);
    unit_in_thread(work, NULL);
    molt_profile_stop();
    write_profile();
    CHECK_SUM(sum_of("", "cache: 1", "main thread"), 7, 10, 700, 1000);
    ck_assert_uint_eq(sum_of("", "cache: 1", "main thread").temporary, 1);
    CHECK_SUM(sum_of("", "jobs", "worker 1"), 7, 7, 2100, 2100);
    CHECK_SUM(sum_of(NULL, "jobs", "main thread"), 0, 0, 0, 0);
    CHECK_SUM(sum_of("struct node", "", "main thread"), 5, 5, 5 * sizeof(struct node),
              5 * sizeof(struct node));
    CHECK_SUM(sum_of("struct node", NULL, NULL), 5, 5, 5 * sizeof(struct node),
              5 * sizeof(struct node));
}
END_TEST

START_TEST(test_lifetimes)
{
    molt_profile_start(1);
    molt_tag_push("short");
    take(0, 100, 64);
    usleep(20000);
    release(0, 60);
    molt_tag_pop();
    molt_profile_stop();
    write_profile();
    struct row sum = sum_of(NULL, "short", NULL);
    size_t long_lived = 0;
    for (unsigned i = 5; i < SITE_LIFETIMES; i++) /* 10 ms and more */
        long_lived += sum.lifetimes[i];
    ck_assert_uint_eq(long_lived, 60);
    ck_assert_uint_eq(sum.lifetimes[0] + sum.lifetimes[1] + sum.lifetimes[4], 0);
}
END_TEST

/* ---- Size classes ---- */

struct class_line {
    size_t live, free, moving, holes, uncarved, estimate;
};

static struct class_line class_of(size_t bytes, const char *kind)
{
    struct class_line class = {.estimate = SIZE_MAX};
    char head[100];
    snprintf(head, sizeof head, "\n# class: %zu bytes, %s: pools ", bytes, kind);
    const char *line = strstr(text, head);
    REQUIRE(line != NULL, "no class of %zu bytes in\n%s", bytes, text);
    int fields = sscanf(line + strlen(head),
                        "%*u live_blocks %zu free_blocks %zu moving_blocks %zu hole_blocks %zu "
                        "uncarved_blocks %zu estimate %zu",
                        &class.live, &class.free, &class.moving, &class.holes, &class.uncarved,
                        &class.estimate);
    ck_assert_int_ge(fields, 5);
    return class;
}

/* The library's own blocks may come and go. */
START_TEST(test_classes_of_a_trace)
{
    molt_profile_start(1);
    take(0, 1000, 200);
    release(0, 400);
    blocks[0] = molt_malloc(5000);
    molt_profile_stop();
    write_profile();
    struct class_line class = class_of(208, "blocks");
    ck_assert_uint_eq(class.live, 600);
    ck_assert_uint_eq(class.estimate, 600);
    ck_assert_uint_ge(class.free, 400 - POOL_BYTES / 208); /* an empty pool goes */
    ck_assert_uint_eq(class.holes + class.moving, 0);
    class = class_of(5120, "blocks");
    ck_assert_uint_eq(class.live, 1);
    ck_assert_uint_eq(class.estimate, 1);
}
END_TEST

/* Of 20,000 blocks 990 are expected to be sampled, with a deviation of 31. */
START_TEST(test_classes_of_samples)
{
    double p = 1 - exp(-208.0 / 4096), deviation = sqrt(BLOCKS * (1 - p) / p);
    molt_profile_start(4096);
    take(0, BLOCKS, 200);
    for (unsigned i = 0; i < 200; i++)
        ck_assert_ptr_nonnull(molt_new(&node_type));
    molt_profile_stop();
    write_profile();
    struct class_line class = class_of(208, "blocks");
    ck_assert_uint_eq(class.live, BLOCKS);
    ck_assert_uint_le((size_t)fabs((double)class.estimate - BLOCKS), (size_t)(5.5 * deviation));
    class = class_of(16, "tracked objects");
    ck_assert_uint_ge(class.live, 150);
    ck_assert_uint_eq(class.estimate, SIZE_MAX); /* nothing is said */
}
END_TEST

/* A signal handler may have interrupted the allocator. */
START_TEST(test_classes_under_a_lock)
{
    molt_profile_start(1);
    molt_tag_push("kept");
    take(0, 10, 200);
    molt_tag_pop();
    lock_acquire(&arena_lock);
    write_profile();
    lock_release(&arena_lock);
    ck_assert_ptr_nonnull(strstr(text, "\n# classes: not known: "));
    ck_assert_ptr_null(strstr(text, "# class: "));
    CHECK_SUM(sum_of(NULL, "kept", NULL), 10, 10, 2000, 2000);
    write_profile();
    ck_assert_uint_eq(class_of(208, "blocks").live, 10);
}
END_TEST

static pthread_barrier_t barrier;

static void *hold_lock(void *unused)
{
    lock_acquire(&arena_lock);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    lock_release(&arena_lock);
    return unused;
}

/* Or another thread stands still there. */
START_TEST(test_classes_under_a_lock_of_another_thread)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    molt_profile_start(1);
    take(0, 10, 200);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_lock, NULL), 0);
    pthread_barrier_wait(&barrier);
    write_profile();
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    ck_assert_ptr_nonnull(strstr(text, "\n# classes: not known: "));
}
END_TEST

static void set_up(void)
{
    options.prof_final = 0;
}

Suite *suite_profile_format(void)
{
    Suite *suite = suite_create("profile_format");
    TCase *tests = tcase_create("format");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, test_rows);
    tcase_add_test(tests, test_lifetimes);
    tcase_add_test(tests, test_classes_of_a_trace);
    tcase_add_test(tests, test_classes_of_samples);
    tcase_add_test(tests, test_classes_under_a_lock);
    tcase_add_test(tests, test_classes_under_a_lock_of_another_thread);
    suite_add_tcase(suite, tests);
    return suite;
}
