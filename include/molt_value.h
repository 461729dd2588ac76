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
 * container takes references of its own.
 *
 * Errors. A pointer result is NULL, an int result -1, and errno says why: EINVAL: an argument is
 * NULL or of another type, or a key has no hash; ERANGE: no such index; ENOENT: no such key or
 * item; ELOOP: nested more than MOLT_VALUE_DEPTH deep, or without an end; ENOMEM. A function that
 * fails has changed nothing; one that succeeds leaves errno alone.
 *
 * Threads. Several threads may read a value at a time. A thread that changes a list or a dict needs
 * a lock of the program around all that reads and changes it. No function may be called by a signal
 * handler.
 *
 * Callbacks. A function that makes a value may collect and run callbacks, as molt_new does, and is
 * a safepoint (molt_object.h); others are not. One that releases items runs what their death calls;
 * the container is whole again by then, so a finalizer may use it. Comparing and hashing call no
 * code of the program.
 *
 * Fork. A child may use values at once, whatever other threads of the parent were doing. A list or
 * a dict that such a thread was just changing may lack items in the child. */
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

/* Returns an int of that value. From -5 to 256 there is one immortal object for each, made when it
 * is first asked for, as CPython has them. NULL: ENOMEM. O(1). */
MOLT_API molt_int *molt_int_new(int64_t value) MOLT_MAKES;

/* Returns its value; 0 and EINVAL if it is no int. O(1). */
MOLT_API int64_t molt_int_value(const molt_int *number);

/* ---- str --------------------------------------------------------------------------------- */

/* Returns a string of `length` bytes, copied from `bytes`; they may be any. NULL: ENOMEM; EINVAL:
 * `bytes` is NULL and length is not 0. O(length). */
MOLT_API molt_str *molt_str_new(const void *bytes, size_t length) MOLT_MAKES;

/* Returns a string of the text up to its NUL. NULL: ENOMEM; EINVAL: `text` is NULL. O(length). */
MOLT_API molt_str *molt_str_from(const char *text) MOLT_MAKES;

/* Returns its bytes, with a NUL behind them; they live as long as the string and never change.
 * NULL: EINVAL. O(1). */
MOLT_API const char *molt_str_bytes(const molt_str *string);

/* Returns how many bytes it has, without the NUL; 0 and EINVAL if it is no string. O(1). */
MOLT_API size_t molt_str_length(const molt_str *string);

/* Returns a new reference to the one interned string with that content: `string` itself if it is
 * the first. Two interned strings are equal only if they are the same object. The table of interned
 * strings does not keep them alive. NULL: ENOMEM, EINVAL. O(length) at first, later O(1) on
 * average. */
MOLT_API molt_str *molt_str_intern(molt_str *string) MOLT_MAKES;

/* ---- list -------------------------------------------------------------------------------- */

/* Returns an empty list. NULL: ENOMEM. O(1). */
MOLT_API molt_list *molt_list_new(void) MOLT_MAKES;

/* Returns how many items it has; 0 and EINVAL if it is no list. O(1). */
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

/* Returns a new list of the items [from, to). NULL: ERANGE unless from <= to <= length; ENOMEM,
 * EINVAL. O(to - from). */
MOLT_API molt_list *molt_list_slice(const molt_list *list, size_t from, size_t to) MOLT_MAKES;

/* Adds all items of a list, even of the same one, or of a tuple at the end. O(length of `items`)
 * amortised. */
MOLT_API int molt_list_extend(molt_list *list, const void *items);

/* Takes out and releases all items. O(length). */
MOLT_API int molt_list_clear(molt_list *list);

/* ---- tuple ------------------------------------------------------------------------------- */

/* Returns a tuple of `length` items, none of them NULL; it never changes. If collections look at
 * none of the items, they do not look at the tuple either. NULL: ENOMEM, EINVAL. O(length). */
MOLT_API molt_tuple *molt_tuple_new(void *const *items, size_t length) MOLT_MAKES;

/* Returns how many items it has; 0 and EINVAL if it is no tuple. O(1). */
MOLT_API size_t molt_tuple_length(const molt_tuple *tuple);

/* Borrows the item at `index`. NULL: ERANGE, EINVAL. O(1). */
MOLT_API void *molt_tuple_get(const molt_tuple *tuple, size_t index);

/* ---- dict -------------------------------------------------------------------------------- */

/* Keys are ints, strings, tuples of keys, and objects of the program's types, each of which equals
 * itself alone. Entries keep the order in which their keys came: a table of small numbers finds the
 * place in one array of entries (Hettinger 2012, as in PyPy and CPython). */

/* Returns an empty dict. NULL: ENOMEM. O(1). */
MOLT_API molt_dict *molt_dict_new(void) MOLT_MAKES;

/* Returns how many keys it has; 0 and EINVAL if it is no dict. O(1). */
MOLT_API size_t molt_dict_length(const molt_dict *dict);

/* Borrows the value of a key. NULL: ENOENT, EINVAL, ELOOP. O(1) on average, as all that look up a
 * key. */
MOLT_API void *molt_dict_get(const molt_dict *dict, const void *key);

/* Whether the key is there: 1 or 0. -1: EINVAL, ELOOP. */
MOLT_API int molt_dict_contains(const molt_dict *dict, const void *key);

/* Gives the key that value, which is not NULL. A key that is there stays, with its place in the
 * order, and gets the new value. O(1) amortised. */
MOLT_API int molt_dict_set(molt_dict *dict, void *key, void *value);

/* Takes the key and its value out. ENOENT: there is no such key. */
MOLT_API int molt_dict_delete(molt_dict *dict, const void *key);

/* Finds the next entry in the order of insertion; false at the end. *position is 0 at first:
 *
 *     size_t position = 0;
 *     for (void *key, *value; molt_dict_next(dict, &position, &key, &value);)
 *
 * Lends key and value; either pointer may be NULL if what it is for is not wanted. Between two
 * calls values may be set and entries deleted; a new key makes the position meaningless. False and
 * EINVAL if it is no dict. */
MOLT_API bool molt_dict_next(const molt_dict *dict, size_t *position, void **key, void **value);

/* Takes out and releases all keys and values. O(length). */
MOLT_API int molt_dict_clear(molt_dict *dict);

/* ---- Any value --------------------------------------------------------------------------- */

/* Whether two values are equal: 1 or 0. Ints are compared by value, strings by content, lists and
 * tuples item by item, dicts as sets of entries, all other objects by identity. An object equals
 * itself. -1: EINVAL for NULL, ELOOP. */
MOLT_API int molt_equal(const void *a, const void *b);

/* Stores a hash, the same for values that are equal, but not in every process. Strings are hashed
 * by SipHash-1-3 with a random key (Aumasson, Bernstein 2012), so that nobody can choose keys that
 * collide, other objects by identity. Strings and tuples remember their hash. 0, or -1 and EINVAL:
 * a pointer is NULL, or the value is a list or a dict, or a tuple with one in it; ELOOP. */
MOLT_API int molt_hash(const void *value, uint64_t *hash);

/* Returns the value as text: 42, 'it\'s\n', [1, 2], (1,), {'a': 1}, <name at 0x7f…>. A container
 * inside itself is [...], (...) or {...}. Control characters in strings are escaped, bytes from 128
 * on stay. NULL: ENOMEM, EINVAL for NULL, ELOOP. */
MOLT_API molt_str *molt_repr(const void *value) MOLT_MAKES;

#ifdef __cplusplus
}
#endif

#endif
