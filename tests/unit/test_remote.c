/* test_remote.c: blocks that another thread frees. The test's thread owns the pools; helper threads
 * run one after the other, so that each step can be looked at. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/remote.h"
#include "alloc/thread.h"
#include "molt.h"

#include <pthread.h>
#include <string.h>

enum { SIZE = 64, BLOCKS = POOL_BYTES / SIZE };

static char *blocks[BLOCKS];

static void take_blocks(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = molt_malloc(SIZE);
        memset(blocks[i], (int)i, SIZE);
    }
}

static unsigned waiting(const void *p)
{
    return (unsigned)(atomic_load(&map_pool(p)->remote) >> 48);
}

static uint32_t pending(void)
{
    return atomic_load(&thread_self.heap->pending);
}

/* What a helper thread does with the test's blocks. */
struct work {
    unsigned first, end; /* of blocks[]: freed */
    bool without_heap;   /* no malloc of its own first */
    bool flushes;
    unsigned seen_waiting; /* before the flush */
};

static void *free_blocks(void *argument)
{
    struct work *work = argument;
    void *own = work->without_heap ? NULL : molt_malloc(1);
    for (unsigned i = work->first; i < work->end; i++)
        molt_free(blocks[i]);
    work->seen_waiting = waiting(blocks[0]);
    if (work->flushes && thread_self.heap != NULL)
        remote_flush(thread_self.heap);
    molt_free(own);
    return NULL;
}

static unsigned free_elsewhere(unsigned first, unsigned end, bool without_heap)
{
    struct work work = {.first = first, .end = end, .without_heap = without_heap};
    unit_in_thread(free_blocks, &work);
    return work.seen_waiting;
}

/* Nothing is handed over until a chain is complete; the thread's end hands over the rest. */
START_TEST(test_outbox)
{
    take_blocks();
    ck_assert_uint_eq(free_elsewhere(0, OUTBOX_BLOCKS - 1, false), 0);
    ck_assert_uint_eq(waiting(blocks[0]), OUTBOX_BLOCKS - 1);
    ck_assert_uint_eq(pending(), map_pool_number(map_pool(blocks[0])));
    ck_assert_uint_eq(free_elsewhere(100, 100 + OUTBOX_BLOCKS + 3, false), 2 * OUTBOX_BLOCKS - 1);
    ck_assert_uint_eq(waiting(blocks[0]), 2 * OUTBOX_BLOCKS + 2);
}
END_TEST

static void *join_a_chain(void *unused)
{
    (void)unused;
    molt_free(molt_malloc(1));
    struct heap *heap = thread_self.heap;
    REQUIRE(thread_self.outbox == heap->outbox, "open");
    struct outbox_slot *slot = &heap->outbox[outbox_number(blocks[0])];
    REQUIRE(!outbox_accepts(slot, blocks[0]), "no chain of the pool");
    molt_free(blocks[0]);
    REQUIRE(outbox_accepts(slot, blocks[1]), "a chain of the pool");
    molt_free(blocks[1]);
    REQUIRE(!outbox_accepts(slot, blocks[1]), "a second free");
    REQUIRE(!outbox_accepts(slot, blocks[2] + 8), "the inside of a block");
    REQUIRE(!outbox_accepts(slot, blocks[0] + POOL_BYTES * OUTBOX_SLOTS), "another pool");
    REQUIRE(!outbox_accepts(slot, blocks[BLOCKS - 1] + SIZE), "behind the last carved block");
    REQUIRE(waiting(blocks[0]) == 0, "the chain waits");
    thread_self.outbox = NULL;
    molt_free(blocks[BLOCKS - 1]);
    thread_self.outbox = heap->outbox;
    REQUIRE(waiting(blocks[0]) == 1, "a signal handler's block is handed over at once");
    for (unsigned i = 2; i < OUTBOX_BLOCKS; i++) {
        REQUIRE(outbox_accepts(slot, blocks[i]), "block %u of the chain", i);
        molt_free(blocks[i]);
    }
    REQUIRE(!outbox_accepts(slot, blocks[OUTBOX_BLOCKS]), "the chain is full");
    REQUIRE(waiting(blocks[0]) == 1, "it is handed over with the next");
    molt_free(blocks[OUTBOX_BLOCKS]);
    REQUIRE(waiting(blocks[0]) == OUTBOX_BLOCKS + 1, "the whole chain");
    REQUIRE(thread_self.outbox == heap->outbox, "open again");
    return NULL;
}

