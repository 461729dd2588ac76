/* test_value_containers.c: lists and dicts. */
#include "suites.h"
#include "value.h"

/* ---- list ---- */

START_TEST(test_list_append_and_get)
{
    molt_list *list = molt_list_new();
    ck_assert(molt_list_is(list));
    ck_assert_uint_eq(molt_list_length(list), 0);
    for (int64_t i = 0; i < 3000; i++)
        append_int(list, i);
    ck_assert_uint_eq(molt_list_length(list), 3000);
    for (size_t i = 0; i < 3000; i++)
        ck_assert_int_eq(number_at(list, i), (int64_t)i);
    expect_errno(molt_list_get(list, 3000) == NULL, ERANGE);
    expect_errno(molt_list_get(list, SIZE_MAX) == NULL, ERANGE);
    expect_errno(molt_list_append(list, NULL) == -1, EINVAL);
    molt_release(list);
}
END_TEST

START_TEST(test_list_owns_its_items)
{
    molt_list *list = LIST(1000, 2000);
    molt_str *item = molt_str_from("item");
    molt_list_append(list, item);
    ck_assert_uint_eq(molt_refcount(item), 2);
    molt_list_insert(list, 0, item);
    ck_assert_uint_eq(molt_refcount(item), 3);
    molt_list_set(list, 1, item);
    ck_assert_uint_eq(molt_refcount(item), 4);
    molt_list_set(list, 1, item);
    ck_assert_uint_eq(molt_refcount(item), 4);
    ck_assert_ptr_eq(molt_list_pop(list, 0), item);
    ck_assert_uint_eq(molt_refcount(item), 4);
    molt_release(item);
    ck_assert_int_eq(molt_list_remove(list, item), 0);
    ck_assert_uint_eq(molt_refcount(item), 2);
    molt_list *slice = molt_list_slice(list, 0, molt_list_length(list));
    ck_assert_uint_eq(molt_refcount(item), 3);
    molt_list_extend(list, slice);
    ck_assert_uint_eq(molt_refcount(item), 4);
    molt_list_clear(list);
    ck_assert_uint_eq(molt_refcount(item), 2);
    molt_release(slice);
    ck_assert_uint_eq(molt_refcount(item), 1);
    molt_release(list);
    molt_release(item);
}
END_TEST

START_TEST(test_list_insert_and_pop)
{
    molt_list *list = LIST(1, 2, 3);
    molt_int *nine = molt_int_new(9);
    ck_assert_int_eq(molt_list_insert(list, 3, nine), 0);
    ck_assert_int_eq(molt_list_insert(list, 0, nine), 0);
    ck_assert_int_eq(molt_list_insert(list, 2, nine), 0);
    expect_content(list, "[9, 1, 9, 2, 3, 9]");
    expect_errno(molt_list_insert(list, 7, nine) == -1, ERANGE);
    ck_assert_ptr_eq(molt_list_pop(list, 0), nine);
    ck_assert_int_eq(molt_int_value(molt_list_pop(list, 2)), 2);
    ck_assert_ptr_eq(molt_list_pop(list, 3), nine);
    expect_errno(molt_list_pop(list, 3) == NULL, ERANGE);
    expect_content(list, "[1, 9, 3]");
    expect_errno(molt_list_set(list, 3, nine) == -1, ERANGE);
    expect_errno(molt_list_set(list, 0, NULL) == -1, EINVAL);
    molt_release(list);
}
END_TEST

START_TEST(test_list_remove)
{
    molt_list *list = LIST(1000, 2000, 1000);
    molt_int *number = molt_int_new(1000);
    ck_assert_int_eq(molt_list_remove(list, number), 0);
    expect_content(list, "[2000, 1000]");
    ck_assert_int_eq(molt_list_remove(list, number), 0);
    expect_errno(molt_list_remove(list, number) == -1, ENOENT);
    expect_content(list, "[2000]");
    molt_release(number);
    molt_release(list);
}
END_TEST

