/* test_start.c: a heap's first blocks of each class, which come from pools that heaps share. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/reap.h"
#include "alloc/registry.h"
#include "alloc/size_class.h"
#include "alloc/thread.h"
#include "molt.h"
#include "os/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { MOST = 200 };

/* A thread that has allocated, and does what it is told. */
struct start {
    size_t size;
    unsigned count; /* blocks that it takes */
    char *blocks[MOST];
    struct heap *heap;
    pthread_barrier_t *taken, *may_end; /* NULL: it ends at once */
    bool frees;
};

static void *take(void *argument)
{
    struct start *start = argument;
    for (unsigned i = 0; i < start->count; i++) {
        start->blocks[i] = molt_malloc(start->size);
        unit_fill(start->blocks[i], start->size, i);
    }
    start->heap = thread_self.heap;
    if (start->taken != NULL) {
        pthread_barrier_wait(start->taken);
        pthread_barrier_wait(start->may_end);
    }
    for (unsigned i = 0; i < start->count; i++)
        REQUIRE(unit_is_filled(start->blocks[i], start->size, i), "block %u", i);
    for (unsigned i = 0; start->frees && i < start->count; i++)
        molt_free(start->blocks[i]);
    return NULL;
}

static bool is_starters(const void *block)
{
    return heap_state(map_heap(pool_heap(map_pool(block)))) == HEAP_SHARED;
}

static bool shares_a_line(const char *p, size_t size, const char *other)
{
    uintptr_t line = CACHE_LINE, first = (uintptr_t)p / line,
              end = ((uintptr_t)p + size - 1) / line;
    uintptr_t at = (uintptr_t)other / line, last = ((uintptr_t)other + size - 1) / line;
    return first <= last && at <= end;
}

/* Starters' blocks, few of each, then pools of its own; one pool for both threads, but no line of
 * small blocks. */