/* Once a pool has a chain, its blocks join without a slow path, and nothing else does. */
START_TEST(test_chain)
{
    take_blocks();
    unit_in_thread(join_a_chain, NULL);
    remote_collect(thread_self.heap);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, BLOCKS - OUTBOX_BLOCKS - 2);
}
END_TEST

START_TEST(test_collect)
{
    take_blocks();
    struct pool *pool = map_pool(blocks[0]);
    unsigned live = pool_carved(pool);
    char *more = molt_malloc(SIZE); /* the pool becomes FULL */
    ck_assert_ptr_ne(map_pool(more), pool);
    ck_assert_int_eq(pool_state(pool), POOL_FULL);
    free_elsewhere(0, 50, false);
    ck_assert_uint_eq(pool_live(pool), live);
    remote_collect(thread_self.heap);
    ck_assert_uint_eq(pending(), 0);
    ck_assert_uint_eq(waiting(blocks[0]), 0);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL);
    ck_assert_uint_eq(pool->left, live - 50);
    ck_assert_uint_eq(pool_count_list(pool, block_list_first(&pool->own)), 50);
    ck_assert(heap_class_is_valid(thread_self.heap, pool->size_class));
    for (unsigned i = 50; i < BLOCKS; i++)
        REQUIRE((unsigned char)blocks[i][SIZE - 1] == (unsigned char)i, "block %u", i);
}
END_TEST

/* A refill collects before it takes new memory. */
START_TEST(test_refill_collects)
{
    take_blocks();
    free_elsewhere(0, BLOCKS / 2, false);
    for (unsigned i = 0; i < BLOCKS / 2; i++) {
        char *p = molt_malloc(SIZE);
        REQUIRE(map_pool(p) == map_pool(blocks[0]), "block %u", i);
        memset(p, 1, SIZE);
    }
    for (unsigned i = BLOCKS / 2; i < BLOCKS; i++)
        REQUIRE((unsigned char)blocks[i][SIZE - 1] == (unsigned char)i, "block %u", i);
}
END_TEST

/* Less than a batch leaves a pool FULL, also when both sides have freed. */
START_TEST(test_collect_less_than_a_batch)
{
    take_blocks();
    struct pool *pool = map_pool(blocks[0]);
    char *more = molt_malloc(SIZE);
    unsigned batch = pool_batch(pool);
    molt_free(blocks[0]);
    free_elsewhere(1, batch - 1, false);
    remote_collect(thread_self.heap);
    ck_assert_int_eq(pool_state(pool), POOL_FULL);
    ck_assert_uint_eq(pool_live(pool), BLOCKS - (batch - 1));
    ck_assert(heap_class_is_valid(thread_self.heap, pool->size_class));
    free_elsewhere(batch - 1, batch + 5, false);
    remote_collect(thread_self.heap);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL);
    ck_assert_uint_eq(pool_live(pool), BLOCKS - (batch + 5));
    ck_assert(heap_class_is_valid(map_heap(pool_heap(pool)), pool->size_class));
    molt_free(more);
}
END_TEST

/* A pool whose blocks were all freed by others goes back. */
START_TEST(test_collected_pool_goes_back)
{
    take_blocks();
    char *more = molt_malloc(SIZE);
    free_elsewhere(0, BLOCKS, false);
    ck_assert_int_eq(pool_state(map_pool(blocks[0])), POOL_FULL);
    remote_collect(thread_self.heap);
    ck_assert_int_eq(pool_state(map_pool(blocks[0])), POOL_NONE);
    ck_assert(heap_class_is_valid(thread_self.heap, size_class_of(SIZE)));
    molt_free(more);
}
END_TEST

/* The owner's frees and the others' meet in one pool. */
START_TEST(test_both_free)
{
    take_blocks();
    char *more = molt_malloc(SIZE);
    struct pool *pool = map_pool(blocks[0]);
    free_elsewhere(0, BLOCKS / 2, false);
    for (unsigned i = BLOCKS / 2; i < BLOCKS; i++)
        molt_free(blocks[i]);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL); /* never empty while blocks are on the way */
    ck_assert_uint_eq(pool->left, BLOCKS / 2);
    remote_collect(thread_self.heap);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    molt_free(more);
}
END_TEST

