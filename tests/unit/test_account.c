/* test_account.c: the account adds up to what the kernel counts, on heaps of all shapes. */
#include "suites.h"
#include "unit.h"

#include "alloc/account.h"
#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/thread.h"
#include "base/options.h"
#include "molt.h"
#include "molt_object.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIB = 1 << 10, MIB = 1 << 20, COUNT = 64 * KIB };

static char *blocks[COUNT];

static struct molt_account look(void)
{
    struct molt_account account;
    if (molt_account_get(&account, sizeof account) != 0)
        abort();
    return account;
}

static size_t sum_of(const struct molt_account *account)
{
    const size_t *fields = (const size_t *)(const void *)account;
    size_t sum = 0;
    for (size_t i = 1; i < sizeof *account / sizeof *fields; i++)
        sum += fields[i];
    return sum;
}

static size_t distance(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* ---- Adding up ---- */

/* The memory of the process that is no file's, as the kernel counts it. */
static size_t anonymous_bytes(void)
{
    char text[1024];
    ck_assert_int_gt(os_read_file("/proc/self/smaps_rollup", text, sizeof text), 0);
    const char *line = strstr(text, "\nAnonymous:");
    ck_assert_ptr_nonnull(line);
    return strtoul(line + 11, NULL, 10) * KIB;
}

static size_t other_at_start;

/* What is neither malloc's nor a file's. */
static size_t other_now(void)
{
    struct molt_account account = look();
    return anonymous_bytes() - (account.rss_bytes - account.other_bytes);
}

/* That does not change while only malloc is used: so all that the kernel counts more is in a line
 * of malloc's. Some pages are the program's own doing: its stack, data that is written for the
 * first time. */
enum { PAGES_OF_OTHERS = 4, PAGES_ONLY_READ = 64 };

static void expect_sum_with(const char *shape, size_t bytes_of_others)
{
    struct molt_account account = look();
    REQUIRE(sum_of(&account) == account.rss_bytes, "%s: %zu, of %zu", shape, sum_of(&account),
            account.rss_bytes);
    size_t other = other_now();
    REQUIRE(distance(other, other_at_start) <= bytes_of_others,
            "%s: %zu bytes of others, at the start %zu", shape, other, other_at_start);
}

/* Whether the kernel tells pages that were only read. */
static bool tells_zero_pages(void)
{
    int pagemap = os_resident_open();
    char *page = os_map(os_page_bytes());
    (void)*(volatile char *)page;
    size_t bytes = os_resident_bytes(pagemap, page, os_page_bytes());
    os_resident_close(pagemap);
    return bytes == 0;
}

/* Counting reads parts of the tables that have no memory yet. */
static void expect_sum(const char *shape)
{
    size_t pages = PAGES_OF_OTHERS + (tells_zero_pages() ? 0 : PAGES_ONLY_READ);
    expect_sum_with(shape, pages * os_page_bytes());
}

static void set_up(void)
{
    options.decay = 1000000;          /* nothing goes back by itself */
    memset(blocks, 0, sizeof blocks); /* has memory from now on */
    molt_free(molt_malloc(1));
    other_now();
    other_at_start = other_now();
}

static void take(unsigned count, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = molt_malloc(size);
        memset(blocks[i], 1, size);
    }
}

static void release(unsigned count, unsigned keep_each)
{
    for (unsigned i = 0; i < count; i++)
        if (keep_each == 0 || i % keep_each != 0)
            molt_free(blocks[i]);
}

START_TEST(test_small_blocks)
{
    take(COUNT, 200);
    expect_sum("small blocks");
    struct molt_account account = look();
    ck_assert_uint_ge(account.live_pool_bytes, COUNT * (size_t)208);
    ck_assert_uint_le(account.live_pool_bytes, COUNT * (size_t)208 + 1000);
    release(COUNT, 2);
    expect_sum("every second one");
    ck_assert_uint_ge(look().free_bytes, COUNT / 2 * (size_t)200);
}
END_TEST

