/* test_map.c: where the window and its tables lie. */
#include "suites.h"
#include "unit.h"

#include "alloc/map.h"
#include "base/options.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)

/* Maps a window that begins with the last 64 MiB of an aligned range of 1 GiB: where in its own
 * range it begins follows from where the OS puts mappings, one below the other. */
static void map_window_at_a_border(void)
{
    for (size_t i = 0; i < 16; i++) {
        uintptr_t next = (uintptr_t)os_reserve(ARENA_BYTES);
        os_unmap((void *)next, ARENA_BYTES);
        ck_assert_ptr_nonnull(os_reserve(next % (1024 * MIB) + 32 * MIB));
        memset(&map, 0, sizeof map);
        ck_assert(map_init());
        if ((map.base >> 26) % 16 == 15)
            return;
    }
    ck_abort_msg("no window at a border");
}

static size_t reach(void)
{
    return (map.pool_mask / sizeof(struct pool) + 1) * POOL_BYTES;
}

/* Adds arenas to the end of the reach; each finds records that no other arena has. */
static void fill_reach(void)
{
    for (uint32_t number = map_arena_end(); number < map.reach_end; number++) {
        ck_assert_uint_eq(map_add_arena(), number);
        struct pool *first = map_pool((void *)map_arena_start(number));
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++) {
            REQUIRE(first[slot].start == 0, "arena %u has another's records", number);
            first[slot].start = map_arena_start(number) + slot * POOL_BYTES;
        }
    }
}

/* The records of all arenas are where their addresses lead. */
static void check_records(void)
{
    for (uint32_t number = 0; number < map_arena_end(); number++)
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++) {
            uintptr_t start = map_arena_start(number) + slot * POOL_BYTES;
            REQUIRE(map_pool((void *)start)->start == start, "arena %u", number);
        }
}

/* Any address finds a record that can be read, and none that describes it where there is no pool.
 */
static void check_wild_addresses(void)
{
    for (unsigned shift = 12; shift < 48; shift++) {
        uintptr_t distance = (uintptr_t)1 << shift;
        ck_assert_ptr_null(map_pool_around((void *)distance));
        ck_assert_ptr_null(map_pool_around((void *)(map.base + map.bytes + distance)));
        ck_assert_ptr_null(map_pool_around((void *)(map_arena_start(map_arena_end()) + distance)));
    }
}

static void make_all_pools(void)
{
    for (uint32_t number = 0; number < map_arena_end(); number++)
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
            pool_set_state(map_pool((void *)map_arena_start(number)) + slot, POOL_PARTIAL);
}

/* ---- The reach ---- */

START_TEST(test_reach_doubles)
{
    options.reserve = (size_t)64 << 30;
    ck_assert(map_init());
    ck_assert_uint_eq(reach(), (size_t)4 << 30);
    for (size_t doubled = (size_t)8 << 30; doubled <= (size_t)16 << 30; doubled *= 2) {
        fill_reach();
        make_all_pools();
        check_wild_addresses();
        uint32_t next = map_arena_end();
        ck_assert_uint_eq(map_add_arena(), next);
        ck_assert_uint_eq(reach(), doubled);
        struct pool *pool = map_pool((void *)map_arena_start(next));
        ck_assert_uint_eq(pool->start, 0);
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
            pool[slot].start = map_arena_start(next) + slot * POOL_BYTES;
        check_records();
        check_wild_addresses();
    }
}
END_TEST

/* Then there is no arena, and all is as before. */
START_TEST(test_reach_refused)
{
    options.reserve = (size_t)64 << 30;
    ck_assert(map_init());
    fill_reach();
    uint32_t end = map_arena_end();
    os_fail(1, true);
    ck_assert_uint_eq(map_add_arena(), UINT32_MAX);
    os_fail(0, false);
    ck_assert_uint_eq(reach(), (size_t)4 << 30);
    check_records();
    ck_assert_uint_eq(map_add_arena(), end);
    ck_assert_uint_eq(reach(), (size_t)8 << 30);
}
END_TEST

/* A window has at most as many arenas as fit behind its beginning. */
START_TEST(test_window_ends)
{
    options.reserve = (size_t)256 * MIB;
    ck_assert(map_init());
    ck_assert_uint_ge(map.arena_max, 60);
    ck_assert_uint_le(map.arena_max, 64);
    ck_assert_uint_eq(map.reach_end, map.arena_max);
    fill_reach();
    check_records();
    ck_assert_uint_eq(map_add_arena(), UINT32_MAX);
}
END_TEST

