/* test_report.c: text without allocation. */
#include "suites.h"
#include "unit.h"

#include "base/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect(const struct report_line *line, const char *text)
{
    ck_assert_uint_eq(line->length, strlen(text));
    if (memcmp(line->text, text, line->length) != 0)
        ck_abort_msg("'%.*s' instead of '%s'", (int)line->length, line->text, text);
}

START_TEST(test_conversions)
{
    struct report_line line = {.length = 0};
    report_append(&line, "%s|%d|%d|%d|%u|%zu|%zx|%p|%%", "text", 0, -1, INT_MIN, UINT_MAX, SIZE_MAX,
                  (size_t)0xfed0, (void *)0xabcdef0);
    expect(&line, "text|0|-1|-2147483648|4294967295|18446744073709551615|fed0|0xabcdef0|%");
}
END_TEST

START_TEST(test_appends)
{
    struct report_line line = {.length = 0};
    report_append(&line, "one");
    report_append(&line, ", %s", "two");
    report_append(&line, "%s", "");
    expect(&line, "one, two");
}
END_TEST

START_TEST(test_cuts)
{
    struct report_line line = {.length = 0};
    char long_text[600];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    report_append(&line, "a%s%zu", long_text, (size_t)12345);
    ck_assert_uint_eq(line.length, sizeof line.text);
    ck_assert_int_eq(line.text[sizeof line.text - 1], 'x');
    report_append(&line, "more");
    ck_assert_uint_eq(line.length, sizeof line.text);
}
END_TEST

/* A pipe takes less than this at once. */
START_TEST(test_write_all)
{
    static char big[200000];
    char found[sizeof big];
    int ends[2];
    memset(big, 'y', sizeof big);
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(report_write(ends[1], big, sizeof big) == 0 ? 0 : 1);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], found + length, sizeof found - length)) > 0)
        length += (size_t)got;
    ck_assert_uint_eq(length, sizeof big);
    ck_assert_mem_eq(found, big, sizeof big);
}
END_TEST

START_TEST(test_write_fails)
{
    errno = 0;
    ck_assert_int_eq(report_write(-1, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(report_write(-1, "", 0), 0);
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) {
        ck_assert_int_eq(report_write(full, "x", 1), -1);
        ck_assert_int_eq(errno, ENOSPC);
    }
}
END_TEST

static void warn(void *argument)
{
    errno = 77;
    report_warning("%s %d", (const char *)argument, 5);
    if (errno != 77)
        _exit(1);
}

START_TEST(test_warning)
{
    char text[2048];
    ck_assert_int_eq(unit_child(warn, (char[]){"careful:"}, text, sizeof text), 0);
    ck_assert_str_eq(text, "molt: warning: careful: 5\n");
}
END_TEST

START_TEST(test_long_warning_ends_its_line)
{
    char text[2048], words[1000];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    ck_assert_int_eq(unit_child(warn, words, text, sizeof text), 0);
    ck_assert_uint_eq(strlen(text), sizeof((struct report_line *)0)->text);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

static void end_fatally(void *argument)
{
    report_fatal("%s", (const char *)argument);
}

START_TEST(test_fatal)
{
    unit_expect_abort(end_fatally, (char[]){"the end"}, "molt: error: the end\n");
}
END_TEST

Suite *suite_report(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_test(tests, test_conversions);
    tcase_add_test(tests, test_appends);
    tcase_add_test(tests, test_cuts);
    tcase_add_test(tests, test_write_all);
    tcase_add_test(tests, test_write_fails);
    tcase_add_test(tests, test_warning);
    tcase_add_test(tests, test_long_warning_ends_its_line);
    tcase_add_test(tests, test_fatal);
    suite_add_tcase(suite, tests);
    return suite;
}
