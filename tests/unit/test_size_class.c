/* test_size_class.c: every size finds the smallest class that holds it. */
#include "suites.h"
#include "unit.h"

#include "alloc/size_class.h"

START_TEST(test_every_size)
{
    for (size_t size = 0; size <= BLOCK_MAX; size++) {
        unsigned size_class = size_class_of(size);
        REQUIRE(size_class < CLASS_COUNT, "size %zu", size);
        REQUIRE(size_class_bytes(size_class) >= size, "size %zu", size);
        REQUIRE(size_class == 0 || size_class_bytes(size_class - 1) < size, "size %zu", size);
    }
}
END_TEST

START_TEST(test_every_class)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        size_t bytes = size_class_bytes(size_class);
        ck_assert_uint_eq(size_class_of(bytes), size_class);
        ck_assert_uint_eq(bytes % 8, 0);
        if (size_class > 0) {
            ck_assert_uint_eq(bytes % 16, 0);
            ck_assert_uint_gt(bytes, size_class_bytes(size_class - 1));
        }
    }
    ck_assert_uint_eq(size_class_bytes(0), 8);
    ck_assert_uint_eq(size_class_bytes(CLASS_COUNT - 1), BLOCK_MAX);
}
END_TEST

START_TEST(test_steps_of_16)
{
    for (size_t size = 9; size <= 512; size++)
        REQUIRE(size_class_bytes(size_class_of(size)) == (size + 15) / 16 * 16, "size %zu", size);
}
END_TEST

/* At most 12.5 % of a block above 512 bytes is waste. */
START_TEST(test_waste)
{
    for (size_t size = 513; size <= BLOCK_MAX; size++) {
        size_t bytes = size_class_bytes(size_class_of(size));
        REQUIRE((bytes - size) * 8 <= bytes, "size %zu in %zu", size, bytes);
    }
}
END_TEST

/* A class that is a multiple of the alignment exists for each alignment up to BLOCK_MAX. */
START_TEST(test_alignments)
{
    for (size_t alignment = 8; alignment <= BLOCK_MAX; alignment *= 2)
        ck_assert_uint_eq(size_class_bytes(size_class_of(alignment)), alignment);
}
END_TEST

Suite *suite_size_class(void)
{
    Suite *suite = suite_create("size_class");
    TCase *tests = tcase_create("size_class");
    tcase_add_test(tests, test_every_size);
    tcase_add_test(tests, test_every_class);
    tcase_add_test(tests, test_steps_of_16);
    tcase_add_test(tests, test_waste);
    tcase_add_test(tests, test_alignments);
    suite_add_tcase(suite, tests);
    return suite;
}
