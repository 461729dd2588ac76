/* test_registry.c: heaps of threads that come and go. */
#include "suites.h"
#include "unit.h"

#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/reap.h"
#include "alloc/registry.h"
#include "alloc/remote.h"
#include "alloc/thread.h"
#include "base/options.h"
#include "molt.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

static void expect_heaps(size_t heaps, size_t parked)
{
    size_t found, found_parked;
    registry_count(&found, &found_parked);
    ck_assert_uint_eq(found, heaps);
    ck_assert_uint_eq(found_parked, parked);
}

/* What a thread leaves behind. */
struct legacy {
    char *block; /* live */
    struct heap *heap;
    unsigned number; /* of its heap */
};

static void *leave_a_block(void *argument)
{
    struct legacy *legacy = argument;
    unit_skip_starts();
    legacy->block = molt_malloc(100);
    molt_free(molt_malloc(3000));
    memset(legacy->block, 7, 100);
    legacy->heap = thread_self.heap;
    legacy->number = thread_self.heap->number;
    return NULL;
}

START_TEST(test_park_and_adopt)
{
    struct legacy first, second;
    expect_heaps(0, 0);
    unit_in_thread(leave_a_block, &first);
    expect_heaps(1, 1);
    ck_assert_int_eq(atomic_load(&first.heap->state), HEAP_PARKED);
    ck_assert_uint_gt(first.number, 0);
    unit_in_thread(leave_a_block, &second);
    expect_heaps(1, 1);
    ck_assert_uint_eq(second.number, first.number);
    ck_assert_ptr_ne(second.block, first.block);
    char *p = molt_malloc(1); /* this thread adopts it too */
    expect_heaps(1, 0);
    ck_assert_uint_eq(thread_self.heap->number, first.number);
    molt_free(first.block);
    molt_free(second.block);
    molt_free(p);
}
END_TEST

START_TEST(test_first_parked_is_first_adopted)
{
    struct heap *a = registry_adopt(), *b = registry_adopt(), *c = registry_adopt();
    ck_assert_ptr_nonnull(c);
    expect_heaps(3, 0);
    ck_assert(a != b && b != c && a != c);
    registry_park(b);
    registry_park(a);
    expect_heaps(3, 2);
    ck_assert_ptr_eq(registry_adopt(), b);
    registry_park(c);
    ck_assert_ptr_eq(registry_adopt(), a);
    ck_assert_ptr_eq(registry_adopt(), c);
    expect_heaps(3, 0);
    registry_park(a);
    ck_assert_ptr_eq(registry_adopt(), a);
    expect_heaps(3, 0);
}
END_TEST

/* From every place in the queue. */
START_TEST(test_adopt_a_certain_one)
{
    struct heap *heaps[3];
    for (unsigned i = 0; i < 3; i++)
        heaps[i] = registry_adopt();
    ck_assert(!registry_adopt_this(heaps[0]));
    for (unsigned i = 0; i < 3; i++)
        registry_park(heaps[i]);
    ck_assert(registry_adopt_this(heaps[_i]));
    expect_heaps(3, 2);
    ck_assert_int_eq(atomic_load(&heaps[_i]->state), HEAP_OWNED);
    ck_assert(!registry_adopt_this(heaps[_i]));
    registry_park(heaps[_i]); /* the last now */
    ck_assert_ptr_eq(registry_adopt(), heaps[_i == 0]);
    ck_assert_ptr_eq(registry_adopt(), heaps[_i == 2 ? 1 : 2]);
    ck_assert_ptr_eq(registry_adopt(), heaps[_i]);
    expect_heaps(3, 0);
}
END_TEST

/* Frees the block first of all: which heap it has then. */
static void *free_first(void *argument)
{
    struct legacy *legacy = argument;
    errno = 77;
    molt_free(legacy->block);
    REQUIRE(errno == 77, "errno is %d", errno);
    legacy->heap = thread_self.heap;
    molt_free(molt_malloc(1));
    legacy->number = thread_self.heap->number;
    return NULL;
}