/* No two heaps' cookies differ by a multiple of the reach. */
START_TEST(test_reach_for_heaps)
{
    options.reserve = (size_t)64 << 30;
    ck_assert(map_init());
    uint32_t number;
    while (map_add_heap(&number) != NULL)
        REQUIRE((size_t)number << COOKIE_SHIFT < reach() / 2, "heap %u, reach %zu", number,
                reach());
    ck_assert_uint_eq(map.heap_end, map.heap_max);
    ck_assert_uint_eq(map.heap_max, UINT16_MAX);
    ck_assert_uint_eq(reach(), (size_t)16 << 30);
}
END_TEST

/* ---- Limits ---- */

/* Wherever the OS has put the window, tables for what the limit allows are enough. */
START_TEST(test_limit_shrinks_the_tables)
{
    size_t limit = 256 * MIB;
    map_window_at_a_border();
    ck_assert(map.reserved);
    ck_assert_uint_eq(map_add_arena(), 0);
    map_pool((void *)map.base)->start = map.base;
    map_limit(limit, true);
    ck_assert_uint_eq(map.arena_max, limit / ARENA_BYTES);
    ck_assert_uint_eq(reach(), limit);
    ck_assert_uint_eq(map_pool((void *)map.base)->start, map.base);
    map_pool((void *)map.base)->start = 0;
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
        map_pool((void *)map.base)[slot].start = map.base + slot * POOL_BYTES;
    fill_reach();
    check_records();
    ck_assert_uint_eq(map_add_arena(), UINT32_MAX);
}
END_TEST

/* The tables' part that other threads may be about to read stays, but no more. */
START_TEST(test_limit_beside_threads)
{
    options.reserve = (size_t)64 << 30;
    ck_assert(map_init());
    ck_assert_uint_eq(map_add_arena(), 0);
    const struct pool *pools = map.records;
    bool taken;
    map_limit(256 * MIB, false);
    ck_assert_uint_eq(reach(), (size_t)4 << 30);
    ck_assert_ptr_eq(map.pools, pools);
    size_t needed = reach() / POOL_BYTES * sizeof *pools;
    ck_assert(os_is_readable(pools, needed));
    ck_assert_ptr_nonnull(os_map_at((char *)pools + needed + MIB, MIB, &taken));
    ck_assert_uint_eq(map.arena_max, map.reach_end);
    ck_assert_uint_ge((size_t)map.arena_max * ARENA_BYTES, 256 * MIB);
}
END_TEST

/* ---- Locked memory ---- */

static size_t resident_bytes(void)
{
    char text[128];
    ck_assert_int_gt(os_read_file("/proc/self/statm", text, sizeof text), 0);
    return strtoul(strchr(text, ' '), NULL, 10) << os_page_shift;
}

/* What a process has locked before its first allocation. */
START_TEST(test_locked_before)
{
    if (mlockall(MCL_FUTURE | (_i == 0 ? 0 : MCL_ONFAULT)) != 0) {
        printf("skip: mlockall is not allowed\n");
        return;
    }
    size_t before = resident_bytes();
    if (!map_init()) {
        printf("skip: RLIMIT_MEMLOCK is too low\n");
        return;
    }
    uint32_t number;
    ck_assert_uint_eq(map_add_arena(), 0);
    ck_assert_ptr_nonnull(map_add_heap(&number));
    *(volatile char *)map.base = 1;
    size_t grown = resident_bytes() - before;
    ck_assert_uint_lt(grown, 20 * MIB);
}
END_TEST

Suite *suite_map(void)
{
    Suite *suite = suite_create("map");
    TCase *tests = tcase_create("map");
    tcase_add_test(tests, test_reach_doubles);
    tcase_add_test(tests, test_reach_refused);
    tcase_add_test(tests, test_window_ends);
    tcase_add_test(tests, test_reach_for_heaps);
    tcase_add_test(tests, test_limit_shrinks_the_tables);
    tcase_add_test(tests, test_limit_beside_threads);
    tcase_add_loop_test(tests, test_locked_before, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
