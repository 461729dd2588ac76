/* test_profile_decimal.c: numbers that stand as text. */
#include "suites.h"
#include "unit.h"

#include "profile/decimal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MODULUS UINT64_C(100000000000000)

static _Alignas(DECIMAL_BYTES) char cell[DECIMAL_BYTES + 1] = "00000000000000: ";

static void expect(uint64_t number, bool hides)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%014" PRIu64 ": ", number);
    if (hides && number == 0)
        wanted[0] = '#';
    REQUIRE(strcmp(cell, wanted) == 0, "%s, wanted %s", cell, wanted);
}

/* All carries: each sum of two numbers of one digit at each place, upon all nines too. */
START_TEST(test_carries)
{
    for (uint64_t place = 1; place < MODULUS; place *= 10) {
        for (uint64_t a = 0; a < 10; a++) {
            for (uint64_t b = 0; b < 10; b++) {
                decimal_set(cell, a * place);
                decimal_add(cell, b * place);
                expect((a + b) * place % MODULUS, false);
                decimal_subtract(cell, b * place);
                expect(a * place, false);
            }
        }
        decimal_set(cell, MODULUS - place);
        decimal_add(cell, place);
        expect(0, false);
        decimal_subtract(cell, place);
        expect(MODULUS - place, false);
    }
}
END_TEST

START_TEST(test_random_numbers)
{
    uint64_t state = 1, number = 0;
    for (unsigned i = 0; i < 200000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t change = (state >> 11) % (i % 3 == 0 ? MODULUS : 1000);
        bool hides = (state >> 60 & 1) != 0;
        if ((state >> 61 & 1) != 0) {
            number = (number + change) % MODULUS;
            hides ? decimal_add_hiding(cell, change) : decimal_add(cell, change);
        } else {
            number = (number + MODULUS - change) % MODULUS;
            hides ? decimal_subtract_hiding(cell, change) : decimal_subtract(cell, change);
        }
        expect(number, hides);
    }
}
END_TEST

START_TEST(test_hiding)
{
    decimal_set(cell, 0);
    expect(0, false);
    decimal_add_hiding(cell, 0);
    expect(0, true);
    decimal_add_hiding(cell, 1);
    expect(1, true);
    decimal_subtract_hiding(cell, 1);
    expect(0, true);
    decimal_add(cell, 12);
    expect(12, false);
}
END_TEST

enum { THREADS = 4, ROUNDS = 100000 };

static void *count(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        decimal_add_hiding(cell, 1000 + i % 2);
        decimal_subtract_hiding(cell, 999);
    }
    return unused;
}

START_TEST(test_threads)
{
    pthread_t threads[THREADS];
    decimal_set(cell, 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect(THREADS * (ROUNDS + ROUNDS / 2), true);
}
END_TEST

Suite *suite_profile_decimal(void)
{
    Suite *suite = suite_create("profile_decimal");
    TCase *tests = tcase_create("cells");
    tcase_set_timeout(tests, 30 * patience(1));
    tcase_add_test(tests, test_carries);
    tcase_add_test(tests, test_random_numbers);
    tcase_add_test(tests, test_hiding);
    tcase_add_test(tests, test_threads);
    suite_add_tcase(suite, tests);
    return suite;
}
