/* test_hole.c: pages of partly used pools go back, and come again when they are needed. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/dig.h"
#include "alloc/heap.h"
#include "alloc/hole.h"
#include "alloc/map.h"
#include "alloc/thread.h"
#include "molt.h"

#include "os/os.h"

#include <string.h>

static void check_heap(void)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        REQUIRE(heap_class_is_valid(thread_self.heap, size_class), "class %u", size_class);
}

/* ---- Every class: one live block on every third page ---- */

enum { POOLS = 3, MOST = POOLS * (int)(POOL_BYTES / 8) };

static char *blocks[MOST];

/* Whether the block is the first that begins on a page which is a multiple of three. */
static bool is_kept(const char *block, size_t bytes)
{
    size_t offset = (uintptr_t)block % POOL_BYTES, page = offset >> os_page_shift;
    return page % 3 == 0 && offset - (page << os_page_shift) < bytes;
}

/* Fills some pools with blocks of the class and frees most of them; how many there were. */
static unsigned make_sparse(size_t bytes)
{
    unsigned count = POOLS * (unsigned)(POOL_BYTES / bytes);
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = molt_malloc(bytes);
        unit_fill(blocks[i], bytes, i);
    }
    for (unsigned i = 0; i < count; i++)
        if (!is_kept(blocks[i], bytes)) {
            molt_free(blocks[i]);
            blocks[i] = NULL;
        }
    return count;
}

static void check_kept(unsigned count, size_t bytes)
{
    for (unsigned i = 0; i < count; i++)
        REQUIRE(blocks[i] == NULL || unit_is_filled(blocks[i], bytes, i), "block %u of %zu", i,
                bytes);
}

/* No page with a live block has gone; of those without one none is left, but for the last ones of a
 * pool that is not carved to its end. */
static void check_pages(unsigned count, size_t bytes)
{
    bool is_live[POOL_PAGES_MAX];
    for (unsigned i = 0; i < count; i++) {
        if (blocks[i] == NULL)
            continue;
        const struct pool *pool = map_pool(blocks[i]);
        memset(is_live, 0, sizeof is_live);
        for (unsigned j = 0; j < count; j++)
            if (blocks[j] != NULL && map_pool(blocks[j]) == pool)
                for (size_t at = 0; at < bytes; at += at + 1 < bytes ? bytes - 1 : 1)
                    is_live[((uintptr_t)blocks[j] + at - pool->start) >> os_page_shift] = true;
        size_t whole = pool_carved(pool) * bytes >> os_page_shift;
        for (unsigned page = 0; page < whole; page++) {
            const char *at = (const char *)pool->start + ((size_t)page << os_page_shift);
            bool is_hole = (pool_holes(pool) >> page & 1) != 0;
            REQUIRE(!is_hole || !unit_is_resident(at), "page %u of %zu", page, bytes);
            REQUIRE(!is_hole || !is_live[page], "page %u of %zu has a live block", page, bytes);
        }
    }
}

/* The same blocks as before are had again, each once. */
static void refill(unsigned count, size_t bytes)
{
    for (unsigned i = 0; i < count; i++)
        if (blocks[i] == NULL) {
            blocks[i] = molt_malloc(bytes);
            REQUIRE(blocks[i] != NULL, "block %u of %zu", i, bytes);
            unit_fill(blocks[i], bytes, i);
        }
    check_kept(count, bytes);
}

START_TEST(test_every_class)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        size_t bytes = size_class_bytes(size_class);
        unsigned count = make_sparse(bytes);
        size_t live = unit_live_blocks(), used = arena_totals.used_pages;
        molt_trim(0);
        ck_assert_uint_eq(unit_live_blocks(), live);
        ck_assert_uint_le(arena_totals.used_pages, used);
        check_heap();
        check_kept(count, bytes);
        check_pages(count, bytes);
        if (bytes <= os_page_bytes() && os_page_shift == PAGE_SHIFT_MIN)
            REQUIRE(arena_gone_bytes > 0, "class %u has no holes", size_class);
        refill(count, bytes);
        check_heap();
        ck_assert_uint_eq(arena_gone_bytes, 0); /* the pools are full again: no new one was made */
        ck_assert_uint_le(arena_totals.used_pages, used);
        for (unsigned i = 0; i < count; i++)
            molt_free(blocks[i]);
        molt_trim(0);
        check_heap();
    }
}
END_TEST

