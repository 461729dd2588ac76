/* test_pool.c: a pool's record, on memory of the test's own. */
#include "suites.h"
#include "unit.h"

#include "alloc/pool.h"
#include "alloc/size_class.h"

#include "os/os.h"

#include <string.h>

/* The pool is the middle one of three. */
static _Alignas(POOL_BYTES) char memory[3 * POOL_BYTES];
static char *const start = memory + POOL_BYTES;

static void make(struct pool *pool, unsigned size_class, unsigned heap)
{
    memset(start, 0, POOL_BYTES);
    memset(pool, 0, sizeof *pool);
    pool_init(pool, (uintptr_t)start, size_class, heap, 0);
}

/* free_fast's comparison. */
static bool passes_free(const struct pool *pool, const void *p, unsigned heap)
{
    uint64_t offset = ((uintptr_t)heap << COOKIE_SHIFT) - pool->origin + (uintptr_t)p;
    return offset * pool->magic < pool->limit;
}

START_TEST(test_new_pool)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool pool;
        make(&pool, size_class, 3);
        ck_assert_uint_eq(pool.start, (uintptr_t)start);
        ck_assert_uint_eq(pool_block_bytes(&pool), size_class_bytes(size_class));
        ck_assert_uint_eq(pool.capacity, POOL_BYTES / size_class_bytes(size_class));
        ck_assert_uint_eq(pool_carved(&pool), 0);
        ck_assert_ptr_eq(pool.list, &pool.own);
        ck_assert(block_list_is_empty(&pool.own));
        ck_assert(!pool_has_block(&pool, start));
        ck_assert(!passes_free(&pool, start, 3));
        ck_assert(unit_is_zero(memory, sizeof memory));
    }
}
END_TEST

/* The comparison that a chain of remote frees makes, for addresses anywhere: only the starts of
 * carved blocks pass. */
START_TEST(test_any_offset)
{
    static const uint64_t far[] = {POOL_BYTES, UINT64_C(1) << 32, UINT64_C(1) << 47};
    uint64_t seed = 7;
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool pool;
        make(&pool, size_class, 1);
        uint64_t size = pool_block_bytes(&pool);
        uint64_t limit = pool.capacity * (pool.magic * size);
        for (unsigned i = 0; i < 30000; i++) {
            uint64_t random = (uint64_t)unit_random(&seed) << 32 | unit_random(&seed);
            uint64_t d = 1 + random % far[i % COUNT_OF(far)];
            uint64_t whole = d / size * size;
            bool is_block = d % size == 0 && d / size < pool.capacity;
            REQUIRE((d * pool.magic < limit) == is_block, "class %u", size_class);
            REQUIRE((0 - d) * pool.magic >= limit, "class %u below", size_class);
            REQUIRE(whole == 0 || (0 - whole) * pool.magic >= limit, "class %u before", size_class);
        }
    }
}
END_TEST

/* The list that was carved: consecutive blocks from `at` on. Returns how many. */
static unsigned check_carved(const struct pool *pool, const struct block *list, unsigned at)
{
    unsigned count = 0;
    for (; list != NULL; list = block_next(list), count++)
        REQUIRE((const char *)list == start + (at + count) * pool_block_bytes(pool),
                "block %u of class %u", at + count, pool->size_class);
    return count;
}

/* Carving goes page by page, so that the pages behind stay untouched. */
START_TEST(test_carve)
{
    size_t page = os_page_bytes();
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool pool;
        make(&pool, size_class, 1);
        size_t bytes = pool_block_bytes(&pool);
        for (unsigned carved = 0; carved < pool.capacity;) {
            bool zero;
            struct block *list = pool_carve(&pool, &zero);
            unsigned count = check_carved(&pool, list, carved);
            size_t end = os_round_to_pages((carved + 1) * bytes);
            REQUIRE(count > 0 && (carved + count) * bytes <= end, "class %u", size_class);
            REQUIRE(carved + count == pool.capacity || (carved + count + 1) * bytes > end,
                    "class %u leaves room in its page", size_class);
            REQUIRE(zero == (count == 1), "class %u", size_class);
            REQUIRE(unit_is_zero(start + end, POOL_BYTES - end), "class %u", size_class);
            carved += count;
            REQUIRE(pool_carved(&pool) == carved, "class %u", size_class);
        }
        REQUIRE(pool_carved(&pool) == pool.capacity, "class %u, page %zu", size_class, page);
    }
}
END_TEST

