/* test_value.c: ints, strings and tuples; equality, hashes and texts of all values. */
#include "suites.h"
#include "value.h"

#include <stdio.h>

/* ---- int ---- */

START_TEST(test_int_values)
{
    static const int64_t values[] = {0, -5, -6, 256, 257, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        molt_int *number = molt_int_new(values[i]);
        ck_assert(molt_int_is(number));
        ck_assert_int_eq(molt_int_value(number), values[i]);
        ck_assert(!molt_gc_is_tracked(number));
        molt_release(number);
    }
}
END_TEST

START_TEST(test_small_ints_are_one_object_each)
{
    for (int64_t value = -7; value <= 258; value++) {
        bool is_small = value >= -5 && value <= 256;
        molt_int *one = molt_int_new(value), *other = molt_int_new(value);
        ck_assert_int_eq(one == other, is_small);
        ck_assert_int_eq(molt_refcount(one) == SIZE_MAX, is_small);
        molt_release(one);
        molt_release(other);
    }
    size_t before = unit_live_blocks();
    for (int i = 0; i < 10; i++)
        molt_release(molt_int_new(7)); /* more often than retained: it is immortal */
    molt_int *seven = molt_int_new(7);
    molt_release(seven);
    molt_release(seven);
    ck_assert_int_eq(molt_int_value(seven), 7);
    ck_assert_uint_eq(unit_live_blocks(), before);
}
END_TEST

/* ---- str ---- */

START_TEST(test_str_content)
{
    char bytes[] = "a\0b";
    molt_str *string = molt_str_new(bytes, 3), *empty = molt_str_new(NULL, 0);
    bytes[0] = 'x';
    ck_assert(molt_str_is(string));
    ck_assert_uint_eq(molt_str_length(string), 3);
    ck_assert_mem_eq(molt_str_bytes(string), "a\0b\0", 4);
    ck_assert_uint_eq(molt_str_length(empty), 0);
    ck_assert_str_eq(molt_str_bytes(empty), "");
    expect_errno(molt_str_new(NULL, 1) == NULL, EINVAL);
    expect_errno(molt_str_from(NULL) == NULL, EINVAL);
    expect_errno(molt_str_new("", SIZE_MAX) == NULL, ENOMEM);
    expect_errno(molt_str_new("", PTRDIFF_MAX) == NULL, ENOMEM);
    molt_release(string);
    molt_release(empty);
}
END_TEST

/* In blocks of all kinds. */
START_TEST(test_str_lengths)
{
    static char bytes[3 << 20];
    unit_fill(bytes, sizeof bytes, 1);
    for (size_t length = 1; length < sizeof bytes; length = length * 5 / 3 + 1) {
        molt_str *string = molt_str_new(bytes, length), *same = molt_str_new(bytes, length);
        ck_assert_mem_eq(molt_str_bytes(string), bytes, length);
        ck_assert_int_eq(molt_str_bytes(string)[length], 0);
        ck_assert_int_eq(molt_equal(string, same), 1);
        molt_release(string);
        molt_release(same);
    }
}
END_TEST

START_TEST(test_interned_are_one_object)
{
    molt_str *first = molt_str_from("name"), *second = molt_str_from("name");
    ck_assert_ptr_ne(first, second);
    molt_str *interned = molt_str_intern(first), *same = molt_str_intern(second);
    ck_assert_ptr_eq(interned, first);
    ck_assert_ptr_eq(same, first);
    ck_assert_uint_eq(molt_refcount(first), 3);
    ck_assert_ptr_eq(molt_str_intern(first), first);
    molt_release(first);
    molt_release(first);
    molt_release(same);
    molt_release(second);
    ck_assert_uint_eq(molt_refcount(interned), 1);
    molt_release(interned);
}
END_TEST