/* A thread that begins with what another has left takes over where that one ended. */
START_TEST(test_first_free_adopts)
{
    struct legacy first, second;
    struct heap *other = registry_adopt(); /* so that the two have different ones */
    unit_in_thread(leave_a_block, &first);
    registry_park(other);
    struct heap *left = first.heap;
    ck_assert_ptr_ne(left, other);
    struct heap *taken = registry_adopt(); /* leaves `other` first in the queue */
    ck_assert_ptr_eq(taken, left);
    registry_park(taken);
    unit_in_thread(free_first, &first);
    ck_assert_ptr_eq(first.heap, left);
    ck_assert_uint_eq(first.number, left->number);
    expect_heaps(2, 2);
    /* Not while its thread lives. */
    second.block = molt_malloc(100);
    unit_in_thread(free_first, &second);
    ck_assert_ptr_null(second.heap);
    ck_assert_uint_ne(second.number, thread_self.heap->number);
}
END_TEST

/* What the library calls to let others run: lets a thread that waits for that come to its end. */
static pthread_t predecessor;
static sem_t has_left, may_end;
static atomic_uint yields;

void __real_os_yield(void);
void __wrap_os_yield(void);
void __wrap_os_yield(void)
{
    yields++;
    if (predecessor != 0) {
        sem_post(&may_end);
        pthread_join(predecessor, NULL);
        predecessor = 0;
    }
    __real_os_yield();
}

static void *leave_a_block_late(void *argument)
{
    leave_a_block(argument);
    sem_post(&has_left);
    sem_wait(&may_end);
    return NULL;
}

static struct heap *heap_after_frees;

static void *free_both(void *argument)
{
    char **blocks = argument;
    molt_free(blocks[0]);
    molt_free(blocks[1]);
    heap_after_frees = thread_self.heap;
    return NULL;
}

/* The former thread has handed its work over, but is still on its way out. */
START_TEST(test_first_free_waits_once)
{
    struct legacy legacy;
    sem_init(&has_left, 0, 0);
    sem_init(&may_end, 0, 0);
    ck_assert_int_eq(pthread_create(&predecessor, NULL, leave_a_block_late, &legacy), 0);
    sem_wait(&has_left);
    unit_in_thread(free_both, (char *[]){legacy.block, molt_malloc(100)});
    ck_assert_ptr_eq(heap_after_frees, legacy.heap);
    ck_assert_uint_eq(yields, 1);
    /* In vain, where the owner stays. */
    unit_in_thread(free_both, (char *[]){molt_malloc(100), molt_malloc(100)});
    ck_assert_ptr_null(heap_after_frees);
    ck_assert_uint_eq(yields, 2);
}
END_TEST

/* ---- Pools that change hands ---- */

/* A pool with blocks that live, one that is free and a heap that waits for a thread. */
static void *leave_a_hole(void *argument)
{
    struct legacy *legacy = argument;
    unit_skip_starts();
    char *hole = molt_malloc(100);
    legacy->block = molt_malloc(100);
    memset(legacy->block, 7, 100);
    legacy->heap = thread_self.heap;
    molt_free(hole);
    return NULL;
}

/* Free blocks of a heap that waits come before a fresh page. */
START_TEST(test_steal)
{
    struct legacy legacy;
    molt_free(molt_malloc(1)); /* a heap of its own */
    unit_in_thread(leave_a_hole, &legacy);
    struct pool *pool = map_pool(legacy.block);
    ck_assert_uint_eq(pool_heap(pool), legacy.heap->number);
    char *p = molt_malloc(100);
    ck_assert_ptr_eq(map_pool(p), pool);
    ck_assert_uint_eq(pool_heap(pool), thread_self.heap->number);
    ck_assert(heap_class_is_valid(legacy.heap, pool->size_class));
    ck_assert(heap_class_is_valid(thread_self.heap, pool->size_class));
    ck_assert_int_eq(legacy.block[99], 7);
    molt_free(legacy.block); /* the new owner's fast path */
    ck_assert_ptr_eq(molt_malloc(100), legacy.block);
    ck_assert_ptr_eq(registry_steal(thread_self.heap, pool->size_class), NULL);
}
END_TEST

static void *only_take(void *argument)
{
    struct legacy *legacy = argument;
    unit_skip_starts();
    legacy->block = molt_malloc(100);
    return NULL;
}

