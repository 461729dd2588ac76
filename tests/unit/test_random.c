/* test_random.c: the numbers by which blocks are sampled, against what mathematics says of
 * them. All seeds are fixed: a test that passes once passes always. */
#include "suites.h"
#include "unit.h"

#include "base/random.h"

#include <math.h>

enum { SEEDS = 200, DRAWS = 20000 };

static const size_t kib = 1 << 10, mib = 1 << 20;

START_TEST(test_equal_states_give_equal_numbers)
{
    uint64_t first = 7, second = 7, other = 8;
    unsigned different = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t bits = random_bits(&first);
        REQUIRE(bits == random_bits(&second), "draw %u", i);
        different += bits != random_bits(&other);
    }
    ck_assert_uint_eq(different, 1000);
}
END_TEST

START_TEST(test_bits_are_even)
{
    uint64_t state = 1;
    unsigned set[64] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t bits = random_bits(&state);
        for (unsigned bit = 0; bit < 64; bit++)
            set[bit] += (unsigned)(bits >> bit) & 1;
    }
    double deviation = sqrt(DRAWS) / 2;
    for (unsigned bit = 0; bit < 64; bit++)
        REQUIRE(fabs(set[bit] - DRAWS / 2.0) < 4.5 * deviation, "bit %u: %u", bit, set[bit]);
}
END_TEST

/* Against the C library's logarithm, which is exact to the last bits of a long double. */
START_TEST(test_exponential_is_a_logarithm)
{
    uint64_t state = 2;
    for (unsigned i = 0; i < 100 * 1000; i++) {
        uint64_t copy = state, bits = random_bits(&copy) | 1;
        long double expected = -logl((long double)bits * 0x1p-64L);
        double got = random_exponential(&state);
        REQUIRE(fabsl(got - expected) <= 3e-16L * (1 + expected), "%.17g, not %.20Lg", got,
                expected);
        REQUIRE(got >= 0, "%.17g", got);
    }
}
END_TEST

/* States before the one whose bits are all 0, or whose highest are all 1. */
START_TEST(test_exponential_ends)
{
    uint64_t state = -UINT64_C(0x9e3779b97f4a7c15);
    double largest = random_exponential(&state);
    ck_assert_double_eq_tol(largest, 64 * M_LN2, 1e-12);
    double smallest = 1;
    for (unsigned i = 0; i < 1000 * 1000; i++) {
        double got = random_exponential(&state);
        if (got < smallest)
            smallest = got;
    }
    ck_assert_double_ge(smallest, 0);
    ck_assert_double_lt(smallest, 1e-5);
}
END_TEST

struct moments {
    double mean, variance;
};

static struct moments moments_of(uint64_t state, unsigned above[], unsigned limits)
{
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        double x = random_exponential(&state);
        sum += x;
        squares += (x - 1) * (x - 1);
        for (unsigned limit = 0; limit < limits; limit++)
            above[limit] += x > limit;
    }
    double mean = sum / DRAWS;
    return (struct moments){mean, squares / DRAWS - (mean - 1) * (mean - 1)};
}

/* Of n draws the mean deviates by 1 / sqrt(n), the variance by sqrt(8 / n). */
START_TEST(test_exponential_has_its_moments_and_tail)
{
    enum { LIMITS = 13 };
    unsigned above[LIMITS] = {0};
    double mean = 0, variance = 0, all = (double)SEEDS * DRAWS;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct moments moments = moments_of(seed * seed * UINT64_C(0x123456789abc), above, LIMITS);
        REQUIRE(fabs(moments.mean - 1) < 4.5 / sqrt(DRAWS), "seed %u: mean %g", (unsigned)seed,
                moments.mean);
        REQUIRE(fabs(moments.variance - 1) < 4.5 * sqrt(8.0 / DRAWS), "seed %u: variance %g",
                (unsigned)seed, moments.variance);
        mean += moments.mean / SEEDS;
        variance += moments.variance / SEEDS;
    }
    ck_assert_double_eq_tol(mean, 1, 4 / sqrt(all));
    ck_assert_double_eq_tol(variance, 1, 4 * sqrt(8 / all));
    for (unsigned limit = 0; limit < LIMITS; limit++) {
        double p = exp(-(double)limit), deviation = sqrt(all * p * (1 - p));
        REQUIRE(fabs(above[limit] - all * p) <= 4 * deviation + 1, "above %u: %u", limit,
                above[limit]);
    }
}
END_TEST

/* Kolmogorov and Smirnov's test: the largest distance between the share of the draws below x and
 * 1 - e^-x, by a fine grid. A fair number stays below 1.95 / sqrt(n) in 999 of 1000 runs. */
START_TEST(test_exponential_is_exponential_everywhere)
{
    enum { CELLS = 4096 };
    unsigned failed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        static unsigned cells[CELLS];
        for (unsigned i = 0; i < CELLS; i++)
            cells[i] = 0;
        uint64_t state = seed << 40;
        for (unsigned i = 0; i < DRAWS; i++)
            cells[(unsigned)(-expm1(-random_exponential(&state)) * CELLS) % CELLS]++;
        double distance = 0, below = 0;
        for (unsigned i = 0; i < CELLS; i++) {
            below += cells[i];
            distance = fmax(distance, fabs(below / DRAWS - (i + 1.0) / CELLS));
        }
        failed += distance > 1.95 / sqrt(DRAWS);
    }
    ck_assert_uint_le(failed, 2);
}
END_TEST