START_TEST(test_list_slice_and_extend)
{
    molt_list *list = LIST(1, 2, 3, 4);
    expect_repr(molt_list_slice(list, 1, 3), "[2, 3]");
    expect_repr(molt_list_slice(list, 0, 4), "[1, 2, 3, 4]");
    expect_repr(molt_list_slice(list, 4, 4), "[]");
    expect_errno(molt_list_slice(list, 3, 2) == NULL, ERANGE);
    expect_errno(molt_list_slice(list, 0, 5) == NULL, ERANGE);
    ck_assert_int_eq(molt_list_extend(list, list), 0);
    expect_content(list, "[1, 2, 3, 4, 1, 2, 3, 4]");
    molt_tuple *tuple = tuple_of(list, molt_list_get(list, 0));
    molt_list *other = molt_list_new();
    ck_assert_int_eq(molt_list_extend(other, tuple), 0);
    expect_content(other, "[[1, 2, 3, 4, 1, 2, 3, 4], 1]");
    expect_errno(molt_list_extend(other, molt_list_get(list, 0)) == -1, EINVAL);
    expect_errno(molt_list_extend(other, NULL) == -1, EINVAL);
    molt_release(tuple), molt_release(other), molt_release(list);
}
END_TEST

START_TEST(test_list_gives_room_back)
{
    molt_list *list = LIST(1);
    molt_list_clear(list);
    size_t before = unit_live_blocks();
    for (int64_t i = 0; i < 100000; i++)
        append_int(list, 1);
    struct molt_stats full, few;
    molt_stats_get(&full, sizeof full);
    while (molt_list_length(list) > 10)
        molt_release(molt_list_pop(list, molt_list_length(list) - 1));
    molt_stats_get(&few, sizeof few);
    ck_assert_uint_lt(few.live_bytes + 750000, full.live_bytes);
    ck_assert_int_eq(molt_list_clear(list), 0);
    ck_assert_uint_eq(unit_live_blocks(), before);
    molt_release(list);
}
END_TEST

/* The items' finalizer looks at the list that lets go of them. */
struct witness {
    MOLT_OBJECT;
    molt_list *list; /* borrowed */
};

static size_t seen;

static void look(void *object)
{
    struct witness *witness = object;
    molt_str *text = molt_repr(witness->list);
    seen += molt_list_length(witness->list) + 1;
    molt_release(text);
    molt_list_append(witness->list, molt_list_get(witness->list, 0));
}

MOLT_TYPE(witness_type, struct witness, .flags = MOLT_LEAF, .finalize = look);

START_TEST(test_finalizers_find_the_list_whole)
{
    molt_list *list = LIST(1);
    molt_int *one = molt_list_get(list, 0);
    for (int i = 0; i < 5; i++) {
        struct witness *witness = molt_new(&witness_type);
        witness->list = list;
        molt_list_append(list, witness);
        molt_release(witness);
    }
    molt_list_set(list, 5, one);
    ck_assert_uint_eq(seen, 7); /* the list had 6 items, and gets one more by each */
    molt_release(molt_list_pop(list, 4));
    ck_assert_uint_eq(seen, 7 + 7);
    molt_list_remove(list, molt_list_get(list, 3));
    ck_assert_uint_eq(seen, 14 + 7);
    molt_list_clear(list);
    ck_assert_uint_eq(seen, 21 + 1 + 1); /* nothing was there to be added */
    ck_assert_uint_eq(molt_list_length(list), 0);
    molt_release(list);
}
END_TEST

/* ---- dict ---- */