/* A heap whose pools are all in use, or not its to give, gives none. */
START_TEST(test_nothing_to_steal)
{
    struct legacy legacy;
    molt_free(molt_malloc(1));
    unit_in_thread(only_take, &legacy);
    struct pool *pool = map_pool(legacy.block);
    unsigned heap = pool_heap(pool), other = size_class_of(5000);
    ck_assert_ptr_eq(registry_steal(thread_self.heap, other), NULL);
    while (!block_list_is_empty(&pool->own) ||
           !block_list_is_empty(&map_heap(heap)->free[pool->size_class]))
        ck_assert_ptr_eq(map_pool(molt_malloc(100)), pool); /* takes it over, and all of it */
    ck_assert_uint_eq(pool_heap(pool), thread_self.heap->number);
}
END_TEST

/* Who frees a block of a heap that waits takes the pool over, if its thread allocates such blocks.
 */
START_TEST(test_steal_this)
{
    struct legacy legacy;
    char *own = molt_malloc(100);
    unit_in_thread(leave_a_block, &legacy);
    struct pool *pool = map_pool(legacy.block);
    ck_assert_uint_eq(pool_heap(pool), legacy.heap->number);
    unsigned live = pool_state(pool) == POOL_ACTIVE ? 1 : pool->left;
    molt_free(legacy.block);
    ck_assert_uint_eq(pool_heap(pool), thread_self.heap->number);
    ck_assert_uint_eq(atomic_load(&pool->remote), 0);
    ck_assert_uint_eq(live, 1);
    ck_assert_int_eq(pool_state(pool), POOL_NONE); /* that was its last */
    ck_assert(heap_class_is_valid(legacy.heap, size_class_of(100)));
    ck_assert(heap_class_is_valid(thread_self.heap, size_class_of(100)));
    molt_free(own);
}
END_TEST

static void *leave_many(void *argument)
{
    char **blocks = argument;
    for (unsigned i = 0; i < POOL_BYTES / 1024 + 2; i++)
        blocks[i] = molt_malloc(1024);
    molt_free(blocks[1]); /* the first pool is PARTIAL, the second ACTIVE */
    return NULL;
}

/* Pools in all states are stolen: one that is full, one with free blocks, the ACTIVE one. */
START_TEST(test_steal_this_in_any_state)
{
    static char *blocks[POOL_BYTES / 1024 + 2];
    static char *full[POOL_BYTES / 1024 + 2];
    unit_in_thread(leave_many, blocks);
    char *own = molt_malloc(1024); /* adopts that heap, and gives it back: */
    unit_in_thread(leave_many, full);
    unsigned last = POOL_BYTES / 1024 + 1;
    for (unsigned i = 0; i <= last; i++) {
        if (i != 1) {
            molt_free(full[i]);
            molt_free(blocks[i]);
        }
    }
    molt_free(own);
    remote_flush(thread_self.heap);
    reap_all();
    molt_trim(0);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
    ck_assert_uint_eq(stats.pool_bytes, 0);
    ck_assert(heap_class_is_valid(thread_self.heap, size_class_of(1024)));
}
END_TEST

/* Frees into a heap that waits go by way of its outbox from a thread that has no use for them. */
START_TEST(test_not_stolen)
{
    struct legacy legacy;
    molt_free(molt_malloc(1));
    unit_in_thread(leave_a_block, &legacy);
    struct pool *pool = map_pool(legacy.block);
    molt_free(legacy.block);
    ck_assert_uint_eq(pool_heap(pool), legacy.heap->number);
    remote_flush(thread_self.heap);
    ck_assert_uint_eq(atomic_load(&pool->remote) >> 48, 1);
}
END_TEST