/* A pool goes with its holes: what is dirty of it is counted once. */
START_TEST(test_pool_goes)
{
    unsigned count = make_sparse(64);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_int_eq(molt_trim(0), 1); /* of holes alone */
    ck_assert_uint_gt(arena_gone_bytes, 0);
    ck_assert_int_eq(molt_trim(0), 0);
    for (unsigned i = 0; i < count; i++)
        if (blocks[i] != NULL)
            molt_free(blocks[i]);
    ck_assert_uint_gt(arena_totals.idle_pages, 0);
    ck_assert_uint_le(arena_totals.idle_pages << os_page_shift, count * 64 / 2);
    molt_trim(0);
    ck_assert_uint_eq(arena_gone_bytes, 0);
    ck_assert_uint_eq(arena_totals.idle_pages, 0);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* calloc's blocks are zero, also those that begin before a hole. */
START_TEST(test_calloc)
{
    static const size_t sizes[] = {8, 48, 64, 1000, 1024, 3072, 4096, 5120, 8192, 20480, 32768};
    for (unsigned k = 0; k < COUNT_OF(sizes); k++) {
        size_t bytes = molt_good_size(sizes[k]);
        unsigned count = make_sparse(bytes);
        molt_trim(0);
        for (unsigned i = 0; i < count; i++)
            if (blocks[i] == NULL) {
                blocks[i] = molt_calloc(1, bytes);
                REQUIRE(unit_is_zero(blocks[i], bytes), "block %u of %zu", i, bytes);
                unit_fill(blocks[i], bytes, i);
            }
        check_kept(count, bytes);
        for (unsigned i = 0; i < count; i++)
            molt_free(blocks[i]);
    }
}
END_TEST

/* ---- At random, beside a table of what there should be ---- */

START_TEST(test_random)
{
    enum { SLOTS = 6000 };
    static char *slots[SLOTS];
    static size_t sizes[SLOTS];
    uint64_t seed = 11;
    size_t quota = SIZE_MAX;
    molt_free(molt_malloc(1)); /* the thread has a heap */
    for (unsigned step = 0; step < 400000; step++) {
        unsigned i = unit_random(&seed) % SLOTS;
        if (slots[i] != NULL) {
            REQUIRE(unit_is_filled(slots[i], sizes[i], i), "slot %u", i);
            molt_free(slots[i]);
            slots[i] = NULL;
        } else if (unit_random(&seed) % 4 == 0) {
            sizes[i] = 1 + unit_random(&seed) % (unit_random(&seed) % 8 == 0 ? 20000 : 300);
            slots[i] = molt_malloc(sizes[i]);
            unit_fill(slots[i], sizes[i], i);
        }
        if (step % 20000 != 0)
            continue;
        if (step % 40000 == 0) {
            molt_trim(0);
        } else {
            struct heap *heap = thread_enter();
            dig_holes(heap, step % 3 != 0, &quota);
            thread_leave(heap);
        }
        check_heap();
    }
    size_t live = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        live += slots[i] != NULL;
    ck_assert_uint_eq(unit_live_blocks(), live);
}
END_TEST

/* ---- Only what is not used ---- */

START_TEST(test_idle)
{
    size_t quota = SIZE_MAX;
    unsigned count = make_sparse(256);
    struct pool *pool = map_pool(blocks[0]);
    struct heap *heap = thread_enter();
    ck_assert(dig_holes(heap, true, &quota));
    ck_assert_uint_eq(arena_gone_bytes, 0); /* seen for the first time */
    thread_leave(heap);
    molt_free(blocks[0]);
    blocks[0] = NULL;
    thread_enter();
    dig_holes(heap, true, &quota);
    ck_assert_uint_eq(pool_holes(pool), 0); /* in use */
    ck_assert_uint_gt(arena_gone_bytes, 0); /* the others were not */
    dig_holes(heap, true, &quota);
    ck_assert_uint_ne(pool_holes(pool), 0);
    thread_leave(heap);
    check_kept(count, 256);
    check_heap();
}
END_TEST

/* In portions: each goes on where the last one ended. */
START_TEST(test_portions)
{
    unsigned count = make_sparse(64), calls = 0;
    struct heap *heap = thread_enter();
    for (size_t quota = 1; !dig_holes(heap, false, &quota); quota = 1)
        calls++;
    ck_assert_uint_ge(calls, POOLS - 1);
    ck_assert_uint_gt(arena_gone_bytes, 0);
    thread_leave(heap);
    check_kept(count, 64);
    check_pages(count, 64);
    check_heap();
}
END_TEST

/* ---- Wrong frees ---- */

static char *in_hole, *live_beside;

/* A free block in a hole, and a live one behind it in the same pool. */
static void make_hole(size_t bytes)
{
    unsigned count = make_sparse(bytes);
    molt_trim(0);
    const struct pool *pool = map_pool(blocks[0]);
    for (unsigned i = 0; i < count; i++)
        if (blocks[i] != NULL && map_pool(blocks[i]) == pool)
            live_beside = blocks[i];
    in_hole = (char *)pool->start;
    while (!hole_has(pool, in_hole))
        in_hole += bytes;
    ck_assert(in_hole < live_beside);
}

static void free_in_hole(void *unused)
{
    (void)unused;
    molt_free(in_hole);
}

static void resize_in_hole(void *unused)
{
    (void)unused;
    in_hole = molt_realloc(in_hole, 1000);
}

static void *free_here(void *p)
{
    molt_free(p);
    return NULL;
}

static void free_in_thread(void *unused)
{
    (void)unused;
    unit_in_thread(free_here, in_hole);
}

/* The thread has a chain for the pool already, which takes blocks without asking; the owner finds
 * out when it takes the chain back. */
static void *free_two(void *unused)
{
    molt_free(molt_malloc(1)); /* the thread has a heap */
    molt_free(live_beside);
    molt_free(in_hole);
    return unused;
}

static void free_two_in_thread(void *unused)
{
    (void)unused;
    unit_in_thread(free_two, NULL);
    molt_trim(0);
}

START_TEST(test_double_free)
{
    static const size_t sizes[] = {16, 48, 64, 112, 1000};
    for (unsigned k = 0; k < COUNT_OF(sizes); k++) {
        in_hole = NULL;
        make_hole(molt_good_size(sizes[k]));
        unit_expect_abort(free_in_hole, NULL, "double free");
        unit_expect_abort(resize_in_hole, NULL, "has been freed");
        unit_expect_abort(free_in_thread, NULL, "double free");
        unit_expect_abort(free_two_in_thread, NULL, "double free");
        for (unsigned i = 0; i < MOST; i++)
            molt_free(blocks[i]);
        memset(blocks, 0, sizeof blocks);
        check_heap();
    }
}
END_TEST

/* ---- Who else has to do with it ---- */

/* Pages that the OS does not take (they are locked) stay, and so do the blocks. */
START_TEST(test_refused)
{
    unsigned count = make_sparse(64);
    os_fail(1, true);
    struct heap *heap = thread_enter();
    size_t quota = SIZE_MAX;
    dig_holes(heap, false, &quota);
    thread_leave(heap);
    os_fail(0, false);
    ck_assert_uint_eq(arena_gone_bytes, 0);
    check_kept(count, 64);
    check_heap();
    size_t used = arena_totals.used_pages;
    refill(count, 64);
    ck_assert_uint_eq(arena_totals.used_pages, used);
}
END_TEST

static unsigned sparse_count;

static void *leave_sparse(void *unused)
{
    sparse_count = make_sparse(64);
    return unused;
}

/* Those of a thread that has ended, which the next one uses and fills again. */
START_TEST(test_ended_thread)
{
    molt_free(molt_malloc(1));
    unit_in_thread(leave_sparse, NULL);
    molt_trim(0);
    ck_assert_uint_gt(arena_gone_bytes, 0);
    check_kept(sparse_count, 64);
    check_pages(sparse_count, 64);
    size_t used = arena_totals.used_pages;
    refill(sparse_count, 64);
    ck_assert_uint_le(arena_totals.used_pages, used + 2 * POOL_BYTES / os_page_bytes());
    for (unsigned i = 0; i < sparse_count; i++)
        molt_free(blocks[i]);
    molt_trim(0);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* A forked child goes on with them. */
static void use_in_child(void *count)
{
    refill(*(unsigned *)count, 64);
    check_heap();
    make_hole(64);
}

START_TEST(test_fork)
{
    char text[256];
    unsigned count = make_sparse(64);
    molt_trim(0);
    ck_assert_int_eq(unit_child(use_in_child, &count, text, sizeof text), 0);
}
END_TEST

Suite *suite_hole(void)
{
    Suite *suite = suite_create("hole");
    TCase *tcase = tcase_create("hole");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_every_class);
    tcase_add_test(tcase, test_pool_goes);
    tcase_add_test(tcase, test_calloc);
    tcase_add_test(tcase, test_random);
    tcase_add_test(tcase, test_idle);
    tcase_add_test(tcase, test_portions);
    tcase_add_test(tcase, test_double_free);
    tcase_add_test(tcase, test_refused);
    tcase_add_test(tcase, test_ended_thread);
    tcase_add_test(tcase, test_fork);
    suite_add_tcase(suite, tcase);
    return suite;
}