START_TEST(test_dict_set_and_get)
{
    molt_dict *dict = molt_dict_new();
    molt_str *key = molt_str_from("key"), *same = molt_str_from("key");
    molt_int *value = molt_int_new(1000), *other = molt_int_new(2000);
    ck_assert(molt_dict_is(dict));
    expect_errno(molt_dict_get(dict, key) == NULL, ENOENT);
    expect_errno(molt_dict_contains(dict, key) == 0, 0);
    ck_assert_int_eq(molt_dict_set(dict, key, value), 0);
    ck_assert_ptr_eq(molt_dict_get(dict, same), value);
    ck_assert_int_eq(molt_dict_contains(dict, same), 1);
    ck_assert_int_eq(molt_dict_set(dict, same, other), 0);
    ck_assert_ptr_eq(molt_dict_get(dict, key), other);
    ck_assert_uint_eq(molt_dict_length(dict), 1);
    ck_assert_uint_eq(molt_refcount(key), 2);
    ck_assert_uint_eq(molt_refcount(same), 1);
    ck_assert_uint_eq(molt_refcount(value), 1);
    ck_assert_uint_eq(molt_refcount(other), 2);
    ck_assert_int_eq(molt_dict_delete(dict, same), 0);
    ck_assert_uint_eq(molt_refcount(key), 1);
    ck_assert_uint_eq(molt_refcount(other), 1);
    expect_errno(molt_dict_delete(dict, key) == -1, ENOENT);
    expect_errno(molt_dict_set(dict, key, NULL) == -1, EINVAL);
    ck_assert_uint_eq(molt_dict_length(dict), 0);
    molt_release(dict), molt_release(key), molt_release(same);
    molt_release(value), molt_release(other);
}
END_TEST

START_TEST(test_dict_order)
{
    molt_dict *dict = DICT(3, 30, 1, 10, 2, 20);
    molt_int *one = molt_int_new(1), *two = molt_int_new(2);
    expect_repr(molt_retain(dict), "{3: 30, 1: 10, 2: 20}");
    molt_dict_set(dict, one, two);
    expect_repr(molt_retain(dict), "{3: 30, 1: 2, 2: 20}");
    molt_dict_delete(dict, one);
    molt_dict_set(dict, one, one);
    expect_repr(dict, "{3: 30, 2: 20, 1: 1}");
}
END_TEST

START_TEST(test_dict_next)
{
    molt_dict *dict = DICT(1, 10, 2, 20, 3, 30, 4, 40);
    size_t position = 0, count = 0;
    void *key, *value;
    while (molt_dict_next(dict, &position, &key, &value)) {
        count++;
        ck_assert_int_eq(molt_int_value(value), molt_int_value(key) * 10);
        ck_assert_int_eq(molt_int_value(key), (int64_t)count);
        if (count % 2 == 1)
            ck_assert_int_eq(molt_dict_delete(dict, key), 0);
        else
            ck_assert_int_eq(molt_dict_set(dict, key, key), 0);
    }
    ck_assert_uint_eq(count, 4);
    ck_assert(!molt_dict_next(dict, &position, &key, &value));
    position = 0;
    ck_assert(molt_dict_next(dict, &position, &key, NULL));
    ck_assert_int_eq(molt_int_value(key), 2);
    ck_assert(molt_dict_next(dict, &position, NULL, &value));
    ck_assert_int_eq(molt_int_value(value), 4);
    molt_dict_clear(dict);
    position = 0;
    expect_errno(!molt_dict_next(dict, &position, NULL, NULL), 0);
    ck_assert_int_eq(molt_dict_set(dict, key, key), 0);
    expect_repr(dict, "{2: 2}");
}
END_TEST

