/* test_heap.c: the states of a heap's pools, seen through malloc and free of one thread. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/thread.h"
#include "molt.h"

#include <string.h>

/* A class of few blocks a pool. */
enum { SIZE = 4096, BLOCKS = POOL_BYTES / SIZE };

static struct heap *mine(void)
{
    return thread_self.heap;
}

static enum pool_state state_of(const void *p)
{
    return pool_state(map_pool(p));
}

static unsigned class_of(const void *p)
{
    return map_pool(p)->size_class;
}

static void check_heap(void)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        REQUIRE(heap_class_is_valid(mine(), size_class), "class %u", size_class);
}

static void take_many(char **blocks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = molt_malloc(size);
        REQUIRE(blocks[i] != NULL, "block %zu", i);
        unit_fill(blocks[i], size, (unsigned)i);
    }
    check_heap();
}

static void free_many(char **blocks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        REQUIRE(unit_is_filled(blocks[i], size, (unsigned)i), "block %zu", i);
        molt_free(blocks[i]);
    }
    check_heap();
}

static unsigned ring_length(unsigned size_class)
{
    const struct pool *first = map_pool_by_number(mine()->partial[size_class]);
    unsigned length = 0;
    for (const struct pool *pool = first; pool != NULL; length++) {
        const struct pool *next = map_pool_by_number(pool->next);
        pool = next == first ? NULL : next;
    }
    return length;
}

/* ---- The states, one after the other ---- */

START_TEST(test_no_heap_at_first)
{
    ck_assert_ptr_null(thread_self.heap);
    ck_assert_uint_eq(thread_self.small_limit, 0);
    char *p = molt_malloc(1);
    ck_assert_ptr_nonnull(mine());
    ck_assert_uint_eq(thread_self.cookie, heap_cookie(mine()));
    ck_assert_uint_eq(map_pool(p)->heap, mine()->number);
    ck_assert_ptr_eq(map_heap(mine()->number), mine());
    ck_assert(!heap_is_busy(mine()));
    check_heap();
}
END_TEST

START_TEST(test_active)
{
    char *p = molt_malloc(SIZE);
    ck_assert_int_eq(state_of(p), POOL_ACTIVE);
    ck_assert_uint_eq(mine()->active[class_of(p)], map_pool_number(map_pool(p)));
    ck_assert_uint_eq(mine()->partial[class_of(p)], 0);
    molt_free(p);
    ck_assert_int_eq(state_of(p), POOL_ACTIVE); /* an empty ACTIVE pool stays */
    ck_assert_ptr_eq(molt_malloc(SIZE), p);
}
END_TEST

START_TEST(test_last_in_first_out)
{
    char *blocks[6];
    take_many(blocks, 6, 64);
    for (unsigned i = 0; i < 6; i++)
        molt_free(blocks[i]);
    for (unsigned i = 6; i-- > 0;)
        ck_assert_ptr_eq(molt_malloc(64), blocks[i]);
}
END_TEST

START_TEST(test_full_and_partial)
{
    char *blocks[BLOCKS + 1];
    take_many(blocks, BLOCKS + 1, SIZE);
    unsigned size_class = class_of(blocks[0]);
    struct pool *first = map_pool(blocks[0]), *second = map_pool(blocks[BLOCKS]);
    ck_assert_ptr_eq(map_pool(blocks[BLOCKS - 1]), first);
    ck_assert_ptr_ne(second, first);
    ck_assert_int_eq(pool_state(first), POOL_FULL);
    ck_assert_uint_eq(first->left, 1);
    ck_assert_int_eq(pool_state(second), POOL_ACTIVE);
    ck_assert_uint_eq(ring_length(size_class), 0);

    molt_free(blocks[3]);
    ck_assert_int_eq(pool_state(first), POOL_PARTIAL);
    ck_assert_uint_eq(first->left, BLOCKS - 1);
    ck_assert_uint_eq(ring_length(size_class), 1);
    check_heap();

    for (unsigned i = 0; i < BLOCKS; i++)
        if (i != 3)
            molt_free(blocks[i]);
    ck_assert_int_eq(pool_state(first), POOL_NONE);
    ck_assert_uint_eq(ring_length(size_class), 0);
    check_heap();
    ck_assert(unit_is_filled(blocks[BLOCKS], SIZE, BLOCKS));
}
END_TEST

