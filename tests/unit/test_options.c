/* test_options.c: the parser, its units, and what it says of bad settings. */
#include "suites.h"
#include "unit.h"

#include "base/options.h"

#include <string.h>
#include <sys/wait.h>

static enum option_result set(const char *name, const char *value)
{
    return options_set(name, strlen(name), value, strlen(value), false);
}

static void expect(const char *name, const char *value, const uint64_t *option, uint64_t number)
{
    enum option_result result = set(name, value);
    if (result != OPTION_DONE || *option != number)
        ck_abort_msg("%s=%s: result %d, value %ju", name, value, (int)result, (uintmax_t)*option);
}

START_TEST(test_defaults)
{
    ck_assert_uint_eq(options.decay, 500);
    ck_assert_uint_eq(options.dirty, 256 << 20);
    ck_assert_uint_eq(options.stats, 0);
    ck_assert_uint_eq(options.strict, 0);
    ck_assert_uint_eq(options.fail_os, 0);
}
END_TEST

START_TEST(test_bytes)
{
    expect("dirty", "0", &options.dirty, 0);
    expect("dirty", "123", &options.dirty, 123);
    expect("dirty", "3K", &options.dirty, 3 << 10);
    expect("dirty", "64M", &options.dirty, 64 << 20);
    expect("dirty", "2G", &options.dirty, UINT64_C(2) << 30);
    expect("dirty", "5T", &options.dirty, UINT64_C(5) << 40);
    expect("dirty", "18446744073709551615", &options.dirty, UINT64_MAX);
    expect("dirty", "16777215T", &options.dirty, UINT64_C(16777215) << 40);
}
END_TEST

START_TEST(test_time)
{
    expect("decay", "7", &options.decay, 7);
    expect("decay", "250ms", &options.decay, 250);
    expect("decay", "3s", &options.decay, 3000);
    expect("decay", "0", &options.decay, 0);
}
END_TEST

START_TEST(test_switch)
{
    static const char *const on[] = {"1", "yes", "on", "true", ""};
    static const char *const off[] = {"0", "no", "off", "false"};
    for (size_t i = 0; i < COUNT_OF(on); i++)
        expect("stats", on[i], &options.stats, 1);
    for (size_t i = 0; i < COUNT_OF(off); i++)
        expect("stats", off[i], &options.stats, 0);
}
END_TEST

START_TEST(test_gc)
{
    char text[32];
    expect("gc", "incremental", &options.gc, GC_INCREMENTAL);
    ck_assert_int_eq(options_get("gc", 2, text, sizeof text), 11);
    ck_assert_str_eq(text, "incremental");
    ck_assert_int_eq(set("gc", "1"), OPTION_BAD_VALUE);
    ck_assert_int_eq(set("gc", ""), OPTION_BAD_VALUE);
    expect("gc", "generational", &options.gc, GC_GENERATIONAL);
    expect("prof_stack", "fp", &options.prof_stack, STACK_FP);
    expect("prof_stack", "libgcc", &options.prof_stack, STACK_LIBGCC);
    expect("prof_stack", "libunwind", &options.prof_stack, STACK_LIBUNWIND);
    expect("prof_stack", "tables", &options.prof_stack, STACK_TABLES);
    expect("prof_stack", "auto", &options.prof_stack, STACK_AUTO);
}
END_TEST

START_TEST(test_signal)
{
    expect("prof_signal", "USR2", &options.prof_signal, 12);
    expect("prof_signal", "SIGUSR1", &options.prof_signal, 10);
    expect("prof_signal", "0", &options.prof_signal, 0);
    expect("prof_signal", "1", &options.prof_signal, 1);
    expect("prof_signal", "34", &options.prof_signal, 34);
    expect("prof_signal", "64", &options.prof_signal, 64);
}
END_TEST

static void expect_text(const char *value)
{
    char text[OPTION_TEXT_SIZE];
    ck_assert_int_eq(set("prof_out", value), OPTION_DONE);
    ck_assert_str_eq(options.prof_out, value);
    ck_assert_int_eq(options_get("prof_out", 8, text, sizeof text), (long)strlen(value));
    ck_assert_str_eq(text, value);
}