START_TEST(test_interning_keeps_nothing)
{
    size_t before = 0; /* after the first round: then the tables of weak references are there */
    for (unsigned round = 0; round < 4; round++) {
        molt_str *kept[1000];
        char name[20];
        for (unsigned i = 0; i < COUNT_OF(kept); i++) {
            molt_str *string = molt_str_new(name, (size_t)sprintf(name, "name %u", i));
            kept[i] = molt_str_intern(string);
            ck_assert_ptr_eq(kept[i], string);
            molt_release(string);
        }
        for (unsigned i = 0; i < COUNT_OF(kept); i++) {
            molt_str *string = molt_str_new(name, (size_t)sprintf(name, "name %u", i));
            molt_str *found = molt_str_intern(string);
            ck_assert_ptr_eq(found, kept[i]);
            molt_release(string);
            molt_release(found);
        }
        for (unsigned i = 0; i < COUNT_OF(kept); i++)
            molt_release(kept[(i * 7 + round) % COUNT_OF(kept)]);
        if (round == 0)
            before = unit_live_blocks();
        ck_assert_uint_eq(unit_live_blocks(), before);
    }
}
END_TEST

/* Tombstones do not fill the table. */
START_TEST(test_interning_in_passing)
{
    molt_str *text = molt_str_from("stays"), *stays = molt_str_intern(text);
    char name[20];
    size_t before = 0;
    for (unsigned i = 0; i < 20000; i++) {
        if (i == 10000)
            before = unit_live_blocks();
        molt_str *string = molt_str_new(name, (size_t)sprintf(name, "%u", i));
        molt_release(molt_str_intern(string));
        molt_release(string);
    }
    molt_str *same = molt_str_from("stays"), *found = molt_str_intern(same);
    ck_assert_ptr_eq(found, stays);
    molt_release(same), molt_release(found);
    ck_assert_uint_eq(unit_live_blocks(), before);
    molt_release(text), molt_release(stays);
}
END_TEST

static molt_str *reborn[2];

static void intern_equal(molt_weak *weak, void *arg)
{
    molt_str *string = molt_str_from("reborn");
    *(molt_str **)arg = molt_str_intern(string);
    molt_release(string);
    molt_weak_free(weak);
}

/* While a string dies an equal one takes its place in the table, and keeps it: whether the table
 * is told of the death first or last. */
START_TEST(test_interning_beside_a_death)
{
    molt_str *string = molt_str_from("reborn");
    molt_weak *before = molt_weak_new(string, intern_equal, &reborn[0]);
    molt_release(molt_str_intern(string));
    molt_weak *after = molt_weak_new(string, intern_equal, &reborn[1]);
    ck_assert(before != NULL && after != NULL);
    molt_release(string);
    ck_assert_ptr_nonnull(reborn[0]);
    ck_assert_ptr_eq(reborn[0], reborn[1]);
    molt_str *again = molt_str_from("reborn"), *found = molt_str_intern(again);
    ck_assert_ptr_eq(found, reborn[0]);
    molt_release(again), molt_release(found), molt_release(reborn[0]), molt_release(reborn[1]);
}
END_TEST

/* ---- tuple ---- */

START_TEST(test_tuple)
{
    molt_int *one = molt_int_new(1);
    molt_str *text = molt_str_from("text");
    molt_tuple *tuple = tuple_of(one, text);
    ck_assert(molt_tuple_is(tuple));
    ck_assert_uint_eq(molt_tuple_length(tuple), 2);
    ck_assert_ptr_eq(molt_tuple_get(tuple, 0), one);
    ck_assert_ptr_eq(molt_tuple_get(tuple, 1), text);
    ck_assert_uint_eq(molt_refcount(text), 2);
    expect_errno(molt_tuple_get(tuple, 2) == NULL, ERANGE);
    void *with_null[] = {one, NULL};
    expect_errno(molt_tuple_new(with_null, 2) == NULL, EINVAL);
    expect_errno(molt_tuple_new(NULL, 1) == NULL, EINVAL);
    molt_release(tuple);
    ck_assert_uint_eq(molt_refcount(text), 1);
    molt_tuple *empty = molt_tuple_new(NULL, 0);
    ck_assert_uint_eq(molt_tuple_length(empty), 0);
    molt_release(empty);
    molt_release(text);
}
END_TEST

