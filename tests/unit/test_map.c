/* test_map.c: where the window and its tables lie. */
#include "suites.h"
#include "unit.h"

#include "alloc/map.h"
#include "os/os.h"

#include <string.h>

enum { MIB = 1 << 20 };

/* Maps windows, each below the last by another distance, until one begins with the last 64 MiB of
 * an aligned range of 1 GiB. */
static void map_window_at_a_border(void)
{
    for (size_t i = 0; i < 64; i++) {
        memset(&map, 0, sizeof map);
        ck_assert(map_init());
        if ((map.base >> 26) % 16 == 15)
            return;
        ck_assert_ptr_nonnull(os_reserve((1024 + 64 * i) * MIB));
    }
    ck_abort_msg("no window at a border");
}

/* Wherever the OS has put the window, tables for what the limit allows are enough. */
START_TEST(test_limit_shrinks_the_tables)
{
    size_t limit = 256 * MIB;
    map_window_at_a_border();
    ck_assert(map.reserved);
    ck_assert_uint_eq(map_add_arena(), 0);
    map_limit(limit, true);
    ck_assert_uint_eq(map.arena_max, limit / ARENA_BYTES);
    ck_assert_uint_eq(map.pool_mask + sizeof(struct pool),
                      limit / POOL_BYTES * sizeof(struct pool));
    for (uint32_t i = 0; i < map.arena_max; i++) {
        ck_assert(i == 0 || map_add_arena() == i);
        struct pool *first = map_pool((void *)map_arena_start(i));
        ck_assert_uint_eq(first->start, 0); /* no one else's */
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
            first[slot].start = map_arena_start(i) + slot * POOL_BYTES;
    }
    ck_assert_uint_eq(map_add_arena(), UINT32_MAX);
}
END_TEST

Suite *suite_map(void)
{
    Suite *suite = suite_create("map");
    TCase *tests = tcase_create("map");
    tcase_add_test(tests, test_limit_shrinks_the_tables);
    suite_add_tcase(suite, tests);
    return suite;
}
