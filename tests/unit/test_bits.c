/* test_bits.c: ranges of bits against an array of bools. */
#include "suites.h"
#include "unit.h"

#include "base/bits.h"

#include <string.h>

enum { BITS = 256 };

struct model {
    uint64_t words[BITS / 64];
    bool bits[BITS];
};

static void set_all(struct model *model, unsigned first, unsigned end, bool value)
{
    for (unsigned i = first; i < end; i++)
        model->bits[i] = value;
    if (value)
        bits_set(model->words, first, end);
    else
        bits_clear(model->words, first, end);
}

static unsigned model_find(const struct model *model, bool value, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++)
        if (model->bits[i] == value)
            return i;
    return end;
}

static unsigned model_count(const struct model *model, unsigned first, unsigned end)
{
    unsigned count = 0;
    for (unsigned i = first; i < end; i++)
        count += model->bits[i];
    return count;
}

static void compare(const struct model *model)
{
    for (unsigned i = 0; i < BITS; i++)
        REQUIRE(bits_test(model->words, i) == model->bits[i], "bit %u", i);
}

/* Every range is set in zeroes and cleared in ones, so every mask is seen. */
START_TEST(test_every_range)
{
    for (unsigned first = 0; first < BITS; first++) {
        for (unsigned end = first; end <= BITS; end++) {
            struct model model = {{0}, {0}};
            set_all(&model, first, end, true);
            compare(&model);
            REQUIRE(bits_count(model.words, 0, BITS) == end - first, "[%u, %u)", first, end);
            set_all(&model, 0, BITS, true);
            set_all(&model, first, end, false);
            compare(&model);
        }
    }
}
END_TEST

START_TEST(test_find_and_count)
{
    struct model model = {{0}, {0}};
    uint64_t random = 1;
    for (unsigned round = 0; round < 3000; round++) {
        unsigned first = unit_random(&random) % BITS;
        unsigned end = first + unit_random(&random) % (BITS + 1 - first);
        set_all(&model, first, end, unit_random(&random) % 2 == 0);
        for (unsigned probe = 0; probe < 50; probe++) {
            unsigned from = unit_random(&random) % (BITS + 1);
            unsigned to = from + unit_random(&random) % (BITS + 1 - from);
            REQUIRE(bits_find(model.words, true, from, to) == model_find(&model, true, from, to),
                    "one in [%u, %u)", from, to);
            REQUIRE(bits_find(model.words, false, from, to) == model_find(&model, false, from, to),
                    "zero in [%u, %u)", from, to);
            REQUIRE(bits_count(model.words, from, to) == model_count(&model, from, to),
                    "count in [%u, %u)", from, to);
        }
    }
}
END_TEST

START_TEST(test_find_nothing)
{
    uint64_t words[4] = {0};
    ck_assert_uint_eq(bits_find(words, true, 0, BITS), BITS);
    ck_assert_uint_eq(bits_find(words, true, 70, 100), 100);
    ck_assert_uint_eq(bits_find(words, false, BITS, BITS), BITS);
    memset(words, 0xff, sizeof words);
    ck_assert_uint_eq(bits_find(words, false, 3, 200), 200);
}
END_TEST

Suite *suite_bits(void)
{
    Suite *suite = suite_create("bits");
    TCase *tests = tcase_create("bits");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_every_range);
    tcase_add_test(tests, test_find_and_count);
    tcase_add_test(tests, test_find_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