START_TEST(test_tuple_of_many)
{
    static void *items[5000];
    for (size_t length = 1; length <= COUNT_OF(items); length = length * 3 / 2 + 1) {
        for (size_t i = 0; i < length; i++)
            items[i] = molt_int_new((int64_t)i + 1000);
        molt_tuple *tuple = molt_tuple_new(items, length);
        for (size_t i = 0; i < length; i++) {
            ck_assert_uint_eq(molt_refcount(items[i]), 2);
            molt_release(items[i]);
            ck_assert_int_eq(molt_int_value(molt_tuple_get(tuple, i)), (int64_t)i + 1000);
        }
        molt_release(tuple);
    }
}
END_TEST

START_TEST(test_tuples_of_leaves_are_untracked)
{
    molt_int *one = molt_int_new(1);
    molt_list *list = molt_list_new();
    molt_tuple *leaves = tuple_of(one, one), *nested = tuple_of(leaves, one);
    molt_tuple *with_list = tuple_of(one, list), *around = tuple_of(with_list, NULL);
    ck_assert(!molt_gc_is_tracked(leaves) && !molt_gc_is_tracked(nested));
    ck_assert(molt_gc_is_tracked(with_list) && molt_gc_is_tracked(around));
    molt_release(leaves), molt_release(nested), molt_release(with_list), molt_release(around);
    molt_release(list);
}
END_TEST

/* ---- Wrong arguments ---- */

START_TEST(test_wrong_types)
{
    molt_int *one = molt_int_new(1);
    void *wrong[] = {NULL, one};
    size_t position = 0;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert(!molt_str_is(wrong[i]) && !molt_list_is(wrong[i]) && !molt_tuple_is(wrong[i]) &&
                  !molt_dict_is(wrong[i]));
        expect_errno(molt_str_bytes(wrong[i]) == NULL, EINVAL);
        expect_errno(molt_str_length(wrong[i]) == 0, EINVAL);
        expect_errno(molt_str_intern(wrong[i]) == NULL, EINVAL);
        expect_errno(molt_list_length(wrong[i]) == 0, EINVAL);
        expect_errno(molt_list_get(wrong[i], 0) == NULL, EINVAL);
        expect_errno(molt_list_set(wrong[i], 0, one) == -1, EINVAL);
        expect_errno(molt_list_append(wrong[i], one) == -1, EINVAL);
        expect_errno(molt_list_insert(wrong[i], 0, one) == -1, EINVAL);
        expect_errno(molt_list_pop(wrong[i], 0) == NULL, EINVAL);
        expect_errno(molt_list_remove(wrong[i], one) == -1, EINVAL);
        expect_errno(molt_list_slice(wrong[i], 0, 0) == NULL, EINVAL);
        expect_errno(molt_list_extend(wrong[i], one) == -1, EINVAL);
        expect_errno(molt_list_clear(wrong[i]) == -1, EINVAL);
        expect_errno(molt_tuple_length(wrong[i]) == 0, EINVAL);
        expect_errno(molt_tuple_get(wrong[i], 0) == NULL, EINVAL);
        expect_errno(molt_dict_length(wrong[i]) == 0, EINVAL);
        expect_errno(molt_dict_get(wrong[i], one) == NULL, EINVAL);
        expect_errno(molt_dict_set(wrong[i], one, one) == -1, EINVAL);
        expect_errno(molt_dict_delete(wrong[i], one) == -1, EINVAL);
        expect_errno(molt_dict_contains(wrong[i], one) == -1, EINVAL);
        expect_errno(!molt_dict_next(wrong[i], &position, NULL, NULL), EINVAL);
        expect_errno(molt_dict_clear(wrong[i]) == -1, EINVAL);
    }
    molt_list *list = molt_list_new();
    uint64_t hash;
    expect_errno(molt_int_value(NULL) == 0, EINVAL);
    expect_errno(molt_int_value((void *)list) == 0, EINVAL);
    expect_errno(molt_equal(NULL, one) == -1, EINVAL);
    expect_errno(molt_equal(one, NULL) == -1, EINVAL);
    expect_errno(molt_hash(NULL, &hash) == -1, EINVAL);
    expect_errno(molt_hash(one, NULL) == -1, EINVAL);
    expect_errno(molt_repr(NULL) == NULL, EINVAL);
    molt_release(list);
}
END_TEST

