/* test_sort.c: order, and that every item is still there. */
#include "suites.h"
#include "unit.h"

#include "base/sort.h"

#include <string.h>

struct item {
    uint32_t key;
    char rest[20];
};

static int compare_keys(const void *a, const void *b)
{
    uint32_t left = ((const struct item *)a)->key, right = ((const struct item *)b)->key;
    return left < right ? -1 : left > right;
}

/* `keys` different ones. */
static void check_sorts(size_t count, uint32_t keys)
{
    static struct item items[1000];
    static unsigned left[1000];
    uint64_t random = count;
    memset(left, 0, sizeof left);
    for (size_t i = 0; i < count; i++) {
        items[i].key = unit_random(&random) % keys;
        unit_fill(items[i].rest, sizeof items[i].rest, items[i].key);
        left[items[i].key]++;
    }
    sort(items, count, sizeof items[0], compare_keys);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(i == 0 || items[i - 1].key <= items[i].key, "%zu of %zu", i, count);
        REQUIRE(unit_is_filled(items[i].rest, sizeof items[i].rest, items[i].key), "%zu", i);
        REQUIRE(left[items[i].key]-- != 0, "%zu of %zu", i, count);
    }
}

START_TEST(test_sorts)
{
    for (size_t count = 0; count <= 1000; count += count < 40 ? 1 : 160) {
        check_sorts(count, 1000);
        check_sorts(count, 3);
        check_sorts(count, 1);
    }
}
END_TEST

Suite *suite_sort(void)
{
    Suite *suite = suite_create("sort");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, test_sorts);
    suite_add_tcase(suite, tests);
    return suite;
}