/* A block that its sender still hands to the former owner gets to the present one. */
START_TEST(test_stolen_while_sent)
{
    struct legacy legacy;
    molt_free(molt_malloc(1));
    unit_in_thread(leave_a_hole, &legacy);
    struct pool *pool = map_pool(legacy.block);
    char *p = molt_malloc(100);
    ck_assert_uint_eq(pool_heap(pool), thread_self.heap->number);
    pool_set_heap(pool, legacy.heap->number); /* as the sender has seen it */
    remote_free_now(pool, (struct block *)legacy.block);
    pool_set_heap(pool, thread_self.heap->number);
    ck_assert(remote_waits(legacy.heap));
    ck_assert(!remote_waits(thread_self.heap));
    remote_collect(legacy.heap);
    ck_assert(!remote_waits(legacy.heap));
    ck_assert(remote_waits(thread_self.heap));
    remote_collect(thread_self.heap);
    ck_assert_uint_eq(atomic_load(&pool->remote), 0);
    molt_free(p);
    molt_trim(0);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

/* Blocks of an ended thread: freed by another, taken back by whoever reaps. */
START_TEST(test_reap_all)
{
    struct legacy legacy;
    char *own = molt_malloc(1);
    unit_in_thread(leave_a_block, &legacy);
    struct pool *pool = map_pool(legacy.block);
    ck_assert_uint_ne(pool_heap(pool), thread_self.heap->number);
    ck_assert_int_eq(pool_state(pool), POOL_ACTIVE);
    reap_all();
    ck_assert_int_eq(pool_state(pool), POOL_ACTIVE); /* a block lives */
    ck_assert_int_eq(legacy.block[99], 7);
    molt_free(legacy.block);
    molt_trim(0);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    expect_heaps(2, 1);
    molt_free(own);
}
END_TEST

/* The ACTIVE pools of a heap that is parked for long go back, those of a young one stay. */
START_TEST(test_reap_waits)
{
    struct legacy legacy;
    char *own = molt_malloc(1);
    options.decay = 100000;
    unit_in_thread(leave_a_block, &legacy);
    struct pool *pool = map_pool(legacy.block);
    ck_assert_uint_ne(legacy.number, thread_self.heap->number);
    molt_free(legacy.block);
    remote_flush(thread_self.heap);
    uint64_t now = os_now_ms();
    reap_tick(now);
    ck_assert_uint_eq(atomic_load(&pool->remote), 0); /* taken back at once */
    ck_assert_int_eq(pool_state(pool), POOL_ACTIVE);
    reap_tick(now + options.decay + 1);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    molt_free(own);
}
END_TEST

/* The time counts from the parking, also for a thread that never ticked. */
START_TEST(test_reap_counts_from_parking)
{
    struct legacy legacy;
    char *own = molt_malloc(1);
    options.decay = 1000;
    unit_in_thread(only_take, &legacy);
    struct pool *pool = map_pool(legacy.block);
    molt_free(legacy.block);
    remote_flush(thread_self.heap);
    uint64_t now = os_now_ms();
    reap_tick(now);
    ck_assert_int_eq(pool_state(pool), POOL_ACTIVE);
    reap_tick(now + options.decay + 1);
    ck_assert_int_eq(pool_state(pool), POOL_NONE);
    molt_free(own);
}
END_TEST

/* ---- Threads that have become quiet ---- */

static sem_t go_on, has_come;

static void *be_quiet(void *argument)
{
    struct legacy *legacy = argument;
    unit_skip_starts();
    legacy->block = molt_malloc(100);
    char *other = molt_malloc(100);
    legacy->heap = thread_self.heap;
    legacy->heap->tick_frees = 1000;
    map_pool(other)->left = 1000;
    sem_post(&has_come);
    sem_wait(&go_on);
    legacy->heap->ticked_ms = 1;
    molt_free(other);
    ck_assert_uint_gt(legacy->heap->ticked_ms, 1);
    sem_post(&has_come);
    sem_wait(&go_on);
    molt_free(legacy->block);
    return NULL;
}

/* Their next free ticks; they are called once between two ticks. */
START_TEST(test_call_quiet)
{
    struct legacy legacy;
    char *own = molt_malloc(100);
    pthread_t thread;
    sem_init(&go_on, 0, 0);
    sem_init(&has_come, 0, 0);
    pthread_create(&thread, NULL, be_quiet, &legacy);
    sem_wait(&has_come);
    struct pool *pool = map_pool(legacy.block);
    uint64_t now = legacy.heap->ticked_ms;
    registry_call_quiet(thread_self.heap, now + 1);
    ck_assert_uint_ne(pool->limit, 0); /* it has ticked just now */
    registry_call_quiet(thread_self.heap, now + 1000);
    ck_assert_uint_eq(pool->limit, 0);
    ck_assert_uint_ne(map_pool(own)->limit, 0);
    sem_post(&go_on);
    sem_wait(&has_come);
    ck_assert_uint_ne(pool->limit, 0);
    sem_post(&go_on);
    pthread_join(thread, NULL);
    molt_free(own);
}
END_TEST

/* ---- Many threads ---- */

static void *use_a_little(void *argument)
{
    char *blocks[50];
    unsigned key = (unsigned)(uintptr_t)argument;
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        unit_fill(blocks[i] = molt_malloc(10 + 20 * i), 10 + 20 * i, key + i);
    for (unsigned i = 0; i < COUNT_OF(blocks); i++) {
        REQUIRE(unit_is_filled(blocks[i], 10 + 20 * i, key + i), "block %u", i);
        molt_free(blocks[i]);
    }
    return NULL;
}

START_TEST(test_churn)
{
    struct molt_stats early, late;
    for (unsigned i = 0; i < 50; i++)
        unit_in_thread(use_a_little, (void *)(uintptr_t)i);
    molt_stats_get(&early, sizeof early);
    for (unsigned i = 0; i < 3000; i++)
        unit_in_thread(use_a_little, (void *)(uintptr_t)i);
    molt_stats_get(&late, sizeof late);
    expect_heaps(1, 1);
    ck_assert_uint_eq(late.live_blocks, 0);
    ck_assert_uint_eq(late.committed_bytes, early.committed_bytes);
    ck_assert_uint_eq(late.metadata_bytes, early.metadata_bytes);
}
END_TEST

START_TEST(test_many_at_once)
{
    enum { THREADS = 60 };
    for (unsigned round = 0; round < 5; round++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, use_a_little, (void *)i), 0);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    size_t heaps, parked;
    registry_count(&heaps, &parked);
    ck_assert_uint_le(heaps, THREADS);
    ck_assert_uint_eq(heaps, parked);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
    molt_trim(0);
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.free_bytes, 0);
    ck_assert_uint_eq(stats.dirty_bytes, 0);
}
END_TEST