/* ---- Equality and hashes ---- */

/* Releases both. */
static void expect_equality(void *a, void *b, int wanted)
{
    uint64_t hash_a, hash_b;
    ck_assert_int_eq(molt_equal(a, b), wanted);
    ck_assert_int_eq(molt_equal(b, a), wanted);
    ck_assert_int_eq(molt_equal(a, a), 1);
    if (molt_hash(a, &hash_a) == 0 && molt_hash(b, &hash_b) == 0)
        ck_assert_int_eq(hash_a == hash_b, wanted);
    else
        ck_assert_int_eq(errno, EINVAL);
    molt_release(a);
    molt_release(b);
}

/* (number, (text, number)) */
static molt_tuple *nested(int64_t number, const char *text)
{
    molt_int *n = molt_int_new(number);
    molt_str *string = molt_str_from(text);
    molt_tuple *inner = tuple_of(string, n), *outer = tuple_of(n, inner);
    molt_release(n), molt_release(string), molt_release(inner);
    return outer;
}

START_TEST(test_equality)
{
    expect_equality(molt_int_new(1000), molt_int_new(1000), 1);
    expect_equality(molt_int_new(1000), molt_int_new(1001), 0);
    expect_equality(molt_str_from("text"), molt_str_from("text"), 1);
    expect_equality(molt_str_from("text"), molt_str_from("texts"), 0);
    expect_equality(molt_str_new("a\0b", 3), molt_str_new("a\0c", 3), 0);
    expect_equality(molt_str_from("1"), molt_int_new(1), 0);
    expect_equality(nested(1000, "x"), nested(1000, "x"), 1);
    expect_equality(nested(1000, "x"), nested(1000, "y"), 0);
    expect_equality(molt_tuple_new(NULL, 0), molt_tuple_new(NULL, 0), 1);
    expect_equality(LIST(1, 1000), LIST(1, 1000), 1);
    expect_equality(LIST(1, 1000), LIST(1000, 1), 0);
    expect_equality(LIST(1, 1000), LIST(1), 0);
    expect_equality(LIST(1), molt_tuple_new((void *[]){molt_int_new(1)}, 1), 0);
    expect_equality(molt_new(&plain_type), molt_new(&plain_type), 0);
    expect_equality(DICT(1, 1000, 2, 2000), DICT(2, 2000, 1, 1000), 1);
    expect_equality(DICT(1, 1000, 2, 2000), DICT(2, 2000, 1, 1001), 0);
    expect_equality(DICT(1, 1000, 2, 2000), DICT(1, 1000, 3, 2000), 0);
    expect_equality(DICT(1, 1000, 2, 2000), DICT(1, 1000), 0);
}
END_TEST

START_TEST(test_equality_after_deleting)
{
    molt_dict *dict = DICT(1, 1000, 2, 2000, 3, 3000);
    molt_int *two = molt_int_new(2);
    ck_assert_int_eq(molt_dict_delete(dict, two), 0);
    expect_equality(molt_retain(dict), DICT(1, 1000, 3, 3000), 1);
    expect_equality(dict, DICT(1, 1000, 2, 3000), 0);
}
END_TEST

START_TEST(test_tuple_hashes_differ)
{
    uint64_t hashes[2][5];
    molt_int *zero = molt_int_new(0), *one = molt_int_new(1);
    molt_tuple *tuples[] = {tuple_of(zero, one), tuple_of(one, zero), tuple_of(zero, NULL),
                            tuple_of(zero, zero), molt_tuple_new(NULL, 0)};
    for (size_t i = 0; i < COUNT_OF(tuples); i++) {
        ck_assert_int_eq(molt_hash(tuples[i], &hashes[0][i]), 0);
        ck_assert_int_eq(molt_hash(tuples[i], &hashes[1][i]), 0);
        ck_assert_uint_eq(hashes[0][i], hashes[1][i]);
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(hashes[0][i], hashes[0][j]);
        molt_release(tuples[i]);
    }
}
END_TEST