/* A thread that never allocated has no outbox. */
START_TEST(test_thread_without_heap)
{
    take_blocks();
    ck_assert_uint_eq(free_elsewhere(0, 5, true), 5);
    ck_assert_uint_eq(waiting(blocks[0]), 5);
    remote_collect(thread_self.heap);
    ck_assert_uint_eq(waiting(blocks[0]), 0);
}
END_TEST

START_TEST(test_free_now)
{
    take_blocks();
    remote_free_now(map_pool(blocks[1]), (struct block *)blocks[1]);
    remote_free_now(map_pool(blocks[2]), (struct block *)blocks[2]);
    ck_assert_uint_eq(waiting(blocks[1]), 2);
    ck_assert_uint_eq(pending(), map_pool_number(map_pool(blocks[1])));
    remote_collect(thread_self.heap);
    ck_assert_ptr_eq(molt_malloc(SIZE), blocks[2]);
    ck_assert_ptr_eq(molt_malloc(SIZE), blocks[1]);
}
END_TEST

/* Large blocks do not wait in an outbox. */
START_TEST(test_large_blocks)
{
    for (unsigned i = 0; i < 4; i++)
        blocks[i] = molt_malloc(OUTBOX_BYTES);
    ck_assert_uint_eq(free_elsewhere(0, 2, false), 2);
}
END_TEST

/* More foreign pools than the outbox has places. */
START_TEST(test_many_pools)
{
    enum { COUNT = 40 };
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = molt_malloc(8 + 16 * i);
        memset(blocks[i], 1, 8 + 16 * i);
    }
    struct molt_stats before, after;
    molt_stats_get(&before, sizeof before);
    ck_assert_uint_eq(before.live_blocks, COUNT);
    free_elsewhere(0, COUNT, false);
    remote_collect(thread_self.heap);
    molt_stats_get(&after, sizeof after);
    ck_assert_uint_eq(after.live_blocks, 0);
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        ck_assert(heap_class_is_valid(thread_self.heap, size_class));
}
END_TEST

/* ---- Both at once ---- */

enum { RING = 1024, ROUNDS = 400000 };

static _Atomic(char *) ring[RING];

static void *consume(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char *p;
        while ((p = atomic_exchange(&ring[i % RING], NULL)) == NULL)
            sched_yield();
        REQUIRE(unit_is_filled(p, 16 + i % 200, i), "block %u", i);
        molt_free(p);
    }
    return NULL;
}

/* One thread allocates, the other frees, and the heap does not grow. */
START_TEST(test_producer_and_consumer)
{
    pthread_t consumer;
    struct molt_stats early = {0}, late;
    pthread_create(&consumer, NULL, consume, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char *p = molt_malloc(16 + i % 200);
        unit_fill(p, 16 + i % 200, i);
        while (atomic_load(&ring[i % RING]) != NULL)
            sched_yield();
        atomic_store(&ring[i % RING], p);
        if (i == ROUNDS / 4)
            molt_stats_get(&early, sizeof early);
    }
    pthread_join(consumer, NULL);
    molt_stats_get(&late, sizeof late);
    ck_assert_uint_le(late.committed_bytes, early.committed_bytes);
    molt_trim(0);
    molt_stats_get(&late, sizeof late);
    ck_assert_uint_eq(late.live_blocks, 0);
}
END_TEST

/* ---- Owners that sleep ---- */

static struct pool *fill_a_pool(void)
{
    take_blocks();
    ck_assert_ptr_nonnull(molt_malloc(SIZE)); /* from the next one: this one is FULL */
    return map_pool(blocks[0]);
}

/* The memory of a pool goes without its owner when all of its blocks have been freed. */
START_TEST(test_purge_waiting)
{
    struct pool *pool = fill_a_pool();
    free_elsewhere(0, BLOCKS - 1, false);
    size_t used = arena_totals.used_pages;
    ck_assert_uint_eq(remote_purge_waiting(SIZE_MAX), 0); /* one is live */
    ck_assert_uint_eq((unsigned char)blocks[BLOCKS - 1][1], (BLOCKS - 1) % 256);
    free_elsewhere(BLOCKS - 1, BLOCKS, false);
    ck_assert(!remote_is_emptied(pool));
    ck_assert_uint_eq(remote_purge_waiting(SIZE_MAX), POOL_BYTES);
    ck_assert(remote_is_emptied(pool));
    ck_assert_uint_eq(arena_gone_bytes, POOL_BYTES);
    ck_assert_uint_eq(unit_resident_pages(blocks[0], POOL_BYTES), 0);
    ck_assert_uint_eq(remote_purge_waiting(SIZE_MAX), 0);
    ck_assert_uint_eq(arena_totals.used_pages, used);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 1);

    remote_collect(thread_self.heap);
    ck_assert_uint_eq(arena_gone_bytes, 0);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    ck_assert_uint_eq(arena_totals.used_pages, used - (POOL_BYTES >> os_page_shift));
    take_blocks(); /* the slot serves again */
}
END_TEST

