/* test_ctl.c: reading and setting options at run time. */
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "molt.h"

#include <errno.h>
#include <string.h>

static void expect_error(int result, int error)
{
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(errno, error);
    errno = 0;
}

static int set(const char *name, const char *value)
{
    return molt_ctl(name, NULL, NULL, value, strlen(value));
}

START_TEST(test_read)
{
    char value[32];
    size_t length = sizeof value;
    memset(value, 'x', sizeof value);
    ck_assert_int_eq(molt_ctl("decay", value, &length, NULL, 0), 0);
    ck_assert_str_eq(value, "500ms");
    ck_assert_uint_eq(length, 6);
    length = 6;
    ck_assert_int_eq(molt_ctl("decay", value, &length, NULL, 0), 0);
    ck_assert_uint_eq(length, 6);
}
END_TEST

START_TEST(test_read_with_too_little_room)
{
    char value[32] = "unread";
    size_t length = 5;
    expect_error(molt_ctl("decay", value, &length, NULL, 0), ERANGE);
    ck_assert_uint_eq(length, 6); /* what it takes */
    ck_assert_str_eq(value, "unread");
    length = 0;
    ck_assert_int_eq(molt_ctl("decay", NULL, &length, NULL, 0), 0);
    ck_assert_uint_eq(length, 6);
}
END_TEST

START_TEST(test_set)
{
    ck_assert_int_eq(set("decay", "2s"), 0);
    ck_assert_uint_eq(options.decay, 2000);
    ck_assert_int_eq(set("dirty", "3M"), 0);
    ck_assert_uint_eq(options.dirty, 3 << 20);
    ck_assert_int_eq(molt_ctl("huge_cache", NULL, NULL, "12K and more", 3), 0);
    ck_assert_uint_eq(options.huge_cache, 12 << 10);
    ck_assert_int_eq(molt_ctl("stats", NULL, NULL, "1", 2), 0); /* its NUL counted */
    ck_assert_uint_eq(options.stats, 1);
    ck_assert_int_eq(set("stats", "no"), 0); /* or they are written at exit */
}
END_TEST

START_TEST(test_exchange)
{
    char value[32];
    size_t length = sizeof value;
    ck_assert_int_eq(molt_ctl("decay", value, &length, "9s", 2), 0);
    ck_assert_str_eq(value, "500ms");
    ck_assert_uint_eq(options.decay, 9000);
    ck_assert_int_eq(molt_ctl("decay", NULL, NULL, value, length), 0); /* and back */
    ck_assert_uint_eq(options.decay, 500);
    length = 2;
    expect_error(molt_ctl("decay", value, &length, "9s", 2), ERANGE);
    ck_assert_uint_eq(options.decay, 500); /* all or nothing */
}
END_TEST

START_TEST(test_errors)
{
    char value[32];
    size_t length = sizeof value;
    struct options before = options;
    errno = 0;
    expect_error(molt_ctl(NULL, NULL, NULL, NULL, 0), EINVAL);
    expect_error(molt_ctl("decay", value, NULL, NULL, 0), EINVAL);
    expect_error(molt_ctl("nothing", value, &length, NULL, 0), ENOENT);
    expect_error(set("nothing", "1"), ENOENT);
    expect_error(set("", "1"), ENOENT);
    expect_error(set("decay", "soon"), EINVAL);
    expect_error(set("decay", ""), EINVAL);
    expect_error(set("dirty", "99999999999999999999"), EINVAL);
    expect_error(set("reserve", "1G"), EPERM);
    expect_error(set("fail_os", "1"), EPERM);
    expect_error(set("reserve", "much"), EINVAL);
    ck_assert_mem_eq(&before, &options, sizeof options);
}
END_TEST

/* Setting works without an allocation before, and allocation goes on after it. */
START_TEST(test_takes_effect)
{
    ck_assert_int_eq(set("huge_cache", "0"), 0);
    molt_free(molt_malloc(5 << 20));
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.cached_bytes, 0);
    ck_assert_int_eq(set("huge_cache", "64M"), 0);
    molt_free(molt_malloc(5 << 20));
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.cached_bytes, 5 << 20);
}
END_TEST

Suite *suite_ctl(void)
{
    Suite *suite = suite_create("ctl");
    TCase *tests = tcase_create("ctl");
    tcase_add_test(tests, test_read);
    tcase_add_test(tests, test_read_with_too_little_room);
    tcase_add_test(tests, test_set);
    tcase_add_test(tests, test_exchange);
    tcase_add_test(tests, test_errors);
    tcase_add_test(tests, test_takes_effect);
    suite_add_tcase(suite, tests);
    return suite;
}