/* ---- Texts ---- */

START_TEST(test_repr)
{
    expect_repr(molt_int_new(-42), "-42");
    expect_repr(molt_int_new(INT64_MIN), "-9223372036854775808");
    expect_repr(molt_str_from(""), "''");
    expect_repr(molt_str_from("it's\n\t\r\\ \"a\" \x01\x7f \xc3\xa9"),
                "'it\\'s\\n\\t\\r\\\\ \"a\" \\x01\\x7f \xc3\xa9'");
    expect_repr(molt_str_new("a\0b", 3), "'a\\x00b'");
    expect_repr(molt_list_new(), "[]");
    expect_repr(LIST(1, 2, 300), "[1, 2, 300]");
    expect_repr(molt_tuple_new(NULL, 0), "()");
    expect_repr(molt_tuple_new((void *[]){molt_int_new(1)}, 1), "(1,)");
    expect_repr(nested(1, "x"), "(1, ('x', 1))");
    expect_repr(molt_dict_new(), "{}");
    expect_repr(DICT(1, 10, 2, 20), "{1: 10, 2: 20}");
    struct plain *plain = molt_new(&plain_type);
    char text[60];
    snprintf(text, sizeof text, "<struct plain at %p>", (void *)plain);
    expect_repr(plain, text);
}
END_TEST

/* ---- Containers in themselves ---- */

static molt_list *list_in_itself(void)
{
    molt_list *list = LIST(1);
    molt_list_append(list, list);
    return list;
}

static molt_dict *dict_in_itself(void)
{
    molt_dict *dict = DICT(1, 1000);
    molt_int *two = molt_int_new(2);
    molt_dict_set(dict, two, dict);
    return dict;
}

/* Six objects. */
static void drop_cycles(void)
{
    molt_release(list_in_itself());
    molt_release(dict_in_itself());
    molt_list *list = molt_list_new();
    molt_tuple *tuple = tuple_of(list, NULL);
    molt_list_append(list, tuple);
    molt_release(list), molt_release(tuple);
    struct plain *object = molt_new(&plain_type); /* as a key, and back */
    molt_dict *dict = molt_dict_new();
    molt_dict_set(dict, object, object);
    molt_set(&object->other, dict);
    molt_release(object), molt_release(dict);
}

START_TEST(test_cycles_are_collected)
{
    molt_gc_disable();
    drop_cycles();
    ck_assert_int_eq(molt_gc_collect(2), 6);
    size_t before = unit_live_blocks();
    drop_cycles();
    ck_assert_uint_ge(unit_live_blocks(), before + 6);
    ck_assert_int_eq(molt_gc_collect(0), 6);
    ck_assert_uint_eq(unit_live_blocks(), before);
}
END_TEST