START_TEST(test_holes)
{
    take(COUNT, 200);
    release(COUNT, 300);
    molt_trim(0);
    ck_assert_uint_gt(arena_gone_bytes, 8 * MIB);
    expect_sum("holes");
    struct molt_account account = look();
    ck_assert_uint_lt(account.live_pool_bytes + account.free_bytes, 2 * MIB);
}
END_TEST

START_TEST(test_idle_pages)
{
    take(16 * MIB / (4 * KIB), 4 * KIB);
    release(16 * MIB / (4 * KIB), 0);
    expect_sum("idle pages");
    ck_assert_uint_gt(look().idle_bytes, 15 * MIB);
    molt_trim(0);
    expect_sum("after a trim");
    ck_assert_uint_lt(look().idle_bytes, MIB);
}
END_TEST

START_TEST(test_runs)
{
    for (unsigned i = 0; i < 50; i++) {
        blocks[i] = molt_malloc(400 * KIB);
        memset(blocks[i], 1, 100 * KIB); /* the rest has no memory */
    }
    expect_sum("runs");
    ck_assert_uint_eq(look().live_run_bytes, 50 * 100 * (size_t)KIB);
    molt_free(blocks[0]);
    ck_assert_uint_eq(look().live_run_bytes, 49 * 100 * (size_t)KIB);
    ck_assert_uint_eq(look().cached_bytes, 100 * KIB);
    expect_sum("a kept run");
}
END_TEST

START_TEST(test_huge_blocks)
{
    options.thp = 0;
    char *block = molt_malloc(40 * MIB);
    memset(block, 1, 20 * MIB);
    expect_sum("half of a huge block");
    ck_assert_uint_eq(look().live_huge_bytes, 20 * MIB);
    molt_free(block);
    expect_sum("a kept span");
    ck_assert_uint_eq(look().live_huge_bytes, 0);
    ck_assert_uint_eq(look().cached_bytes, 20 * MIB);
}
END_TEST

/* With huge pages memory is there that nobody has touched. */
START_TEST(test_huge_pages)
{
    if (!unit_has_huge_pages("test_huge_pages"))
        return;
    other_at_start = other_now(); /* with what that took */
    char *block = molt_malloc(15 * MIB);
    for (size_t at = 0; at < 15 * MIB; at += 4 * KIB)
        block[at] = 1;
    take(32 * MIB / (4 * KIB) + 10, 4 * KIB);
    expect_sum("huge pages");
    struct molt_account account = look();
    ck_assert_uint_eq(account.live_huge_bytes, 15 * MIB);
    ck_assert_uint_eq(account.slack_bytes, MIB);
    ck_assert_uint_gt(account.idle_bytes + account.uncarved_bytes, 64 * KIB);
}
END_TEST

START_TEST(test_pages_that_were_only_read)
{
    if (!tells_zero_pages()) {
        puts("skip: test_pages_that_were_only_read: the kernel does not tell them");
        return;
    }
    char *block = molt_calloc(1, 20 * MIB), *run = molt_calloc(1, MIB);
    ck_assert(unit_is_zero(block, 20 * MIB));
    ck_assert(unit_is_zero(run, MIB));
    block[5 * MIB] = 1;
    expect_sum("only read");
    ck_assert_uint_le(look().live_huge_bytes, 2 * MIB);
    ck_assert_uint_eq(look().live_run_bytes, 0);
}
END_TEST