/* A pool of small blocks stays FULL until a batch of them is free. */
START_TEST(test_batch)
{
    enum { SMALL = 64, COUNT = POOL_BYTES / SMALL };
    static char *blocks[COUNT + 1];
    take_many(blocks, COUNT + 1, SMALL);
    struct pool *pool = map_pool(blocks[0]);
    unsigned batch = pool_batch(pool);
    ck_assert_uint_eq(batch, COUNT / 32);
    ck_assert_uint_eq(pool_live(pool), COUNT);
    for (unsigned i = 0; i < batch - 1; i++)
        molt_free(blocks[i]);
    ck_assert_int_eq(pool_state(pool), POOL_FULL);
    ck_assert_uint_eq(pool_live(pool), COUNT - batch + 1);
    ck_assert_uint_eq(ring_length(class_of(blocks[0])), 0);
    check_heap();
    molt_free(blocks[batch - 1]);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL);
    ck_assert_uint_eq(pool_live(pool), COUNT - batch);
    ck_assert_uint_eq(ring_length(class_of(blocks[0])), 1);
    check_heap();
    for (unsigned i = batch; i < COUNT; i++)
        molt_free(blocks[i]);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    check_heap();
}
END_TEST

/* Free blocks of a PARTIAL pool are used before room that was never touched. */
START_TEST(test_free_blocks_before_new_ones)
{
    char *blocks[BLOCKS + 1];
    take_many(blocks, BLOCKS + 1, SIZE);
    molt_free(blocks[3]);
    ck_assert_ptr_eq(molt_malloc(SIZE), blocks[3]);
    ck_assert_int_eq(state_of(blocks[3]), POOL_ACTIVE);
    ck_assert_int_eq(state_of(blocks[BLOCKS]), POOL_PARTIAL); /* has room, but stepped back */
    check_heap();
    ck_assert_ptr_eq(molt_malloc(SIZE), blocks[BLOCKS] + SIZE);
    ck_assert_int_eq(state_of(blocks[0]), POOL_FULL);
    check_heap();
}
END_TEST

/* Every order of emptying four pools that hang in one ring. */
START_TEST(test_ring)
{
    enum { POOLS = 4 };
    static const uint8_t orders[24][POOLS] = {
        {0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1},
        {1, 0, 2, 3}, {1, 0, 3, 2}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 0, 2}, {1, 3, 2, 0},
        {2, 0, 1, 3}, {2, 0, 3, 1}, {2, 1, 0, 3}, {2, 1, 3, 0}, {2, 3, 0, 1}, {2, 3, 1, 0},
        {3, 0, 1, 2}, {3, 0, 2, 1}, {3, 1, 0, 2}, {3, 1, 2, 0}, {3, 2, 0, 1}, {3, 2, 1, 0},
    };
    char *blocks[POOLS * BLOCKS + 1];
    take_many(blocks, COUNT_OF(blocks), SIZE);
    unsigned size_class = class_of(blocks[0]);
    for (unsigned pool = 0; pool < POOLS; pool++)
        molt_free(blocks[pool * BLOCKS]);
    ck_assert_uint_eq(ring_length(size_class), POOLS);
    for (unsigned i = 0; i < POOLS; i++) {
        unsigned pool = orders[_i][i];
        for (unsigned block = 1; block < BLOCKS; block++)
            molt_free(blocks[pool * BLOCKS + block]);
        check_heap();
        ck_assert_uint_eq(ring_length(size_class), POOLS - 1 - i);
        ck_assert_int_eq(state_of(blocks[pool * BLOCKS]), POOL_NONE);
    }
}
END_TEST

