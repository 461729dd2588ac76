/* value.h: what the suites of values share: making values in one line, and comparing them by their
 * texts. */
#ifndef UNIT_VALUE_H
#define UNIT_VALUE_H

#include "unit.h"

#include "molt.h"
#include "molt_object.h"
#include "molt_value.h"

#include <errno.h>
#include <string.h>

/* The condition, and errno as told. */
#define expect_errno(condition, error)    \
    do {                                  \
        errno = 0;                        \
        ck_assert(condition);             \
        ck_assert_int_eq(errno, (error)); \
    } while (0)

static inline void append_int(molt_list *list, int64_t value)
{
    molt_int *number = molt_int_new(value);
    ck_assert_int_eq(molt_list_append(list, number), 0);
    molt_release(number);
}

/* A list of the numbers, up to the first 0. */
static inline molt_list *list_of(const int64_t *numbers)
{
    molt_list *list = molt_list_new();
    for (; *numbers != 0; numbers++)
        append_int(list, *numbers);
    return list;
}

#define LIST(...) list_of((const int64_t[]){__VA_ARGS__, 0})

static inline molt_tuple *tuple_of(void *first, void *second)
{
    void *items[] = {first, second};
    return molt_tuple_new(items, first == NULL ? 0 : second == NULL ? 1 : 2);
}

/* Releases the value. */
static inline void expect_repr(void *value, const char *wanted)
{
    molt_str *text = molt_repr(value);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(molt_str_bytes(text), wanted);
    ck_assert_uint_eq(molt_str_length(text), strlen(wanted));
    molt_release(text);
    molt_release(value);
}

static inline void expect_content(const molt_list *list, const char *wanted)
{
    expect_repr(molt_retain((void *)list), wanted);
}

static inline int64_t number_at(const molt_list *list, size_t index)
{
    return molt_int_value(molt_list_get(list, index));
}

/* A dict of numbers to numbers: {key: value, …}, up to a key 0. */
static inline molt_dict *dict_of(const int64_t *numbers)
{
    molt_dict *dict = molt_dict_new();
    for (; *numbers != 0; numbers += 2) {
        molt_int *key = molt_int_new(numbers[0]), *value = molt_int_new(numbers[1]);
        ck_assert_int_eq(molt_dict_set(dict, key, value), 0);
        molt_release(key);
        molt_release(value);
    }
    return dict;
}

#define DICT(...) dict_of((const int64_t[]){__VA_ARGS__, 0})

/* An object of the program's own. */
struct plain {
    MOLT_OBJECT;
    struct plain *other;
};

__attribute__((unused)) MOLT_TYPE(plain_type, struct plain, MOLT_REFS(struct plain, other));

#endif