struct node {
    MOLT_OBJECT;
    struct node *next;
    char bytes[100];
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

/* A collection's notes are no tables of the allocator's. */
START_TEST(test_objects)
{
    enum { NOTES = 320 * KIB };
    struct node *list = NULL;
    for (unsigned i = 0; i < COUNT; i++) {
        struct node *node = molt_new(&node_type);
        memset(node->bytes, 1, sizeof node->bytes);
        node->next = list;
        list = node;
    }
    expect_sum_with("objects", NOTES);
    ck_assert_uint_ge(look().live_pool_bytes, COUNT * sizeof(struct node));
    molt_release(list);
    expect_sum_with("dead objects", NOTES);
}
END_TEST

/* ---- Threads ---- */

static void *free_many(void *count)
{
    release(*(unsigned *)count, 0);
    return NULL;
}

/* The thread that has the blocks sleeps; another frees them. */
START_TEST(test_blocks_that_wait)
{
    unsigned count = 5000;
    pthread_t thread;
    take(count, 200);
    pthread_create(&thread, NULL, free_many, &count);
    pthread_join(thread, NULL);
    other_at_start = other_now(); /* with what the thread has touched of its stack */
    struct molt_account account = look();
    ck_assert_uint_eq(account.live_pool_bytes / 208, 0);
    ck_assert_uint_ge(account.moving_bytes, count * (size_t)208);
    ck_assert_uint_eq(sum_of(&account), account.rss_bytes);
    take(count, 200);
    expect_sum("taken back");
    ck_assert_uint_ge(look().live_pool_bytes, count * (size_t)208);
    ck_assert_uint_lt(look().moving_bytes, 16 * KIB);
}
END_TEST

static pthread_barrier_t barrier;

static void *allocate_and_wait(void *unused)
{
    for (unsigned i = 0; i < 2000; i++)
        memset(molt_malloc(1000), 1, 1000);
    molt_free(molt_malloc(100));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

START_TEST(test_many_threads)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_and_wait, NULL), 0);
    pthread_barrier_wait(&barrier);
    struct molt_account account = look();
    REQUIRE(sum_of(&account) == account.rss_bytes, "%zu, of %zu", sum_of(&account),
            account.rss_bytes);
    ck_assert_uint_ge(account.live_pool_bytes, THREADS * 2000 * (size_t)1024);
    /* their stacks */
    REQUIRE(other_now() - other_at_start < THREADS * 128 * (size_t)KIB, "%zu, %zu", other_now(),
            other_at_start);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static const void *tables[4];

static void cross_out(const void *start, size_t bytes, void *unused)
{
    (void)unused;
    ck_assert_uint_eq((uintptr_t)start % os_page_bytes() + bytes % os_page_bytes(), 0);
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        if ((uintptr_t)tables[i] - (uintptr_t)start < bytes)
            tables[i] = NULL;
}

START_TEST(test_all_tables_are_visited)
{
    void *block = molt_malloc(100);
    tables[0] = map_pool(block);
    tables[1] = (const char *)(map_arena(map_arena_end() - 1) + 1) - 1;
    tables[2] = &map.longest[0];
    tables[3] = (char *)map_heap(map.heap_end) + sizeof(struct heap) - 1;
    map_each_table(cross_out, NULL);
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        ck_assert_ptr_null(tables[i]);
    molt_free(block);
}
END_TEST

/* What the program maps is not malloc's. */
START_TEST(test_other_memory)
{
    char *mapped = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(mapped, 1, 8 * MIB);
    struct molt_account account = look();
    ck_assert_uint_ge(account.other_bytes, 8 * MIB);
    ck_assert_uint_eq(sum_of(&account), account.rss_bytes);
    ck_assert_uint_ge(other_now(), other_at_start + 8 * MIB);
}
END_TEST

