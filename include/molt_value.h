/* molt_value.h: values: int, str, list, tuple, dict; equality, hash and text of any value.
 *
 *     molt_list *list = molt_list_new();
 *     molt_int *n = molt_int_new(42);
 *     molt_list_append(list, n);               the list holds a reference of its own
 *     molt_release(n);
 *     molt_str *text = molt_repr(list);        [42]
 *     puts(molt_str_bytes(text));
 *     molt_release(text), molt_release(list);
 *
 * Values are objects of molt_object.h: molt_retain, molt_release, weak references and the collector
 * apply to them, and a container may hold any object, also those of the program's own types.
 *
 * Ownership. What a function named …_new, …_from, …_slice, …_pop, …_intern or molt_repr returns is
 * the caller's reference, to be released. What …_get and …_next return is borrowed: it lives as
 * long as the container holds it; retain it before the container changes. Arguments are borrowed; a
 * container takes references of its own. In all functions that let go of items the container is
 * whole again before anything is released, so a finalizer may use it.
 *
 * Errors. A pointer result is NULL, an int result -1, and errno says why: EINVAL: an argument is
 * NULL or of another type, or a key has no hash; ERANGE: no such index; ENOENT: no such key or
 * item; ELOOP: nested more than MOLT_VALUE_DEPTH deep, or without an end; ENOMEM. Whatever fails
 * has changed nothing. Without an error errno is kept.
 *
 * Threads. A value may be read by several threads at a time; who writes to a list or a dict needs a
 * lock of the program around all that reads and writes it. Functions that make values are
 * safepoints (molt_object.h), others are not. */
#ifndef MOLT_VALUE_H
#define MOLT_VALUE_H

#include "molt_object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct molt_int molt_int;
typedef struct molt_str molt_str;
typedef struct molt_list molt_list;
typedef struct molt_tuple molt_tuple;
typedef struct molt_dict molt_dict;

/* How deep containers may lie in one another for molt_equal, molt_hash and molt_repr. */
#define MOLT_VALUE_DEPTH 1000

#define MOLT_MAKES __attribute__((warn_unused_result))

/* Whether the object is of that kind; false for NULL. O(1). */
MOLT_API bool molt_int_is(const void *object);
MOLT_API bool molt_str_is(const void *object);
MOLT_API bool molt_list_is(const void *object);
MOLT_API bool molt_tuple_is(const void *object);
MOLT_API bool molt_dict_is(const void *object);

/* ---- int --------------------------------------------------------------------------------- */

/* An int of that value. From -5 to 256 there is one immortal object for each, made when it is first
 * asked for, as CPython has them. NULL: ENOMEM. O(1). Any thread. */
MOLT_API molt_int *molt_int_new(int64_t value) MOLT_MAKES;

/* Its value; 0 and EINVAL if it is no int. O(1). */
MOLT_API int64_t molt_int_value(const molt_int *number);

/* ---- str --------------------------------------------------------------------------------- */

/* A string of `length` bytes, copied; they may be any bytes. NULL: ENOMEM; EINVAL: `bytes` is NULL
 * and length is not 0. O(length). */
MOLT_API molt_str *molt_str_new(const void *bytes, size_t length) MOLT_MAKES;

/* The same of a text that ends with a NUL. */
MOLT_API molt_str *molt_str_from(const char *text) MOLT_MAKES;

/* Its bytes, with a NUL behind them; they live as long as the string and never change. NULL:
 * EINVAL. O(1). */
MOLT_API const char *molt_str_bytes(const molt_str *string);

/* 0 and EINVAL if it is no string. O(1). */
MOLT_API size_t molt_str_length(const molt_str *string);

/* A new reference to the one interned string with that content: `string` itself when it is the
 * first. Two interned strings are equal only if they are the same. The table of interned strings
 * does not keep them alive. NULL: ENOMEM; EINVAL. O(length) at first, later O(1) on average. Any
 * thread at any time. */
MOLT_API molt_str *molt_str_intern(molt_str *string) MOLT_MAKES;

/* ---- list -------------------------------------------------------------------------------- */

/* An empty list. NULL: ENOMEM. O(1). */
MOLT_API molt_list *molt_list_new(void) MOLT_MAKES;

/* How many items; 0 and EINVAL if it is no list. O(1). */
MOLT_API size_t molt_list_length(const molt_list *list);

/* Borrows the item at `index`. NULL: ERANGE, EINVAL. O(1). */
MOLT_API void *molt_list_get(const molt_list *list, size_t index);

/* Puts `item`, which is not NULL, in the place of the one at `index`. O(1). */
MOLT_API int molt_list_set(molt_list *list, size_t index, void *item);

/* Adds an item at the end. O(1) amortised: a full array grows by an eighth (CPython's rule). */
MOLT_API int molt_list_append(molt_list *list, void *item);

