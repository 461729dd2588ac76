/* test_lock.c: the order of locks, which debug builds assert. */
#include "suites.h"
#include "unit.h"

#include "base/lock.h"

#include <stdio.h>

static struct lock low = LOCK_INIT(RANK_OWNER), same = LOCK_INIT(RANK_OWNER);
static struct lock high = LOCK_INIT(RANK_ARENA);

/* Else says that the test is skipped. */
static bool asserts_order(const char *test)
{
#ifdef MOLT_DEBUG
    (void)test;
    return true;
#else
    printf("skipped %s: only debug builds assert the order of locks\n", test);
    return false;
#endif
}

static void acquire(void *lock)
{
    lock_acquire(lock);
}

/* In order, let go of in any order, again and again; trying is free. */
START_TEST(test_in_order)
{
    for (int i = 0; i < 3; i++) {
        lock_acquire(&low);
        lock_acquire(&high);
        if (i % 2 == 0) {
            lock_release(&low);
            lock_release(&high);
        } else {
            lock_release(&high);
            lock_release(&low);
        }
        lock_acquire(&high);
        ck_assert(lock_try(&low));
        ck_assert(!lock_try(&low));
        lock_release(&low);
        lock_release(&high);
    }
}
END_TEST

START_TEST(test_out_of_order)
{
    if (!asserts_order("test_out_of_order"))
        return;
    lock_acquire(&high);
    unit_expect_error(acquire, &low, "lock order: lock 'owner' is waited for while lock 'arena'");
    lock_release(&high);
}
END_TEST

/* What was had by trying counts as held; a lock's own rank is not above it. */
START_TEST(test_same_rank)
{
    if (!asserts_order("test_same_rank"))
        return;
    ck_assert(lock_try(&low));
    unit_expect_error(acquire, &same, "lock order: lock 'owner' is waited for while lock 'owner'");
    lock_release(&low);
    acquire(&same);
    lock_release(&same);
}
END_TEST

START_TEST(test_without_a_rank)
{
    static struct lock none;
    if (asserts_order("test_without_a_rank"))
        unit_expect_error(acquire, &none, "lock order: a lock without a rank");
}
END_TEST

Suite *suite_lock(void)
{
    Suite *suite = suite_create("lock");
    TCase *ranks = tcase_create("ranks");
    tcase_add_test(ranks, test_in_order);
    tcase_add_test(ranks, test_out_of_order);
    tcase_add_test(ranks, test_same_rank);
    tcase_add_test(ranks, test_without_a_rank);
    suite_add_tcase(suite, ranks);
    return suite;
}