static const struct {
    size_t bytes, mean;
} chances[] = {
    {8, 100},
    {64, 512},
    {96, 4096},
    {4096, 4096},
    {32 << 10, 4096},
    {16, 512 << 10},
    {1024, 512 << 10},
    {32 << 10, 512 << 10},
    {1 << 20, 512 << 10},
    {24 << 20, 512 << 10},
};

/* How many blocks there are to the next sample: k with (1 - p)^(k - 1) p. By chi-square over
 * twenty classes that are about equally probable, and the rest. */
START_TEST(test_geometric)
{
    enum { CLASSES = 20, COUNT = 200 * 1000 };
    size_t bytes = chances[_i].bytes, mean = chances[_i].mean;
    double x = (double)bytes / (double)mean, p = -expm1(-x), sum = 0;
    unsigned counts[CLASSES] = {0};
    uint64_t state = bytes, ends[CLASSES];
    for (unsigned i = 0; i < CLASSES; i++) /* the class of k ends there, at k blocks or fewer */
        ends[i] = i == CLASSES - 1 ? UINT64_MAX : (uint64_t)(-log1p(-(i + 1.0) / CLASSES) / x) + 1;
    for (unsigned n = 0; n < COUNT; n++) {
        uint64_t blocks = random_geometric(&state, bytes, mean);
        REQUIRE(blocks >= 1, "none");
        sum += (double)blocks;
        unsigned i = 0;
        while (blocks > ends[i])
            i++;
        counts[i]++;
    }
    ck_assert_double_eq_tol(sum / COUNT * p, 1, 4.5 * sqrt((1 - p) / COUNT) + 1e-12);
    double chi = 0, before = 1; /* chance of more blocks than the classes so far have */
    unsigned classes = 0;
    for (unsigned i = 0; i < CLASSES; i++) {
        double after = i == CLASSES - 1 ? 0 : exp(-x * (double)ends[i]);
        double expected = COUNT * (before - after);
        if (expected < 5)
            REQUIRE(counts[i] < 40, "class %u: %u, expected %g", i, counts[i], expected);
        else {
            chi += (counts[i] - expected) * (counts[i] - expected) / expected;
            classes++;
        }
        before = after;
    }
    REQUIRE(chi < classes + 5 * sqrt(2.0 * classes), "chi-square %g of %u classes", chi, classes);
}
END_TEST

START_TEST(test_every_block)
{
    uint64_t state = 3;
    for (size_t mean = 0; mean <= 1; mean++)
        for (size_t bytes = 1; bytes < 1000; bytes++) {
            ck_assert_uint_eq(random_geometric(&state, bytes, mean), 1);
            ck_assert_double_eq(random_weight(bytes, mean), 1);
        }
}
END_TEST

/* No size and no mean is too large. */
START_TEST(test_geometric_ends)
{
    uint64_t state = -UINT64_C(0x9e3779b97f4a7c15); /* whose number is the largest: 44 */
    ck_assert_uint_eq(random_geometric(&state, 1, SIZE_MAX), UINT64_MAX);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_uint_gt(random_geometric(&state, 8, SIZE_MAX), 1000 * 1000);
        ck_assert_uint_eq(random_geometric(&state, SIZE_MAX, 512 * kib), 1);
        ck_assert_uint_ge(random_geometric(&state, SIZE_MAX, SIZE_MAX), 1);
    }
}
END_TEST

START_TEST(test_weight)
{
    static const size_t means[] = {2, 100, 512 << 10, (size_t)1 << 40, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(means); i++)
        for (double size = 1; size < 0x1p62; size *= 1.37) {
            size_t bytes = (size_t)size;
            double expected = -1 / expm1(-((double)bytes / (double)means[i]));
            double got = random_weight(bytes, means[i]);
            REQUIRE(fabs(got / expected - 1) < 2e-15, "%zu of %zu: %.17g, not %.17g", bytes,
                    means[i], got, expected);
        }
}
END_TEST

/* Samples stand for as many bytes as there are, whatever the sizes. */
START_TEST(test_samples_stand_for_all)
{
    static const size_t sizes[] = {8, 48, 512, 5000, 32 << 10, 600 << 10, 9 << 20};
    double estimate = 0, truth = 0, variance = 0;
    uint64_t state = 4;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        double bytes = (double)sizes[i], p = -expm1(-bytes / (512.0 * 1024));
        uint64_t blocks = 4096 * mib / sizes[i];
        for (uint64_t at = 0; (at += random_geometric(&state, sizes[i], 512 * kib)) <= blocks;)
            estimate += bytes * random_weight(sizes[i], 512 * kib);
        truth += bytes * (double)blocks;
        variance += (double)blocks * bytes * bytes * (1 - p) / p;
    }
    ck_assert_double_eq_tol(estimate / truth, 1, 4 * sqrt(variance) / truth);
}
END_TEST

Suite *suite_random(void)
{
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("numbers");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_equal_states_give_equal_numbers);
    tcase_add_test(tests, test_bits_are_even);
    tcase_add_test(tests, test_exponential_is_a_logarithm);
    tcase_add_test(tests, test_exponential_ends);
    tcase_add_test(tests, test_exponential_has_its_moments_and_tail);
    tcase_add_test(tests, test_exponential_is_exponential_everywhere);
    tcase_add_loop_test(tests, test_geometric, 0, COUNT_OF(chances));
    tcase_add_test(tests, test_every_block);
    tcase_add_test(tests, test_geometric_ends);
    tcase_add_test(tests, test_weight);
    tcase_add_test(tests, test_samples_stand_for_all);
    suite_add_tcase(suite, tests);
    return suite;
}