START_TEST(test_text)
{
    char longest[OPTION_TEXT_SIZE + 1];
    const char *before = options.prof_out;
    ck_assert_str_eq(before, "molt.%e.%p.%n.heap");
    expect_text("a");
    expect_text("");
    expect_text("what stands in no list: , # and blanks");
    ck_assert_str_eq(before, "molt.%e.%p.%n.heap");
    memset(longest, 'x', sizeof longest);
    longest[OPTION_TEXT_SIZE - 1] = '\0';
    expect_text(longest);
    before = options.prof_out;
    longest[OPTION_TEXT_SIZE - 1] = 'x';
    longest[OPTION_TEXT_SIZE] = '\0';
    ck_assert_int_eq(set("prof_out", longest), OPTION_BAD_VALUE);
    ck_assert_int_eq(options_set("prof_out", 8, "a\0b", 3, false), OPTION_BAD_VALUE);
    expect_text("b");
    ck_assert_uint_eq(strlen(before), OPTION_TEXT_SIZE - 1); /* for who still reads it */
}
END_TEST

START_TEST(test_text_in_a_list)
{
    options_parse("prof_out=/var/%e=%p.heap, stats=1 # and more", "a test");
    ck_assert_str_eq(options.prof_out, "/var/%e=%p.heap");
    ck_assert_uint_eq(options.stats, 1);
    ck_assert_int_eq(set("stats", "0"), OPTION_DONE); /* or they are written at exit */
}
END_TEST

START_TEST(test_bad_values)
{
    static const char *const bad[][2] = {
        {"dirty", ""},
        {"dirty", "M"},
        {"dirty", "-1"},
        {"dirty", "+1"},
        {"dirty", " 1"},
        {"dirty", "1 "},
        {"dirty", "1.5M"},
        {"dirty", "64MB"},
        {"dirty", "0x10"},
        {"dirty", "18446744073709551616"},
        {"dirty", "99999999999999999999999"},
        {"dirty", "16777216T"},
        {"dirty", "1s"},
        {"decay", ""},
        {"decay", "1M"},
        {"decay", "1m"},
        {"decay", "ms"},
        {"decay", "18446744073709551s1"},
        {"decay", "18446744073709552s"},
        {"stats", "2"},
        {"stats", "maybe"},
        {"stats", "YES"},
        {"fail_os", "1K"},
        {"fail_os", ""},
        {"prof_signal", ""},
        {"prof_signal", "USR3"},
        {"prof_signal", "SIG12"},
        {"prof_signal", "SIG"},
        {"prof_signal", "usr2"},
        {"prof_signal", "SEGV"},
        {"prof_signal", "KILL"},
        {"prof_signal", "9"},
        {"prof_signal", "11"},
        {"prof_signal", "19"},
        {"prof_signal", "33"},
        {"prof_signal", "65"},
        {"prof_signal", "18446744073709551615"},
    };
    struct options before = options;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum option_result result = set(bad[i][0], bad[i][1]);
        if (result != OPTION_BAD_VALUE)
            ck_abort_msg("%s=%s: result %d", bad[i][0], bad[i][1], (int)result);
    }
    ck_assert_mem_eq(&before, &options, sizeof options);
}
END_TEST

START_TEST(test_unknown)
{
    static const char *const names[] = {"", "deca", "decays", "Decay", "nothing", "dirty "};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_int_eq(set(names[i], "1"), OPTION_UNKNOWN);
}
END_TEST

START_TEST(test_fixed)
{
    struct options before = options;
    ck_assert_int_eq(options_set("reserve", 7, "1G", 2, true), OPTION_FIXED);
    ck_assert_int_eq(options_set("strict", 6, "1", 1, true), OPTION_FIXED);
    ck_assert_int_eq(options_set("reserve", 7, "1X", 2, true), OPTION_BAD_VALUE);
    ck_assert_mem_eq(&before, &options, sizeof options);
    ck_assert_int_eq(options_set("decay", 5, "9ms", 3, true), OPTION_DONE);
    ck_assert_uint_eq(options.decay, 9);
}
END_TEST

