/* test_proof.c: a live block is never taken for a free one, whatever its bytes are; a free one is,
 * wherever it waits. */
#include "suites.h"
#include "unit.h"

#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/proof.h"
#include "alloc/remote.h"
#include "alloc/size_class.h"
#include "alloc/thread.h"
#include "molt.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* ---- Live blocks full of old links ---- */

enum { LIVE = 24 };

/* What a free block holds that leads to `next`. */
static uint64_t link_to(const void *next)
{
    struct block block;
    block_set_next(&block, next);
    return block.link;
}

/* The n-th link that blocks of `old_class` left behind when this slot was carved for them; each
 * carved page ends with one to none. */
static uint64_t old_link(const struct pool *pool, unsigned old_class, unsigned n)
{
    size_t old_bytes = size_class_bytes(old_class);
    unsigned count = (unsigned)(POOL_BYTES / old_bytes);
    return n % 8 == 7 ? link_to(NULL) : link_to((void *)(pool->start + n % count * old_bytes));
}

static void fill_with_old_links(char *block, unsigned old_class, unsigned first)
{
    struct pool *pool = map_pool(block);
    size_t bytes = pool_block_bytes(pool);
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word = old_link(pool, old_class, first + (unsigned)at / 8);
        memcpy(block + at, &word, 8);
    }
}

static void *free_all(void *argument)
{
    for (char **block = argument; *block != NULL; block++)
        molt_free(*block);
    return NULL;
}

/* Some free blocks around, so that there is a list to be found in. */
static void take_live(char **live, size_t bytes)
{
    char *others[LIVE];
    for (unsigned i = 0; i < LIVE; i++) {
        live[i] = molt_malloc(bytes);
        others[i] = molt_malloc(bytes);
    }
    for (unsigned i = 0; i < LIVE; i++)
        molt_free(others[i]);
}

/* Every block is given out once. */
static void expect_distinct(size_t bytes)
{
    static char *again[4 * LIVE];
    for (unsigned i = 0; i < COUNT_OF(again); i++) {
        again[i] = molt_malloc(bytes);
        memcpy(again[i], &i, sizeof i);
    }
    for (unsigned i = 0; i < COUNT_OF(again); i++) {
        unsigned found;
        memcpy(&found, again[i], sizeof found);
        REQUIRE(found == i, "block %u of %zu bytes was given out again as %u", i, bytes, found);
        molt_free(again[i]);
    }
}

/* All four calls on blocks of one class that hold links of another. */
static void use_blocks(unsigned size_class, unsigned old_class)
{
    size_t bytes = size_class_bytes(size_class);
    char *live[LIVE + 1] = {NULL};
    take_live(live, bytes);
    for (unsigned i = 0; i < LIVE; i++)
        fill_with_old_links(live[i], old_class, i);
    for (unsigned i = 0; i < LIVE; i++)
        REQUIRE(molt_usable_size(live[i]) == bytes, "usable size");
    for (unsigned i = 0; i < LIVE / 3; i++) {
        char *moved = molt_realloc(live[i], 3 * bytes);
        REQUIRE(map_pool(moved) != map_pool(live[i]), "moved");
        molt_free(moved);
    }
    for (unsigned i = LIVE / 3; i < 2 * LIVE / 3; i++)
        molt_free(live[i]);
    unit_in_thread(free_all, live + 2 * LIVE / 3);
    expect_distinct(bytes);
}

START_TEST(test_old_links_of_every_class_in_every_class)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        for (unsigned old_class = 0; old_class < CLASS_COUNT; old_class++)
            use_blocks(size_class, old_class);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

/* Links to every place where a free block can wait, and to itself. */
START_TEST(test_links_to_all_that_is_free)
{
    char *p = molt_malloc(64), *own = molt_malloc(64), *sent[] = {molt_malloc(64), NULL};
    molt_free(own);
    unit_in_thread(free_all, sent);
    const void *targets[] = {NULL, p, own, sent[0], p + 64};
    for (unsigned i = 0; i < COUNT_OF(targets); i++) {
        uint64_t word = link_to(targets[i]);
        memcpy(p, &word, 8);
        ck_assert(pool_block_looks_free(map_pool(p), p));
        ck_assert(!proof_is_free(map_pool(p), p));
        ck_assert_uint_eq(molt_usable_size(p), 64);
    }
    molt_free(p);
}
END_TEST

/* ---- While the owner works on ---- */

/* Threads take blocks, fill them with links to other live ones, and free those of each other. */
enum { CROSS_THREADS = 3, CROSS_SLOTS = 64, CROSS_ROUNDS = 30000 };

static _Atomic(char *) crossing[CROSS_SLOTS];

static void *cross(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned round = 0; round < CROSS_ROUNDS; round++) {
        char *block = molt_malloc(32);
        _Atomic(char *) *slot = &crossing[unit_random(&random) % CROSS_SLOTS];
        uint64_t word = link_to(unit_random(&random) % 4 == 0 ? NULL : atomic_load(slot));
        for (unsigned at = 0; at < 32; at += 8)
            memcpy(block + at, &word, 8);
        molt_free(atomic_exchange(slot, block));
    }
    return NULL;
}