START_TEST(test_first_blocks)
{
    static struct start a, b;
    size_t size = size_class_bytes((unsigned)_i);
    pthread_barrier_t taken, may_end;
    pthread_barrier_init(&taken, NULL, 3);
    pthread_barrier_init(&may_end, NULL, 3);
    molt_free(molt_malloc(1));
    a = b = (struct start){.size = size, .taken = &taken, .may_end = &may_end, .frees = true};
    a.count = b.count = (unsigned)(START_BYTES / size) + 8;
    pthread_t first, second;
    ck_assert_int_eq(pthread_create(&first, NULL, take, &a), 0);
    ck_assert_int_eq(pthread_create(&second, NULL, take, &b), 0);
    pthread_barrier_wait(&taken);
    ck_assert(heap_class_is_valid(a.heap, (unsigned)_i));

    ck_assert(is_starters(a.blocks[0]) == (size <= START_BLOCK_MAX));
    ck_assert(!is_starters(a.blocks[a.count - 1]));
    if (size <= START_BLOCK_MAX / 2)
        ck_assert_ptr_eq(map_pool(a.blocks[0]), map_pool(b.blocks[0]));
    unsigned started = 0;
    for (unsigned i = 0; i < a.count; i++) {
        started += is_starters(a.blocks[i]);
        for (unsigned j = 0; size <= START_LINES_MAX && j < b.count; j++)
            REQUIRE(!shares_a_line(a.blocks[i], size, b.blocks[j]), "blocks of %zu", size);
    }
    ck_assert_uint_le(started * size, size > START_BYTES ? size : START_BYTES);
    pthread_barrier_wait(&may_end);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    ck_assert_uint_eq(unit_live_blocks(), 0);
    molt_trim(0);
    ck_assert_int_eq(pool_state(map_pool(a.blocks[0])), POOL_NONE);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* A process with one thread has pools of its own from the start. */
START_TEST(test_not_the_first_heap)
{
    char *p = molt_malloc(100);
    ck_assert_uint_eq(pool_heap(map_pool(p)), 1);
    molt_free(p);
}
END_TEST

/* What an ended thread has not used goes back, and its heap's next thread starts again; it has not
 * to when it follows at once. */
START_TEST(test_unused_blocks)
{
    static struct start start;
    char *own = molt_malloc(100);
    start = (struct start){.size = 48, .count = 1};
    unit_in_thread(take, &start);
    struct pool *pool = map_pool(start.blocks[0]);
    ck_assert(is_starters(start.blocks[0]));
    ck_assert_uint_eq(unit_live_blocks(), 2);
    unsigned carved = pool_carved(pool);
    start.count = 2;
    unit_in_thread(take, &start);
    ck_assert_uint_eq(pool_carved(pool), carved); /* of what was left */
    ck_assert_ptr_eq(map_pool(start.blocks[1]), pool);
    reap_all();
    ck_assert_uint_eq(unit_live_blocks(), 4);
    ck_assert(!heap_is_starting(start.heap, pool->size_class));
    ck_assert_uint_eq(pool_live(pool), 3);
    unit_in_thread(take, &start);
    ck_assert_uint_gt(pool_carved(pool), carved);
    molt_free(own);
}
END_TEST

static void do_free(void *p)
{
    molt_free(p);
}

static void expect_double(char *p)
{
    unit_expect_error(do_free, p, "double free of %p (%zu bytes)", (void *)p, (size_t)64);
}

/* Wherever a free block of the starter's is it is found. */
START_TEST(test_double_free)
{
    static struct start start;
    char *own = molt_malloc(100);
    start = (struct start){.size = 64, .count = 3};
    unit_in_thread(take, &start);
    expect_double(start.blocks[2] + 64); /* in the heap's list: never handed out */
    molt_free(start.blocks[0]);
    expect_double(start.blocks[0]); /* on its way */
    reap_all();
    expect_double(start.blocks[0]); /* the starter has it back */
    unit_expect_error(do_free, start.blocks[1] + 8, "invalid free of %p: 8 bytes inside",
                      (void *)(start.blocks[1] + 8));
    molt_free(start.blocks[1]);
    molt_free(start.blocks[2]);
    molt_trim(0);
    expect_double(start.blocks[0]); /* its pool has gone */
    molt_free(own);
}
END_TEST

/* The starter's blocks may be freed before their thread has a heap, and after it had one. */
static void *free_first(void *argument)
{
    molt_free(argument);
    REQUIRE(thread_self.heap == NULL, "adopted a heap");
    return NULL;
}

START_TEST(test_free_without_heap)
{
    static struct start start;
    molt_free(molt_malloc(1));
    start = (struct start){.size = 200, .count = 2};
    unit_in_thread(take, &start);
    struct pool *pool = map_pool(start.blocks[0]);
    unit_in_thread(free_first, start.blocks[0]);
    molt_free(start.blocks[1]);
    molt_trim(0);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* A tick reaps the starter, also while all threads live on. */
START_TEST(test_reaped_beside_threads)
{
    static struct start start;
    pthread_barrier_t taken, may_end;
    pthread_t thread;
    pthread_barrier_init(&taken, NULL, 2);
    pthread_barrier_init(&may_end, NULL, 2);
    molt_free(molt_malloc(1));
    start = (struct start){.size = 3000, .count = 1, .taken = &taken, .may_end = &may_end};
    ck_assert_int_eq(pthread_create(&thread, NULL, take, &start), 0);
    pthread_barrier_wait(&taken);
    struct pool *pool = map_pool(start.blocks[0]);
    start.count = 0;
    molt_free(start.blocks[0]);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL);
    reap_tick(os_now_ms());
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    pthread_barrier_wait(&may_end);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- Many threads ---- */

enum { THREADS = 64, SIZES = 8 };

static pthread_barrier_t all_taken, all_may_end;

static void *take_of_each_size(void *argument)
{
    char *blocks[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        blocks[i] = molt_malloc((size_t)24 << i);
        unit_fill(blocks[i], (size_t)24 << i, i);
    }
    pthread_barrier_wait(&all_taken);
    pthread_barrier_wait(&all_may_end);
    for (unsigned i = 0; i < SIZES; i++) {
        REQUIRE(unit_is_filled(blocks[i], (size_t)24 << i, i), "block %u", i);
        molt_free(blocks[i]);
    }
    return argument;
}

/* A few pages of the arenas a thread, not one for each size; and all of them go again. */
START_TEST(test_pages)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&all_taken, NULL, THREADS + 1);
    pthread_barrier_init(&all_may_end, NULL, THREADS + 1);
    molt_free(molt_malloc(1));
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_of_each_size, NULL), 0);
    pthread_barrier_wait(&all_taken);
    size_t resident = 0;
    for (uint32_t number = 0; number < map_arena_end(); number++)
        resident += unit_resident_pages((void *)map_arena_start(number), ARENA_BYTES);
    resident <<= os_page_shift;
    if (os_page_bytes() == 4096)
        REQUIRE(resident <= (size_t)THREADS * 10 * 1024, "%zu bytes a thread", resident / THREADS);
    pthread_barrier_wait(&all_may_end);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    molt_trim(0);
    ck_assert_uint_eq(unit_live_blocks(), 0);
    ck_assert_uint_eq(arena_totals.used_pages, 0);
}
END_TEST

Suite *suite_start(void)
{
    Suite *suite = suite_create("start");
    TCase *tests = tcase_create("start");
    tcase_add_loop_test(tests, test_first_blocks, 0, 60);
    tcase_add_test(tests, test_not_the_first_heap);
    tcase_add_test(tests, test_unused_blocks);
    tcase_add_test(tests, test_double_free);
    tcase_add_test(tests, test_free_without_heap);
    tcase_add_test(tests, test_reaped_beside_threads);
    tcase_add_test(tests, test_pages);
    suite_add_tcase(suite, tests);
    return suite;
}