/* What options_get writes, options_set reads. */
START_TEST(test_get_and_set_again)
{
    static const char *const names[] = {
#define X(name, type, preset, fixed, description) #name,
        OPTION_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char text[64], again[64];
        long length = options_get(names[i], strlen(names[i]), text, sizeof text);
        ck_assert_int_ge(length, 0); /* 0: an empty text */
        ck_assert_uint_eq((size_t)length, strlen(text));
        ck_assert_int_eq(set(names[i], text), OPTION_DONE);
        ck_assert_int_eq(options_get(names[i], strlen(names[i]), again, sizeof again), length);
        ck_assert_str_eq(text, again);
    }
}
END_TEST

START_TEST(test_get)
{
    char text[8] = "unread";
    options.decay = 1234;
    ck_assert_int_eq(options_get("decay", 5, text, sizeof text), 6);
    ck_assert_str_eq(text, "1234ms");
    strcpy(text, "unread");
    ck_assert_int_eq(options_get("decay", 5, text, 6), 6); /* no room for the NUL */
    ck_assert_str_eq(text, "unread");
    ck_assert_int_eq(options_get("decay", 5, NULL, 0), 6);
    ck_assert_int_eq(options_get("dekay", 5, text, sizeof text), -1);
}
END_TEST

static void parse(void *text)
{
    options_parse(text, "MOLT");
}

/* The values must be there, and nothing said. */
static void parse_silently(void *text)
{
    options_parse(text, "MOLT");
    if (options.decay != 2000 || options.dirty != 1 << 20 || options.stats != 1)
        _exit(1);
}

START_TEST(test_lists)
{
    static const char *const lists[] = {
        "decay=2s,dirty=1M,stats=1",
        "decay=2s\ndirty=1M\nstats",
        ",,decay=2s,,dirty=1024K,stats=yes,",
        "# a comment, decay=5s\ndecay=2s # decay=7s\n\n  dirty=1M\nstats=on\n",
        "decay=1s,dirty=2M,stats=0,decay=2s,dirty=1M,stats=1",
        "\tdecay=2000ms dirty=1M stats=true#",
        "decay = 2s, dirty =1M stats= 1\r\n",
    };
    char text[2048];
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        char list[256];
        strcpy(list, lists[i]);
        int status = unit_child(parse_silently, list, text, sizeof text);
        if (status != 0 || text[0] != '\0')
            ck_abort_msg("'%s': status %d, said '%s'", lists[i], status, text);
    }
}
END_TEST

START_TEST(test_empty_lists)
{
    struct options before = options;
    options_parse("", "MOLT");
    options_parse(" , \n,\t#", "MOLT");
    ck_assert_mem_eq(&before, &options, sizeof options);
}
END_TEST

static void expect_words(const char *setting, const char *words)
{
    char list[2048], text[2048];
    strcpy(list, setting);
    int status = unit_child(parse, list, text, sizeof text);
    if (status != 0 || strncmp(text, "molt: warning: ", 15) != 0 || strstr(text, words) == NULL)
        ck_abort_msg("'%s': status %d, said '%s', not '%s'", setting, status, text, words);
    if (strchr(text, '\n') != strrchr(text, '\n'))
        ck_abort_msg("'%s': more than one line: '%s'", setting, text);
}

START_TEST(test_nearest_name)
{
    expect_words("deccay=1s", "did you mean 'decay'?");
    expect_words("drty=1M", "did you mean 'dirty'?");
    expect_words("dirty=1M,hugecache=1M", "did you mean 'huge_cache'?");
    expect_words("Verbose=1", "did you mean 'verbose'?");
    expect_words("strikt", "did you mean 'strict'?");
}
END_TEST