/* ---- Pools that go back ---- */

START_TEST(test_empty_pools_serve_another_class)
{
    static char *blocks[64 * BLOCKS];
    take_many(blocks, COUNT_OF(blocks), SIZE);
    size_t used = arena_totals.used_pages;
    free_many(blocks, COUNT_OF(blocks), SIZE);
    size_t left = arena_totals.used_pages;
    ck_assert_uint_le(left, used / 32); /* the ACTIVE pool stays */
    uint32_t arenas = map_arena_end();
    for (unsigned round = 0; round < 3; round++) {
        static char *others[20 * 64];
        size_t size = 1024 >> round;
        take_many(others, COUNT_OF(others), size);
        free_many(others, COUNT_OF(others), size);
    }
    ck_assert_uint_eq(map_arena_end(), arenas);
}
END_TEST

/* Every class: several pools full, then none. */
START_TEST(test_every_class)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        static char *blocks[3 * POOL_BYTES / 8 + 2];
        size_t size = size_class_bytes(size_class);
        size_t count = 3 * (POOL_BYTES / size) + 1;
        for (size_t i = 0; i < count; i++) {
            blocks[i] = molt_malloc(size);
            REQUIRE(blocks[i] != NULL, "block %zu of class %u", i, size_class);
            REQUIRE(class_of(blocks[i]) == size_class, "block %zu", i);
            memset(blocks[i], (int)i, size < 16 ? size : 16);
        }
        check_heap();
        for (size_t i = 0; i < count; i++) {
            REQUIRE((unsigned char)blocks[i][size < 16 ? size - 1 : 15] == (unsigned char)i,
                    "block %zu of class %u", i, size_class);
            molt_free(blocks[i]);
        }
        check_heap();
        REQUIRE(ring_length(size_class) == 0, "class %u", size_class);
        heap_release_empty(mine());
        REQUIRE(arena_totals.used_pages == 0, "class %u", size_class);
    }
}
END_TEST

START_TEST(test_release_empty)
{
    char *free_one = molt_malloc(64), *live = molt_malloc(128);
    molt_free(free_one);
    heap_release_empty(mine());
    ck_assert_int_eq(state_of(free_one), POOL_NONE);
    ck_assert_int_eq(state_of(live), POOL_ACTIVE);
    ck_assert_uint_eq(mine()->active[size_class_of(64)], 0);
    ck_assert(block_list_is_empty(&mine()->free[size_class_of(64)]));
    check_heap();
    ck_assert_ptr_nonnull(molt_malloc(64));
    check_heap();
}
END_TEST

/* ---- Calloc and the knowledge of zero ---- */

/* calloc of one-block pages that were never touched does not write them. */
START_TEST(test_calloc_leaves_new_pages)
{
    char *p = molt_calloc(1, BLOCK_MAX);
    size_t page = os_page_bytes();
    ck_assert_ptr_nonnull(p);
    if (page < BLOCK_MAX)
        ck_assert_uint_eq(unit_resident_pages(p + page, BLOCK_MAX - page), 0);
    ck_assert(unit_is_zero(p, BLOCK_MAX));
}
END_TEST

START_TEST(test_calloc_of_used_pages)
{
    static const size_t sizes[] = {8, 24, 64, 200, 1024, 1025, 4096, 5000, 9000, 20480, 32768};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *blocks[40];
        take_many(blocks, COUNT_OF(blocks), sizes[i]);
        for (size_t j = 0; j < COUNT_OF(blocks); j++)
            molt_free(blocks[j]);
        heap_release_empty(mine());
        for (size_t j = 0; j < COUNT_OF(blocks); j++) {
            blocks[j] = molt_calloc(1, sizes[i]);
            REQUIRE(unit_is_zero(blocks[j], sizes[i]), "block %zu of %zu", j, sizes[i]);
            memset(blocks[j], 0xee, sizes[i]);
        }
        for (size_t j = 0; j < COUNT_OF(blocks); j++)
            molt_free(blocks[j]);
    }
}
END_TEST