/* zero is only said of pages that are known to be. */
START_TEST(test_carve_knows_clean_pages)
{
    struct pool pool;
    bool zero;
    unsigned clean_page = (unsigned)(3 * 4096 >> os_page_shift) + 1;
    memset(start, 0xff, POOL_BYTES);
    pool_init(&pool, (uintptr_t)start, size_class_of(4096), 1, clean_page);
    for (unsigned block = 0; block < pool.capacity; block++) {
        struct block *carved = pool_carve(&pool, &zero);
        if (block_next(carved) != NULL)
            break; /* larger pages than blocks */
        ck_assert_int_eq(zero, (block * 4096) >> os_page_shift >= clean_page);
    }
}
END_TEST

/* The comparison holds for the starts of carved blocks and for nothing else. */
static void check_every_offset(const struct pool *pool, unsigned heap)
{
    size_t bytes = pool_block_bytes(pool), end = pool_carved(pool) * bytes;
    for (size_t offset = 0; offset < POOL_BYTES; offset++) {
        bool is_block = offset % bytes == 0 && offset < end;
        const char *p = start + offset;
        REQUIRE(pool_has_block(pool, p) == is_block, "offset %zu of %zu", offset, bytes);
        REQUIRE(passes_free(pool, p, heap) == is_block, "offset %zu of %zu", offset, bytes);
    }
}

/* Pages known to have no memory get it four at a time, but not before a block of theirs is carved,
 * and only if that was asked for. */
START_TEST(test_populate_ahead)
{
    size_t page = os_page_bytes();
    if (!unit_can_populate("test_populate_ahead"))
        return;
    char *bare = unit_map_aligned(2 * POOL_BYTES, POOL_BYTES);
    struct pool pool = {.next = 0};
    bool zero;
    pool_init(&pool, (uintptr_t)bare, size_class_of(64), 1, 2);
    pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 1);
    pool_populate_ahead(&pool);
    pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 2);
    pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 2 + POPULATE_PAGES);
    while (pool_carved(&pool) * 64 < (2 + POPULATE_PAGES) * page)
        pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 2 + POPULATE_PAGES);
    pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 2 + 2 * POPULATE_PAGES);
    while (pool_carved(&pool) < pool.capacity)
        pool_carve(&pool, &zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), POOL_BYTES / page);
    ck_assert(!unit_is_resident(bare + POOL_BYTES));
}
END_TEST

/* A block of five pages gets all of them. */
START_TEST(test_populate_ahead_of_large_blocks)
{
    if (!unit_can_populate("test_populate_ahead_of_large_blocks"))
        return;
    char *bare = unit_map_aligned(2 * POOL_BYTES, POOL_BYTES);
    struct pool pool = {.next = 0};
    bool zero;
    pool_init(&pool, (uintptr_t)bare, size_class_of(5 * os_page_bytes()), 1, 0);
    pool_populate_ahead(&pool);
    pool_carve(&pool, &zero);
    ck_assert(zero);
    ck_assert_uint_eq(unit_resident_pages(bare, POOL_BYTES), 5);
}
END_TEST

START_TEST(test_has_block)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool pool;
        bool zero;
        make(&pool, size_class, 77);
        pool_carve(&pool, &zero);
        check_every_offset(&pool, 77);
        while (pool_carved(&pool) < pool.capacity)
            pool_carve(&pool, &zero);
        check_every_offset(&pool, 77);
    }
}
END_TEST

/* Other owners' cookies, addresses near the pool and addresses windows away. */
START_TEST(test_no_free_of_others)
{
    static const unsigned owners[] = {1, 2, 1000, 32767, 65535};
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool pool;
        bool zero;
        make(&pool, size_class, 2);
        while (pool_carved(&pool) < pool.capacity)
            pool_carve(&pool, &zero);
        for (size_t i = 0; i < COUNT_OF(owners); i++)
            for (size_t offset = 0; offset < POOL_BYTES; offset += 8)
                REQUIRE(owners[i] == 2 || !passes_free(&pool, start + offset, owners[i]),
                        "class %u, heap %u, offset %zu", size_class, owners[i], offset);
        for (unsigned shift = WINDOW_SHIFT_MIN; shift < 48; shift++) {
            size_t far = (size_t)1 << shift;
            for (size_t offset = 0; offset < POOL_BYTES; offset += 8) {
                uintptr_t address = (uintptr_t)start + offset;
                REQUIRE(!passes_free(&pool, (void *)(address + far), 2), "2^%u above", shift);
                REQUIRE(!passes_free(&pool, (void *)(address - far), 2), "2^%u below", shift);
            }
        }
        for (size_t offset = 1; offset <= POOL_BYTES; offset++) {
            REQUIRE(!passes_free(&pool, start - offset, 2), "%zu in front", offset);
            REQUIRE(!pool_has_block(&pool, start - offset), "%zu in front", offset);
            REQUIRE(!pool_has_block(&pool, start + POOL_BYTES - 1 + offset), "%zu behind", offset);
        }
    }
}
END_TEST