/* ---- After the last destructor ---- */

static pthread_key_t late_key;
static char *late_block;
static unsigned late_calls;

/* Runs in each round of destructors, so also after molt's own. */
static void use_late(void *argument)
{
    char *p = molt_malloc(100), *large = molt_calloc(1, 100000);
    REQUIRE(p != NULL && large != NULL, "late call %u", late_calls);
    memset(p, 1, 100);
    molt_free(large);
    p = molt_realloc(p, 5000);
    molt_free(late_block);
    late_block = p;
    late_calls++;
    pthread_setspecific(late_key, argument);
}

static void *end_late(void *argument)
{
    pthread_setspecific(late_key, argument);
    molt_free(molt_malloc(1));
    return NULL;
}

START_TEST(test_late_destructors)
{
    pthread_key_create(&late_key, use_late);
    for (unsigned i = 0; i < 20; i++)
        unit_in_thread(end_late, &late_key);
    ck_assert_uint_ge(late_calls, 40);
    expect_heaps(1, 1);
    molt_free(late_block);
    molt_trim(0);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

Suite *suite_registry(void)
{
    Suite *suite = suite_create("registry");
    TCase *tests = tcase_create("registry");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_park_and_adopt);
    tcase_add_test(tests, test_first_parked_is_first_adopted);
    tcase_add_loop_test(tests, test_adopt_a_certain_one, 0, 3);
    tcase_add_test(tests, test_first_free_adopts);
    tcase_add_test(tests, test_first_free_waits_once);
    tcase_add_test(tests, test_steal);
    tcase_add_test(tests, test_nothing_to_steal);
    tcase_add_test(tests, test_steal_this);
    tcase_add_test(tests, test_steal_this_in_any_state);
    tcase_add_test(tests, test_not_stolen);
    tcase_add_test(tests, test_stolen_while_sent);
    tcase_add_test(tests, test_reap_all);
    tcase_add_test(tests, test_reap_waits);
    tcase_add_test(tests, test_reap_counts_from_parking);
    tcase_add_test(tests, test_call_quiet);
    tcase_add_test(tests, test_churn);
    tcase_add_test(tests, test_many_at_once);
    tcase_add_test(tests, test_late_destructors);
    suite_add_tcase(suite, tests);
    return suite;
}