/* An ACTIVE pool is its owner's, even if all of its blocks wait. */
START_TEST(test_no_purge_of_active_pools)
{
    take_blocks();
    ck_assert_int_eq(pool_state(map_pool(blocks[0])), POOL_ACTIVE);
    free_elsewhere(0, BLOCKS, false);
    ck_assert_uint_eq(waiting(blocks[0]), BLOCKS);
    ck_assert_uint_eq(remote_purge_waiting(SIZE_MAX), 0);
}
END_TEST

START_TEST(test_purges_no_more_than_needed)
{
    char *first[BLOCKS];
    take_blocks();
    memcpy(first, blocks, sizeof first);
    fill_a_pool();
    ck_assert_ptr_ne(map_pool(blocks[0]), map_pool(first[0]));
    free_elsewhere(0, BLOCKS, false);
    memcpy(blocks, first, sizeof blocks);
    free_elsewhere(0, BLOCKS, false);
    ck_assert_uint_eq(remote_purge_waiting(1), POOL_BYTES);
    ck_assert_uint_eq(remote_purge_waiting(POOL_BYTES), POOL_BYTES);
    ck_assert_uint_eq(remote_purge_waiting(1), 0);
}
END_TEST

static void free_again(void *unused)
{
    (void)unused;
    molt_free(blocks[3]);
}

static void *free_again_in_thread(void *argument)
{
    molt_free(molt_malloc(1));
    free_again(argument);
    remote_flush(thread_self.heap);
    return NULL;
}

static void free_again_elsewhere(void *argument)
{
    unit_in_thread(free_again_in_thread, argument);
}

/* The marks of the freed blocks are gone, but nothing of the pool is live. */
START_TEST(test_double_free_in_an_emptied_pool)
{
    fill_a_pool();
    free_elsewhere(0, BLOCKS, false);
    remote_purge_waiting(SIZE_MAX);
    unit_expect_abort(_i == 0 ? free_again : free_again_elsewhere, NULL, "double free");
}
END_TEST

static void *free_the_rest(void *unused)
{
    free_elsewhere(0, BLOCKS, false);
    remote_purge_waiting(SIZE_MAX);
    return unused;
}

static void *free_twice_unseen(void *unused)
{
    molt_free(molt_malloc(1));
    molt_free(blocks[0]);
    memset(blocks[0], 0, SIZE); /* the mark is gone */
    unit_in_thread(free_the_rest, NULL);
    remote_flush(thread_self.heap);
    return unused;
}

static void free_twice_in_thread(void *unused)
{
    unit_in_thread(free_twice_unseen, unused);
}

/* A second free that went unseen comes out when its chain meets an emptied pool. */
START_TEST(test_chain_for_an_emptied_pool)
{
    fill_a_pool();
    unit_expect_abort(free_twice_in_thread, NULL, "double free");
}
END_TEST

Suite *suite_remote(void)
{
    Suite *suite = suite_create("remote");
    TCase *tests = tcase_create("remote");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_outbox);
    tcase_add_test(tests, test_chain);
    tcase_add_test(tests, test_collect);
    tcase_add_test(tests, test_refill_collects);
    tcase_add_test(tests, test_collect_less_than_a_batch);
    tcase_add_test(tests, test_collected_pool_goes_back);
    tcase_add_test(tests, test_both_free);
    tcase_add_test(tests, test_thread_without_heap);
    tcase_add_test(tests, test_free_now);
    tcase_add_test(tests, test_large_blocks);
    tcase_add_test(tests, test_many_pools);
    tcase_add_test(tests, test_producer_and_consumer);
    tcase_add_test(tests, test_purge_waiting);
    tcase_add_test(tests, test_no_purge_of_active_pools);
    tcase_add_test(tests, test_purges_no_more_than_needed);
    tcase_add_loop_test(tests, test_double_free_in_an_emptied_pool, 0, 2);
    tcase_add_test(tests, test_chain_for_an_emptied_pool);
    suite_add_tcase(suite, tests);
    return suite;
}