START_TEST(test_close_and_open)
{
    struct pool pool;
    bool zero;
    make(&pool, size_class_of(64), 5);
    pool_carve(&pool, &zero);
    ck_assert(passes_free(&pool, start + 64, 5));
    pool_close(&pool);
    ck_assert(!passes_free(&pool, start + 64, 5));
    ck_assert(pool_has_block(&pool, start + 64));
    pool_open(&pool);
    ck_assert(passes_free(&pool, start + 64, 5));
    pool_set_state(&pool, POOL_ACTIVE);
    pool_clear(&pool);
    ck_assert(!passes_free(&pool, start + 64, 5));
    ck_assert_int_eq(pool_state(&pool), POOL_NONE);
}
END_TEST

START_TEST(test_contains)
{
    struct pool pool;
    make(&pool, size_class_of(64), 9);
    ck_assert(pool_contains(&pool, start));
    ck_assert(pool_contains(&pool, start + POOL_BYTES - 1));
    ck_assert(!pool_contains(&pool, start - 1));
    ck_assert(!pool_contains(&pool, start + POOL_BYTES));
    ck_assert(!pool_contains(&pool, NULL));
}
END_TEST

START_TEST(test_block_looks_free)
{
    struct pool pool;
    bool zero;
    make(&pool, size_class_of(64), 1);
    struct block *block = pool_carve(&pool, &zero);
    struct block *next = block_next(block);
    ck_assert(pool_block_looks_free(&pool, block));
    block_set_next(block, NULL);
    ck_assert(pool_block_looks_free(&pool, block));
    /* Live data that only looks like a link: the mark without an address of the pool. */
    block->link = (uintptr_t)BLOCK_MARK << 48 | 0x1234;
    ck_assert(!pool_block_looks_free(&pool, block));
    block_set_next(block, (struct block *)((char *)next + 8));
    ck_assert(!pool_block_looks_free(&pool, block)); /* inside a block */
    block_set_next(block, (struct block *)(start + POOL_BYTES));
    ck_assert(!pool_block_looks_free(&pool, block));
    block_set_next(block, (struct block *)(start + POOL_BYTES - 64));
    ck_assert(!pool_block_looks_free(&pool, block)); /* not carved yet */
    block->link = 0;
    ck_assert(!pool_block_looks_free(&pool, block));
}
END_TEST

START_TEST(test_count_list)
{
    struct pool pool;
    bool zero;
    make(&pool, size_class_of(1024), 1);
    struct block *list = pool_carve(&pool, &zero);
    unsigned carved = pool_carved(&pool);
    ck_assert_uint_eq(pool_count_list(&pool, NULL), 0);
    ck_assert_uint_eq(pool_count_list(&pool, list), carved);
    struct block *second = block_next(list);
    block_set_next(second, (struct block *)(start + 2 * POOL_BYTES));
    ck_assert_uint_eq(pool_count_list(&pool, list), 2);
    block_set_next(second, list); /* a ring ends at the capacity */
    ck_assert_uint_eq(pool_count_list(&pool, list), pool.capacity);
}
END_TEST

Suite *suite_pool(void)
{
    Suite *suite = suite_create("pool");
    TCase *tests = tcase_create("pool");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_new_pool);
    tcase_add_test(tests, test_any_offset);
    tcase_add_test(tests, test_carve);
    tcase_add_test(tests, test_carve_knows_clean_pages);
    tcase_add_test(tests, test_populate_ahead);
    tcase_add_test(tests, test_populate_ahead_of_large_blocks);
    tcase_add_test(tests, test_has_block);
    tcase_add_test(tests, test_no_free_of_others);
    tcase_add_test(tests, test_close_and_open);
    tcase_add_test(tests, test_contains);
    tcase_add_test(tests, test_block_looks_free);
    tcase_add_test(tests, test_count_list);
    suite_add_tcase(suite, tests);
    return suite;
}
