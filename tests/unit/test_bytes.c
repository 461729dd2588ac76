/* test_bytes.c: the library's own memcpy and its like, at all lengths and alignments, against loops
 * over single bytes. (In builds with a sanitizer these are the sanitizer's.) */
#include "suites.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 16384, ALIGNMENTS = 34 };

/* The compiler may not expand the calls in place. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile fill)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static unsigned char from[ROOM], to[ROOM], expected[ROOM];

/* What is looked at for n bytes: they, and what lies around them. */
static size_t room(size_t n)
{
    return n + 700;
}

static void check_room(size_t n, size_t at, size_t from_at)
{
    for (size_t i = 0; i < room(n); i++)
        REQUIRE(to[i] == expected[i], "byte %zu of %zu bytes from %zu to %zu", i, n, from_at, at);
}

static void check_copy(size_t n, size_t at, size_t from_at)
{
    unit_fill(to, room(n), 1);
    unit_fill(expected, room(n), 1);
    for (size_t i = 0; i < n; i++)
        expected[at + i] = from[from_at + i];
    ck_assert_ptr_eq(copy(to + at, from + from_at, n), to + at);
    check_room(n, at, from_at);
}

static void check_move(size_t n, size_t at, size_t from_at)
{
    unit_fill(to, room(n), 1);
    unit_fill(expected, room(n), 1);
    for (size_t i = 0; i < n; i++)
        expected[at + i] = to[from_at + i];
    ck_assert_ptr_eq(move(to + at, to + from_at, n), to + at);
    check_room(n, at, from_at);
}

static void check_fill(size_t n, size_t at)
{
    unit_fill(to, room(n), 1);
    unit_fill(expected, room(n), 1);
    for (size_t i = 0; i < n; i++)
        expected[at + i] = 0xa5;
    ck_assert_ptr_eq(fill(to + at, 0x7a5, n), to + at);
    check_room(n, at, 0);
}

static size_t next_length(size_t n)
{
    return n < 300 ? n + 1 : n + n / 13;
}

static void check_all(void)
{
    unit_fill(from, ROOM, 2);
    for (size_t n = 0; room(n) < ROOM; n = next_length(n))
        for (size_t at = 0; at < ALIGNMENTS; at += 1 + at / 4) {
            check_copy(n, at, (at * 7 + 5) % ALIGNMENTS);
            check_fill(n, at);
            check_move(n, at, (at * 7 + 5) % ALIGNMENTS);
        }
}

START_TEST(test_all_lengths)
{
    check_all();
}
END_TEST

/* What a processor without registers of 32 bytes does, and what all do before constructors run. */
extern bool bytes_are_wide __attribute__((weak, visibility("hidden")));

START_TEST(test_narrow)
{
    if (&bytes_are_wide == NULL) {
        printf("skipped test_narrow: there is one width\n");
        return;
    }
    bytes_are_wide = false;
    check_all();
}
END_TEST

START_TEST(test_moves_over_itself)
{
    for (size_t n = 0; n < 5000; n = next_length(n))
        for (size_t distance = 0; distance <= 600; distance += 1 + distance / 5) {
            check_move(n, 10, 10 + distance);
            check_move(n, 10 + distance, 10);
        }
}
END_TEST

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

START_TEST(test_compares)
{
    for (size_t n = 0; n < 70; n++)
        for (size_t different = 0; different <= n; different++) {
            unit_fill(to, n + 1, 3);
            unit_fill(from, n + 1, 3);
            to[different] = 0x80;
            from[different] = 0x7f;
            ck_assert_int_eq(sign(compare(to, from, n)), different < n);
            ck_assert_int_eq(sign(compare(from, to, n)), different < n ? -1 : 0);
        }
}
END_TEST

START_TEST(test_texts)
{
    size_t (*volatile length)(const char *) = strlen;
    int (*volatile order)(const char *, const char *) = strcmp;
    int (*volatile order_of)(const char *, const char *, size_t) = strncmp;
    char *(*volatile find)(const char *, int) = strchr;
    char *(*volatile find_last)(const char *, int) = strrchr;
    size_t (*volatile inside)(const char *, const char *) = strspn;
    size_t (*volatile outside)(const char *, const char *) = strcspn;
    const char *text = "one, two";
    ck_assert_uint_eq(length(""), 0);
    ck_assert_uint_eq(length(text), 8);
    ck_assert_int_eq(order(text, "one, two"), 0);
    ck_assert_int_lt(order("one", text), 0);
    ck_assert_int_gt(order("\xff", "\x01"), 0);
    ck_assert_int_eq(order_of("one!", text, 3), 0);
    ck_assert_int_lt(order_of("one!", "one\xff", 4), 0);
    ck_assert_int_eq(order_of("a", "a", 100), 0);
    ck_assert_ptr_eq(find(text, 't'), text + 5);
    ck_assert_ptr_eq(find(text, 'x'), NULL);
    ck_assert_ptr_eq(find(text, '\0'), text + 8);
    ck_assert_ptr_eq(find_last(text, 'o'), text + 7);
    ck_assert_ptr_eq(find_last(text, ','), text + 3);
    ck_assert_ptr_eq(find_last(text, 'x'), NULL);
    ck_assert_ptr_eq(find_last(text, '\0'), text + 8);
    ck_assert_uint_eq(inside(text, "neo"), 3);
    ck_assert_uint_eq(inside(text, ""), 0);
    ck_assert_uint_eq(outside(text, " ,"), 3);
    ck_assert_uint_eq(outside(text, "x"), 8);
}
END_TEST

Suite *suite_bytes(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, test_all_lengths);
    tcase_add_test(tests, test_narrow);
    tcase_add_test(tests, test_moves_over_itself);
    tcase_add_test(tests, test_compares);
    tcase_add_test(tests, test_texts);
    suite_add_tcase(suite, tests);
    return suite;
}
