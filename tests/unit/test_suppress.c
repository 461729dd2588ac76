/* test_suppress.c: patterns of known leaks, and the files that hold them. */
#include "suites.h"
#include "unit.h"

#include "profile/stack.h"
#include "profile/suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *pattern, *text;
    bool fits;
} comparisons[] = {
    {"abc", "abc", true},
    {"abc", "xxabcxx", true},
    {"abc", "ab", false},
    {"abc", "", false},
    {"", "abc", true},
    {"", "", true},
    {"^abc", "abcd", true},
    {"^abc", "xabc", false},
    {"abc$", "xabc", true},
    {"abc$", "abcx", false},
    {"^abc$", "abc", true},
    {"^abc$", "abcabc", false},
    {"^$", "", true},
    {"^$", "a", false},
    {"a*c", "xabbbcx", true},
    {"a*c", "xabbbx", false},
    {"a*c*e", "abcde", true},
    {"a*c*e", "abcd", false},
    {"^*c$", "abc", true},
    {"*", "", true},
    {"*tls_get*", "__tls_get_addr", true},
    {"ab*bc", "abbc", true},
    {"ab*bc", "abc", false},
    {"aab", "aaab", true},
    {"^a*b$", "aabab", true},
    {"^a*b$", "aaba", false},
    {"a$c", "a$c", true},
    {"c^a", "c^a", true},
    {"/libfoo", "/usr/lib/libfoo.so.1", true},
    {"libfoo.so$", "/usr/lib/libfoo.so.1", false},
};

START_TEST(test_patterns)
{
    for (unsigned n = 0; n < COUNT_OF(comparisons); n++) {
        const char *pattern = comparisons[n].pattern;
        REQUIRE(suppress_fits(pattern, strlen(pattern), comparisons[n].text) == comparisons[n].fits,
                "'%s' in '%s'", pattern, comparisons[n].text);
    }
}
END_TEST

/* Patterns that a comparison without bounds would take for ever with. */
START_TEST(test_patterns_of_many_stars)
{
    char pattern[100], text[400];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned n = 0; n < sizeof pattern - 1; n++)
        pattern[n] = n % 2 == 0 ? '*' : 'a';
    pattern[sizeof pattern - 1] = 'b';
    ck_assert(!suppress_fits(pattern, sizeof pattern, text));
    text[sizeof text - 2] = 'b';
    ck_assert(suppress_fits(pattern, sizeof pattern, text));
}
END_TEST

/* ---- Files ---- */

static struct suppressions suppressions;

static int begin_with(const char *text, size_t length)
{
    char path[] = "/tmp/suppress.XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, text, length), (ssize_t)length);
    close(file);
    int error = suppress_begin(&suppressions, path);
    unlink(path);
    return error;
}

/* A stack with one frame, in this program. */
static const struct stack *stack_here(void)
{
    static struct {
        struct stack stack;
        uintptr_t frames[1];
    } made;
    made.stack.depth = 1;
    made.stack.frames[0] = (uintptr_t)stack_here + 1;
    return &made.stack;
}

static const struct {
    const char *text;
    bool has;
} files[] = {
    {"leak:/unit$", true},
    {"# a comment\n\n  leak:/unit$  \r\nleak:nothing\n", true},
    {"leak:nothing\nleak:*/un*t$", true},
    {"leak:nothing", false},
    {"", false},
    {"race:/unit$\n#leak:/unit$\nleak:\nleak\nnonsense", false},
};

START_TEST(test_files)
{
    for (unsigned n = 0; n < COUNT_OF(files); n++) {
        ck_assert_int_eq(begin_with(files[n].text, strlen(files[n].text)), 0);
        REQUIRE(suppress_has(&suppressions, stack_here()) == files[n].has, "%s", files[n].text);
        suppress_end(&suppressions);
    }
}
END_TEST

START_TEST(test_without_a_file)
{
    ck_assert_int_eq(suppress_begin(&suppressions, ""), 0);
    ck_assert(!suppress_has(&suppressions, stack_here()));
    suppress_end(&suppressions);
    ck_assert_int_eq(suppress_begin(&suppressions, "/nowhere/at/all"), ENOENT);
    ck_assert(!suppress_has(&suppressions, stack_here()));
    suppress_end(&suppressions);
    ck_assert_int_eq(suppress_begin(&suppressions, "/dev/null"), EINVAL);
    suppress_end(&suppressions);
}
END_TEST

START_TEST(test_a_file_that_is_too_long)
{
    enum { BYTES = 1 << 20 };
    char *text = calloc(1, BYTES);
    memset(text, '#', BYTES);
    ck_assert_int_eq(begin_with(text, BYTES), EFBIG);
    ck_assert(!suppress_has(&suppressions, stack_here()));
    suppress_end(&suppressions);
    free(text);
}
END_TEST

Suite *suite_suppress(void)
{
    Suite *suite = suite_create("suppress");
    TCase *tests = tcase_create("suppress");
    tcase_add_test(tests, test_patterns);
    tcase_add_test(tests, test_patterns_of_many_stars);
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_without_a_file);
    tcase_add_test(tests, test_a_file_that_is_too_long);
    suite_add_tcase(suite, tests);
    return suite;
}