/* A child has the same memory, though it shares the pages with its parent. */
START_TEST(test_child)
{
    take(20000, 200);
    size_t live = look().live_pool_bytes;
    pid_t child = fork();
    if (child == 0)
        _exit(distance(look().live_pool_bytes, live) > 1000);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_nothing_yet)
{
    struct molt_account account = look();
    ck_assert_uint_eq(account.live_pool_bytes, 0);
    ck_assert_uint_eq(account.free_bytes, 0);
    ck_assert_uint_eq(sum_of(&account), account.rss_bytes);
    errno = 0;
    ck_assert_int_eq(molt_account_get(NULL, 8), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- Classes ---- */

static struct molt_class class_of(size_t bytes, enum molt_class_kind kind)
{
    static struct molt_class classes[ACCOUNT_CLASSES];
    ck_assert_uint_eq(molt_classes_get(classes, sizeof classes[0], COUNT_OF(classes)),
                      ACCOUNT_CLASSES);
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (classes[i].block_bytes == bytes && classes[i].kind == (size_t)kind)
            return classes[i];
    ck_abort_msg("no class of %zu", bytes);
}

/* The blocks of a class are the capacity of its pools. */
static void expect_blocks(const struct molt_class *class, size_t live, size_t holes)
{
    ck_assert_uint_eq(class->live_blocks, live);
    ck_assert_uint_eq(class->hole_blocks, holes);
    ck_assert_uint_eq(class->live_blocks + class->free_blocks + class->moving_blocks +
                          class->hole_blocks + class->uncarved_blocks,
                      class->pools * (POOL_BYTES / class->block_bytes));
}

START_TEST(test_classes)
{
    take(1000, 200);
    struct molt_class class = class_of(208, MOLT_CLASS_BLOCKS);
    ck_assert_uint_eq(class.pools, 1000 / (POOL_BYTES / 208) + 1);
    expect_blocks(&class, 1000, 0);
    release(1000, 2);
    class = class_of(208, MOLT_CLASS_BLOCKS);
    expect_blocks(&class, 500, 0);
    ck_assert_uint_eq(class_of(192, MOLT_CLASS_BLOCKS).pools, 0);
    ck_assert_ptr_nonnull(molt_new(&node_type));
    class = class_of(120, MOLT_CLASS_TRACKED);
    expect_blocks(&class, 1, 0);
    ck_assert_uint_eq(class_of(120, MOLT_CLASS_UNTRACKED).pools, 0);
}
END_TEST

START_TEST(test_classes_with_holes)
{
    take(1000, 4000);
    release(1000, 10);
    molt_trim(0);
    struct molt_class class = class_of(4096, MOLT_CLASS_BLOCKS);
    expect_blocks(&class, 100, class.hole_blocks);
    ck_assert_uint_gt(class.hole_blocks, 800);
}
END_TEST

START_TEST(test_classes_of_a_sleeper)
{
    unsigned count = 1000;
    pthread_t thread;
    take(count, 200);
    pthread_create(&thread, NULL, free_many, &count);
    pthread_join(thread, NULL);
    struct molt_class class = class_of(208, MOLT_CLASS_BLOCKS);
    expect_blocks(&class, 0, 0);
    ck_assert_uint_eq(class.moving_blocks, 1000);
}
END_TEST

static void *free_some_and_look(void *count)
{
    ck_assert_ptr_nonnull(molt_malloc(5000)); /* so that it has a heap, and with it an outbox */
    free_many(count);
    struct molt_class class = class_of(208, MOLT_CLASS_BLOCKS);
    expect_blocks(&class, 990, 0);
    ck_assert_uint_eq(class.moving_blocks, 10);
    ck_assert_uint_eq(look().moving_bytes, 10 * 208);
    return NULL;
}

/* Less than a batch: they stay with the thread that has freed them. */
START_TEST(test_blocks_in_an_outbox)
{
    unsigned count = 10;
    take(1000, 200);
    unit_in_thread(free_some_and_look, &count);
}
END_TEST

static void *start_only(void *unused)
{
    ck_assert_ptr_nonnull(molt_malloc(64)); /* its heap gets some more of the starter's */
    struct molt_class class = class_of(64, MOLT_CLASS_BLOCKS);
    expect_blocks(&class, 1, 0);
    ck_assert_uint_eq(class.moving_blocks, 7);
    return unused;
}

START_TEST(test_classes_of_the_starter)
{
    ck_assert_ptr_nonnull(molt_malloc(5000)); /* the first heap has pools of its own */
    unit_in_thread(start_only, NULL);
}
END_TEST

START_TEST(test_class_sizes)
{
    struct {
        struct molt_class class;
        size_t later;
    } newer[2];
    size_t older[3][2];
    ck_assert_uint_eq(molt_classes_get(&newer[0].class, sizeof newer[0], 2), ACCOUNT_CLASSES);
    ck_assert_uint_eq(newer[1].class.block_bytes, 16);
    ck_assert_uint_eq(newer[1].later, 0);
    ck_assert_uint_eq(molt_classes_get((struct molt_class *)older, sizeof older[0], 3),
                      ACCOUNT_CLASSES);
    ck_assert_uint_eq(older[2][0], 32);
    ck_assert_uint_eq(molt_classes_get(NULL, sizeof(struct molt_class), 0), ACCOUNT_CLASSES);
    errno = 0;
    ck_assert_uint_eq(molt_classes_get(NULL, sizeof(struct molt_class), 1), 0);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void count_pool(const struct pool *pool, void *live)
{
    struct pool_blocks of = account_pool(pool);
    ck_assert_uint_eq(of.live + of.listed + of.waiting + of.in_holes, pool_carved(pool));
    *(size_t *)live += of.live;
}

START_TEST(test_each_pool)
{
    size_t live = 0;
    take(5000, 100);
    take(50, 3000);
    account_each_pool(count_pool, &live);
    ck_assert_uint_eq(live, 5050);
}
END_TEST

/* ---- Output ---- */

static char *output(enum molt_format format)
{
    static char text[40000];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(molt_account_write(fileno(file), format), 0);
    ssize_t length = pread(fileno(file), text, sizeof text - 1, 0);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    fclose(file);
    return text;
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        ck_abort_msg("no '%s' in '%s'", part, text);
}

START_TEST(test_formats)
{
    take(100, 200);
    char *text = output(MOLT_TEXT);
    expect_text(text, "molt: account_live_pool_bytes: 20800 (blocks in use in pools");
    expect_text(text, "molt: class of 208 bytes, blocks: pools 1 live_blocks 100 free_blocks ");
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    text = output(MOLT_JSON);
    ck_assert_int_eq(strncmp(text, "{\"account_rss_bytes\": ", 22), 0);
    expect_text(text, ", \"classes\": [{\"block_bytes\": 208, \"kind\": \"blocks\", \"pools\": 1, "
                      "\"live_blocks\": 100, \"free_blocks\": ");
    ck_assert_str_eq(text + strlen(text) - 4, "}]}\n");
    text = output(MOLT_PROMETHEUS);
    expect_text(text, "\nmolt_account_live_pool_bytes 20800\n");
    expect_text(text, "# TYPE molt_class_live_blocks gauge\n"
                      "molt_class_live_blocks{bytes=\"208\",kind=\"blocks\"} 100\n");
    molt_free(blocks[0]);
}
END_TEST

START_TEST(test_no_classes)
{
    char *text = output(MOLT_JSON);
    ck_assert_str_eq(text + strlen(text) - 2, "}\n");
    ck_assert_ptr_null(strchr(text, '['));
    errno = 0;
    ck_assert_int_eq(molt_account_write(STDERR_FILENO, (enum molt_format)3), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(molt_account_write(-1, MOLT_TEXT), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* These compare with what the kernel counts: a build that watches memory has much of its own. */
static void add_sums(Suite *suite)
{
    TCase *tests = tcase_create("sums");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_small_blocks);
    tcase_add_test(tests, test_holes);
    tcase_add_test(tests, test_idle_pages);
    tcase_add_test(tests, test_runs);
    tcase_add_test(tests, test_huge_blocks);
    tcase_add_test(tests, test_huge_pages);
    tcase_add_test(tests, test_pages_that_were_only_read);
    tcase_add_test(tests, test_objects);
    tcase_add_test(tests, test_blocks_that_wait);
    tcase_add_test(tests, test_many_threads);
    tcase_add_test(tests, test_all_tables_are_visited);
    tcase_add_test(tests, test_other_memory);
    tcase_add_test(tests, test_child);
    suite_add_tcase(suite, tests);
}

Suite *suite_account(void)
{
    Suite *suite = suite_create("account");
    TCase *tests = tcase_create("account");
    if (!unit_is_sanitized())
        add_sums(suite);
    tcase_add_test(tests, test_nothing_yet);
    tcase_add_test(tests, test_classes);
    tcase_add_test(tests, test_classes_with_holes);
    tcase_add_test(tests, test_classes_of_a_sleeper);
    tcase_add_test(tests, test_blocks_in_an_outbox);
    tcase_add_test(tests, test_classes_of_the_starter);
    tcase_add_test(tests, test_class_sizes);
    tcase_add_test(tests, test_each_pool);
    tcase_add_test(tests, test_formats);
    tcase_add_test(tests, test_no_classes);
    suite_add_tcase(suite, tests);
    return suite;
}