START_TEST(test_live_cycles_stay)
{
    molt_list *list = list_in_itself();
    molt_dict *dict = dict_in_itself();
    molt_list_append(list, dict);
    molt_release(dict);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    expect_content(list, "[1, [...], {1: 1000, 2: {...}}]");
    molt_release(list);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

START_TEST(test_repr_of_cycles)
{
    molt_list *list = list_in_itself(), *around = molt_list_new();
    molt_list_append(around, list);
    molt_list_append(around, list); /* twice, but not in itself */
    expect_repr(around, "[[1, [...]], [1, [...]]]");
    expect_repr(dict_in_itself(), "{1: 1000, 2: {...}}");
    molt_tuple *tuple = tuple_of(list, NULL);
    molt_list_set(list, 1, tuple);
    expect_repr(tuple, "([1, (...)],)");
    molt_release(list);
}
END_TEST

START_TEST(test_equality_of_cycles)
{
    molt_list *one = list_in_itself(), *other = list_in_itself();
    ck_assert_int_eq(molt_equal(one, one), 1);
    expect_errno(molt_equal(one, other) == -1, ELOOP);
    expect_errno(molt_list_remove(one, other) == -1, ELOOP);
    ck_assert_uint_eq(molt_list_length(one), 2);
    molt_dict *dict = dict_in_itself(), *second = dict_in_itself();
    expect_errno(molt_equal(dict, second) == -1, ELOOP);
}
END_TEST

/* ---- Nested deep ---- */

static void *nest(unsigned depth, bool as_tuples)
{
    void *value = molt_int_new(1);
    for (unsigned i = 0; i < depth; i++) {
        void *around = as_tuples ? (void *)tuple_of(value, NULL) : (void *)molt_list_new();
        if (!as_tuples)
            molt_list_append(around, value);
        molt_release(value);
        value = around;
    }
    return value;
}

START_TEST(test_deep_values)
{
    uint64_t hash;
    for (int as_tuples = 0; as_tuples <= 1; as_tuples++) {
        void *fits = nest(MOLT_VALUE_DEPTH, as_tuples), *same = nest(MOLT_VALUE_DEPTH, as_tuples);
        void *deep = nest(MOLT_VALUE_DEPTH + 1, as_tuples);
        void *deeper = nest(1000000, as_tuples), *twin = nest(1000000, as_tuples);
        molt_str *text = molt_repr(fits);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(molt_str_length(text), MOLT_VALUE_DEPTH * (as_tuples ? 3u : 2u) + 1);
        molt_release(text);
        ck_assert_int_eq(molt_equal(fits, same), 1);
        ck_assert_int_eq(molt_hash(fits, &hash), as_tuples ? 0 : -1);
        expect_errno(molt_repr(deep) == NULL, ELOOP);
        expect_errno(molt_repr(deeper) == NULL, ELOOP);
        expect_errno(molt_equal(deeper, twin) == -1, ELOOP);
        ck_assert_int_eq(molt_equal(deeper, fits), 0);
        expect_errno(molt_hash(deeper, &hash) == -1, as_tuples ? ELOOP : EINVAL);
        molt_release(fits), molt_release(same), molt_release(deep);
        molt_release(deeper), molt_release(twin);
    }
}
END_TEST

/* Keys that fit by themselves, but not one container deeper. */
START_TEST(test_deep_keys)
{
    molt_dict *dicts[2];
    for (unsigned i = 0; i < 2; i++) {
        void *key = nest(MOLT_VALUE_DEPTH, true);
        dicts[i] = molt_dict_new();
        ck_assert_int_eq(molt_dict_set(dicts[i], key, key), 0);
        ck_assert_int_eq(molt_dict_contains(dicts[0], key), 1);
        molt_release(key);
    }
    expect_errno(molt_equal(dicts[0], dicts[1]) == -1, ELOOP);
    molt_release(dicts[0]), molt_release(dicts[1]);
}
END_TEST

Suite *suite_value(void)
{
    Suite *suite = suite_create("value");
    TCase *tests = tcase_create("value");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_int_values);
    tcase_add_test(tests, test_small_ints_are_one_object_each);
    tcase_add_test(tests, test_str_content);
    tcase_add_test(tests, test_str_lengths);
    tcase_add_test(tests, test_interned_are_one_object);
    tcase_add_test(tests, test_interning_keeps_nothing);
    tcase_add_test(tests, test_interning_in_passing);
    tcase_add_test(tests, test_interning_beside_a_death);
    tcase_add_test(tests, test_tuple);
    tcase_add_test(tests, test_tuple_of_many);
    tcase_add_test(tests, test_tuples_of_leaves_are_untracked);
    tcase_add_test(tests, test_wrong_types);
    tcase_add_test(tests, test_equality);
    tcase_add_test(tests, test_equality_after_deleting);
    tcase_add_test(tests, test_tuple_hashes_differ);
    tcase_add_test(tests, test_repr);
    tcase_add_test(tests, test_cycles_are_collected);
    tcase_add_test(tests, test_live_cycles_stay);
    tcase_add_test(tests, test_repr_of_cycles);
    tcase_add_test(tests, test_equality_of_cycles);
    tcase_add_test(tests, test_deep_values);
    tcase_add_test(tests, test_deep_keys);
    suite_add_tcase(suite, tests);
    return suite;
}