/* The index has numbers of 1, 2 and 4 bytes. */
START_TEST(test_dict_of_many)
{
    molt_dict *dict = molt_dict_new();
    int64_t count = 100000;
    for (int64_t i = 0; i < count; i++) {
        molt_int *key = molt_int_new(i << 20), *value = molt_int_new(i);
        REQUIRE(molt_dict_set(dict, key, value) == 0, "key %ld", (long)i);
        molt_release(key);
        molt_release(value);
    }
    ck_assert_uint_eq(molt_dict_length(dict), (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        molt_int *key = molt_int_new(i << 20), *missing = molt_int_new((i << 20) + 1);
        REQUIRE(molt_int_value(molt_dict_get(dict, key)) == i, "key %ld", (long)i);
        REQUIRE(molt_dict_contains(dict, missing) == 0, "key %ld + 1", (long)i);
        molt_release(key);
        molt_release(missing);
    }
    molt_release(dict);
}
END_TEST

/* A dict in which entries come and go does not grow. */
START_TEST(test_dict_in_passing)
{
    molt_dict *dict = molt_dict_new();
    struct molt_stats before, after;
    for (int64_t i = 0; i < 20000; i++) {
        molt_int *key = molt_int_new(i + 1000), *old = molt_int_new(i + 1000 - 10);
        molt_dict_set(dict, key, key);
        ck_assert_int_eq(molt_dict_delete(dict, old), i < 10 ? -1 : 0);
        molt_release(key);
        molt_release(old);
        if (i == 100)
            molt_stats_get(&before, sizeof before);
    }
    molt_stats_get(&after, sizeof after);
    ck_assert_uint_eq(molt_dict_length(dict), 10);
    ck_assert_uint_eq(after.live_bytes, before.live_bytes);
    molt_release(dict);
}
END_TEST

START_TEST(test_dict_keys)
{
    molt_dict *dict = molt_dict_new();
    molt_list *list = molt_list_new();
    molt_int *big = molt_int_new(1000);
    molt_tuple *pair = tuple_of(big, big), *bad = tuple_of(big, list);
    struct plain *object = molt_new(&plain_type), *other = molt_new(&plain_type);
    ck_assert_int_eq(molt_dict_set(dict, pair, big), 0);
    ck_assert_int_eq(molt_dict_set(dict, object, big), 0);
    ck_assert_int_eq(molt_dict_contains(dict, object), 1);
    ck_assert_int_eq(molt_dict_contains(dict, other), 0);
    molt_int *same = molt_int_new(1000);
    molt_tuple *equal = tuple_of(same, same);
    ck_assert_int_eq(molt_dict_contains(dict, equal), 1);
    void *no_keys[] = {NULL, list, dict, bad};
    for (size_t i = 0; i < COUNT_OF(no_keys); i++) {
        expect_errno(molt_dict_get(dict, no_keys[i]) == NULL, EINVAL);
        expect_errno(molt_dict_contains(dict, no_keys[i]) == -1, EINVAL);
        expect_errno(molt_dict_set(dict, no_keys[i], big) == -1, EINVAL);
        expect_errno(molt_dict_delete(dict, no_keys[i]) == -1, EINVAL);
    }
    molt_release(dict), molt_release(list), molt_release(pair), molt_release(bad);
    molt_release(object), molt_release(other), molt_release(equal);
    ck_assert_uint_eq(molt_refcount(big), 1);
    molt_release(big), molt_release(same);
}
END_TEST

Suite *suite_value_containers(void)
{
    Suite *suite = suite_create("value_containers");
    TCase *tests = tcase_create("value_containers");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_list_append_and_get);
    tcase_add_test(tests, test_list_owns_its_items);
    tcase_add_test(tests, test_list_insert_and_pop);
    tcase_add_test(tests, test_list_remove);
    tcase_add_test(tests, test_list_slice_and_extend);
    tcase_add_test(tests, test_list_gives_room_back);
    tcase_add_test(tests, test_finalizers_find_the_list_whole);
    tcase_add_test(tests, test_dict_set_and_get);
    tcase_add_test(tests, test_dict_order);
    tcase_add_test(tests, test_dict_next);
    tcase_add_test(tests, test_dict_of_many);
    tcase_add_test(tests, test_dict_in_passing);
    tcase_add_test(tests, test_dict_keys);
    suite_add_tcase(suite, tests);
    return suite;
}