/* Puts an item before the one at `index`, or at the end if that is the length. O(length). */
MOLT_API int molt_list_insert(molt_list *list, size_t index, void *item);

/* Takes the item at `index` out and hands its reference to the caller. NULL: ERANGE, EINVAL.
 * O(length - index). */
MOLT_API void *molt_list_pop(molt_list *list, size_t index) MOLT_MAKES;

/* Takes out the first item that equals `item`. ENOENT: there is none; ELOOP. O(length)
 * comparisons. */
MOLT_API int molt_list_remove(molt_list *list, const void *item);

/* A new list of the items [from, to). NULL: ERANGE unless from <= to <= length; ENOMEM, EINVAL.
 * O(to - from). */
MOLT_API molt_list *molt_list_slice(const molt_list *list, size_t from, size_t to) MOLT_MAKES;

/* Adds all items of another list, or the same, or of a tuple at the end. O(length of `items`)
 * amortised. */
MOLT_API int molt_list_extend(molt_list *list, const void *items);

/* Lets go of all items. O(length). */
MOLT_API int molt_list_clear(molt_list *list);

/* ---- tuple ------------------------------------------------------------------------------- */

/* A tuple of `length` items, none of them NULL; it never changes. If none of them is looked at by
 * the collector, the tuple is not either. NULL: ENOMEM, EINVAL. O(length). */
MOLT_API molt_tuple *molt_tuple_new(void *const *items, size_t length) MOLT_MAKES;

/* How many items; 0 and EINVAL if it is no tuple. O(1). */
MOLT_API size_t molt_tuple_length(const molt_tuple *tuple);

/* Borrows the item at `index`. NULL: ERANGE, EINVAL. O(1). */
MOLT_API void *molt_tuple_get(const molt_tuple *tuple, size_t index);

/* ---- dict -------------------------------------------------------------------------------- */

/* Keys are ints, strings, tuples of keys, and objects of the program's types, each of which equals
 * itself alone. Entries keep the order in which their keys came: a table of small numbers finds the
 * place in one array of entries (Hettinger 2012, as in PyPy and CPython). */

/* An empty dict. NULL: ENOMEM. O(1). */
MOLT_API molt_dict *molt_dict_new(void) MOLT_MAKES;

/* How many keys; 0 and EINVAL if it is no dict. O(1). */
MOLT_API size_t molt_dict_length(const molt_dict *dict);

/* Borrows the value of a key. NULL: ENOENT, EINVAL, ELOOP. O(1) on average, as all of these. */
MOLT_API void *molt_dict_get(const molt_dict *dict, const void *key);

/* 1 or 0; -1: EINVAL, ELOOP. */
MOLT_API int molt_dict_contains(const molt_dict *dict, const void *key);

/* Gives the key that value, not NULL. A key that is there stays, with its place in the order, and
 * gets the new value. O(1) amortised on average. */
MOLT_API int molt_dict_set(molt_dict *dict, void *key, void *value);

/* Takes the key and its value out. ENOENT: there is no such key. */
MOLT_API int molt_dict_delete(molt_dict *dict, const void *key);

/* The next entry in the order of insertion; false at the end. *position is 0 at first:
 *
 *     size_t position = 0;
 *     for (void *key, *value; molt_dict_next(dict, &position, &key, &value);)
 *
 * Borrows key and value, either of which may be NULL when it is not wanted. Between two calls
 * values may be set and entries deleted; a new key makes the position meaningless. False and EINVAL
 * if it is no dict. */
MOLT_API bool molt_dict_next(const molt_dict *dict, size_t *position, void **key, void **value);

/* Lets go of all keys and values. O(length). */
MOLT_API int molt_dict_clear(molt_dict *dict);

/* ---- Any value --------------------------------------------------------------------------- */

/* 1 if the two are equal, else 0: ints by value, strings by content, lists and tuples item by item,
 * dicts as sets of entries, all other objects by identity. An object equals itself. -1: EINVAL for
 * NULL, ELOOP. */
MOLT_API int molt_equal(const void *a, const void *b);

/* A hash, the same for values that are equal; not the same in every process. Strings by
 * SipHash-1-3 with a random key (Aumasson, Bernstein 2012), so that nobody can choose keys that
 * collide; other objects by identity. Strings and tuples remember it. -1: EINVAL: a list or a dict,
 * or a tuple with one in it; ELOOP. */
MOLT_API int molt_hash(const void *value, uint64_t *hash);

/* The value as text: 42, 'it\'s\n', [1, 2], (1,), {'a': 1}, <name at 0x7f…>. A container inside
 * itself is [...], (...) or {...}. Control characters in strings are escaped, bytes from 128 on
 * stay. NULL: ENOMEM, EINVAL for NULL, ELOOP. */
MOLT_API molt_str *molt_repr(const void *value) MOLT_MAKES;

#ifdef __cplusplus
}
#endif

#endif