START_TEST(test_links_between_live_blocks_of_running_threads)
{
    pthread_t threads[CROSS_THREADS];
    for (uintptr_t i = 0; i < CROSS_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, cross, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < CROSS_THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- Free blocks ---- */

/* What another thread does, step by step, with what the test tells it. */
struct helper {
    pthread_t thread;
    char *to_free; /* … and keep in its outbox */
    const char *to_prove;
    bool is_proved;
    atomic_int step, done;
};

static void *help(void *argument)
{
    struct helper *helper = argument;
    molt_free(molt_malloc(1)); /* so that there is an outbox */
    for (int step = 1;; step++) {
        while (atomic_load(&helper->step) < step)
            sched_yield();
        if (helper->to_free == NULL && helper->to_prove == NULL)
            return NULL;
        if (helper->to_free != NULL)
            molt_free(helper->to_free);
        if (helper->to_prove != NULL)
            helper->is_proved = proof_is_free(map_pool(helper->to_prove), helper->to_prove);
        atomic_store(&helper->done, step);
    }
}

static void helper_do(struct helper *helper, char *to_free, const char *to_prove)
{
    helper->to_free = to_free;
    helper->to_prove = to_prove;
    int step = atomic_fetch_add(&helper->step, 1) + 1;
    while ((to_free != NULL || to_prove != NULL) && atomic_load(&helper->done) < step)
        sched_yield();
}

static void helper_start(struct helper *helper)
{
    *helper = (struct helper){.step = 0};
    ck_assert_int_eq(pthread_create(&helper->thread, NULL, help, helper), 0);
}

static void helper_end(struct helper *helper)
{
    helper_do(helper, NULL, NULL);
    pthread_join(helper->thread, NULL);
}

/* By the owner and by another thread. */
static void expect_proved(struct helper *helper, const char *p, const char *where)
{
    REQUIRE(proof_is_free(map_pool(p), p), "%s, asked by the owner", where);
    helper_do(helper, NULL, p);
    REQUIRE(helper->is_proved, "%s, asked by another thread", where);
}

START_TEST(test_free_wherever_it_waits)
{
    enum { COUNT = POOL_BYTES / 512 };
    struct helper helper, other;
    char *blocks[COUNT + 1];
    unit_skip_starts();
    helper_start(&helper);
    helper_start(&other);
    for (unsigned i = 0; i < COUNT + 1; i++)
        blocks[i] = molt_malloc(512);
    struct pool *pool = map_pool(blocks[0]);
    ck_assert_int_eq(pool_state(pool), POOL_FULL);
    molt_free(blocks[0]);
    expect_proved(&helper, blocks[0], "in the list of a FULL pool");
    for (unsigned i = 1; i < COUNT / 2; i++)
        molt_free(blocks[i]);
    ck_assert_int_eq(pool_state(pool), POOL_PARTIAL);
    expect_proved(&helper, blocks[0], "last in the list of a PARTIAL pool");
    expect_proved(&helper, blocks[COUNT / 2 - 1], "first in the list of a PARTIAL pool");

    char *active = molt_malloc(64), *kept = molt_malloc(64);
    molt_free(active);
    expect_proved(&helper, active, "in the list of an ACTIVE pool");

    helper_do(&other, kept, NULL);
    ck_assert_ptr_null(remote_first(map_pool(kept)));
    expect_proved(&helper, kept, "in the outbox of a third thread");
    helper_do(&other, NULL, kept);
    ck_assert(other.is_proved); /* in its own outbox */
    helper_end(&other);
    ck_assert_ptr_eq(remote_first(map_pool(kept)), kept);
    expect_proved(&helper, kept, "on its way to its owner");

    for (unsigned i = COUNT / 2; i < COUNT + 1; i++) {
        ck_assert(!proof_is_free(map_pool(blocks[i]), blocks[i]));
        helper_do(&helper, NULL, blocks[i]);
        ck_assert(!helper.is_proved);
    }
    helper_end(&helper);
}
END_TEST

static void *take_and_stay_busy(void *argument)
{
    struct helper *helper = argument;
    helper->to_free = molt_malloc(64);
    atomic_store(&helper->done, 1);
    while (atomic_load(&helper->step) == 0)
        molt_free(molt_malloc(64));
    return NULL;
}

/* What waits in `remote` does not depend on the list that the owner is working on. */
START_TEST(test_on_its_way_to_a_busy_owner)
{
    enum { TRIES = 300000 };
    struct helper owner = {.step = 0};
    unsigned proved = 0;
    ck_assert_int_eq(pthread_create(&owner.thread, NULL, take_and_stay_busy, &owner), 0);
    while (atomic_load(&owner.done) == 0)
        sched_yield();
    char *p = owner.to_free;
    remote_free_now(map_pool(p), (struct block *)p);
    for (unsigned i = 0; i < TRIES; i++)
        proved += proof_is_free(map_pool(p), p);
    atomic_store(&owner.step, 1);
    pthread_join(owner.thread, NULL);
    ck_assert_uint_gt(proved, TRIES / 10 * 9);
}
END_TEST

/* A signal handler that has interrupted a slow path learns nothing from half-changed lists. */
START_TEST(test_no_proof_inside_a_slow_path)
{
    char *p = molt_malloc(64);
    molt_free(p);
    struct heap *heap = thread_enter_existing();
    ck_assert(!proof_is_free(map_pool(p), p));
    thread_leave(heap);
    ck_assert(proof_is_free(map_pool(p), p));
}
END_TEST

Suite *suite_proof(void)
{
    Suite *suite = suite_create("proof");
    TCase *tests = tcase_create("proof");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_old_links_of_every_class_in_every_class);
    tcase_add_test(tests, test_links_to_all_that_is_free);
    tcase_add_test(tests, test_links_between_live_blocks_of_running_threads);
    tcase_add_test(tests, test_free_wherever_it_waits);
    tcase_add_test(tests, test_on_its_way_to_a_busy_owner);
    tcase_add_test(tests, test_no_proof_inside_a_slow_path);
    suite_add_tcase(suite, tests);
    return suite;
}