/* Three typing errors are too many, and so are as many as there are letters. */
START_TEST(test_no_near_name)
{
    static const char *const far[] = {"statistics=1", "decoys1=1s", "nothing", "=5",
                                      "g=1",          "x",          "ab=1"};
    for (size_t i = 0; i < COUNT_OF(far); i++) {
        char list[64], text[2048];
        strcpy(list, far[i]);
        expect_words(list, "': the options are decay, dirty, huge_cache, ");
        unit_child(parse, list, text, sizeof text);
        REQUIRE(strstr(text, "did you mean") == NULL, "'%s': said '%s'", list, text);
    }
    expect_words("gv=generational", "did you mean 'gc'?");
    expect_words("gc_slise=1", "did you mean 'gc_slice'?");
}
END_TEST

/* Each type says what it takes. */
START_TEST(test_bad_values_are_told)
{
    expect_words("decay=5x", "'decay=5x' has no valid value: a time, a number with ms, s ");
    expect_words("decay", "'decay' has no valid value: a time");
    expect_words("decay=99999999999999999999", "up to 18446744073709551s");
    expect_words("dirty=big", "'dirty=big' has no valid value: a size, a number with K, M, G, T ");
    expect_words("dirty=16777216T", "up to 16777215T");
    expect_words("stats=2", "0 or 1, no or yes, off or on, false or true");
    expect_words("gc=fast", "generational or incremental");
    expect_words("prof_stack=all", "auto, tables, libunwind, libgcc or fp");
    expect_words("gc_slice=1s", "a number from 0 to 18446744073709551615");
}
END_TEST

/* All that is wrong is told, in its order, and what is right between is taken. */
START_TEST(test_all_bad_settings_are_told)
{
    char list[] = "decay=soon,dirty=1M,nothing=1 dekay=3s # stats=9\nstats=9", text[4096];
    ck_assert_int_eq(unit_child(parse, list, text, sizeof text), 0);
    const char *at = text;
    static const char *const told[] = {"'decay=soon'", "'nothing=1'", "'dekay=3s'", "'stats=9'"};
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        REQUIRE(strncmp(at, "molt: warning: MOLT: ", 21) == 0, "%s", at);
        const char *end = strchr(at, '\n'), *found = strstr(at, told[i]);
        REQUIRE(end != NULL && found != NULL && found < end, "%s: %s", told[i], text);
        at = end + 1;
    }
    ck_assert_str_eq(at, "");
}
END_TEST

START_TEST(test_long_settings_are_cut)
{
    char list[1500];
    memset(list, 'a', sizeof list - 1);
    list[sizeof list - 1] = '\0';
    expect_words(list, "unknown option 'aaaaaaaa");
    memcpy(list, "decay=", 6);
    expect_words(list, "'decay=aaaaaaa");
}
END_TEST

START_TEST(test_strict)
{
    unit_expect_abort(parse, (char[]){"strict=1,deccay=1s"}, "did you mean 'decay'?");
    unit_expect_abort(parse, (char[]){"decay=1x,strict"}, "'decay=1x' has no valid value");
    unit_expect_abort(parse, (char[]){"decay=1x,strict,no=1"}, "error: MOLT: 2 wrong, and strict");
    char text[2048];
    ck_assert_int_eq(unit_child(parse, (char[]){"strict=1,decay=1s"}, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

Suite *suite_options(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    tcase_add_test(tests, test_defaults);
    tcase_add_test(tests, test_bytes);
    tcase_add_test(tests, test_time);
    tcase_add_test(tests, test_switch);
    tcase_add_test(tests, test_gc);
    tcase_add_test(tests, test_signal);
    tcase_add_test(tests, test_text);
    tcase_add_test(tests, test_text_in_a_list);
    tcase_add_test(tests, test_bad_values);
    tcase_add_test(tests, test_unknown);
    tcase_add_test(tests, test_fixed);
    tcase_add_test(tests, test_get_and_set_again);
    tcase_add_test(tests, test_get);
    tcase_add_test(tests, test_lists);
    tcase_add_test(tests, test_empty_lists);
    tcase_add_test(tests, test_nearest_name);
    tcase_add_test(tests, test_no_near_name);
    tcase_add_test(tests, test_bad_values_are_told);
    tcase_add_test(tests, test_all_bad_settings_are_told);
    tcase_add_test(tests, test_long_settings_are_cut);
    tcase_add_test(tests, test_strict);
    suite_add_tcase(suite, tests);
    return suite;
}
