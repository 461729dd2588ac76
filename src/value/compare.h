/* compare.h: equality and hashes of values. `depth` says how many containers a value lies in. */
#ifndef VALUE_COMPARE_H
#define VALUE_COMPARE_H

#include "kind.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether two values are equal: 1 or 0, or -1 and ELOOP. Neither is NULL. */
int compare_equal(const void *a, const void *b, unsigned depth);

/* Whether two strings are equal; no error is possible. */
bool compare_strings(const molt_str *a, const molt_str *b);

/* Stores the hash of a value. 0, or -1 and errno: EINVAL, ELOOP. */
int hash_of(const void *value, uint64_t *hash, unsigned depth);

/* Returns the hash of a string; no error is possible. */
uint64_t hash_of_string(const molt_str *string);

/* Whether a container may lie that deep. False and ELOOP. */
static inline bool depth_fits(unsigned depth)
{
    if (LIKELY(depth < MOLT_VALUE_DEPTH))
        return true;
    errno = ELOOP;
    return false;
}

/* Whether two dicts have equal entries, as compare_equal (dict.c). */
int dict_equal(const molt_dict *a, const molt_dict *b, unsigned depth);

#endif