/* ---- Ticks ---- */

/* After much was released the next free of every class ticks. */
START_TEST(test_arm)
{
    char *a = molt_malloc(64), *b = molt_malloc(1000);
    mine()->tick_frees = 1000;
    map_pool(a)->left = map_pool(b)->left = 1000;
    heap_note_released(mine(), ARM_BYTES - 1);
    ck_assert_uint_eq(map_pool(a)->left, 1000);
    heap_note_released(mine(), 1);
    ck_assert_uint_eq(map_pool(a)->left, 1);
    ck_assert_uint_eq(map_pool(b)->left, 1);
    ck_assert_uint_eq(mine()->tick_frees, 1);
    ck_assert(mine()->tick_due);
    molt_free(a);
    ck_assert(!mine()->tick_due);
    ck_assert_uint_ge(map_pool(a)->left, 1);
}
END_TEST

/* So does the next malloc, however many frees come in between. */
START_TEST(test_arm_malloc)
{
    enum { COUNT = 5000 };
    static char *blocks[COUNT];
    take_many(blocks, COUNT, 64);
    heap_note_released(mine(), ARM_BYTES);
    free_many(blocks, COUNT, 64);
    ck_assert_uint_eq(mine()->small_limit, 0);
    ck_assert_uint_eq(thread_self.small_limit, 0);
    mine()->ticked_ms = 1;
    molt_free(molt_malloc(64));
    ck_assert_uint_gt(mine()->ticked_ms, 1);
    ck_assert(!mine()->tick_due);
}
END_TEST

/* A heap that has not ticked for long ticks at each call. */
START_TEST(test_quiet)
{
    char *a = molt_malloc(64), *b = molt_malloc(1000);
    mine()->tick_frees = 1000;
    map_pool(a)->left = 1;
    map_pool(b)->left = 1000;
    mine()->ticked_ms -= 1000;
    mine()->released_ms = 0;
    molt_free(a);
    ck_assert_uint_le(mine()->tick_frees, 2);
    ck_assert_uint_eq(map_pool(b)->left, 1);
    ck_assert_uint_eq(thread_self.small_limit, 0);
    molt_free(b);
}
END_TEST

/* A class that has filled a pool will fill the next one. */
START_TEST(test_populates_the_second_pool)
{
    if (!unit_can_populate("test_populates_the_second_pool"))
        return;
    char *blocks[BLOCKS + 1];
    blocks[0] = molt_malloc(SIZE);
    ck_assert_uint_eq(unit_resident_pages(blocks[0], POOL_BYTES), 1);
    take_many(blocks + 1, BLOCKS, SIZE);
    ck_assert_uint_eq(unit_resident_pages(blocks[BLOCKS], POOL_BYTES), POPULATE_PAGES);
}
END_TEST

Suite *suite_heap(void)
{
    Suite *suite = suite_create("heap");
    TCase *tests = tcase_create("heap");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_no_heap_at_first);
    tcase_add_test(tests, test_active);
    tcase_add_test(tests, test_last_in_first_out);
    tcase_add_test(tests, test_full_and_partial);
    tcase_add_test(tests, test_batch);
    tcase_add_test(tests, test_free_blocks_before_new_ones);
    tcase_add_loop_test(tests, test_ring, 0, 24);
    tcase_add_test(tests, test_empty_pools_serve_another_class);
    tcase_add_test(tests, test_every_class);
    tcase_add_test(tests, test_release_empty);
    tcase_add_test(tests, test_calloc_leaves_new_pages);
    tcase_add_test(tests, test_calloc_of_used_pages);
    tcase_add_test(tests, test_arm);
    tcase_add_test(tests, test_arm_malloc);
    tcase_add_test(tests, test_quiet);
    tcase_add_test(tests, test_populates_the_second_pool);
    suite_add_tcase(suite, tests);
    return suite;
}
