/* compare.h: equality and hashes of values that lie `depth` containers deep. */
#ifndef VALUE_COMPARE_H
#define VALUE_COMPARE_H

#include "kind.h"

#include <stdbool.h>
#include <stdint.h>

/* 1, 0, or -1 and ELOOP. Neither is NULL. */
int compare_equal(const void *a, const void *b, unsigned depth);

/* Of two strings: no error is possible. */
bool compare_strings(const molt_str *a, const molt_str *b);

/* 0, or -1 and errno: EINVAL, ELOOP. */
int hash_of(const void *value, uint64_t *hash, unsigned depth);

/* Of a string: no error is possible. */
uint64_t hash_of_string(const molt_str *string);

/* Whether a container may lie that deep; else errno is ELOOP. */
static inline bool depth_fits(unsigned depth)
{
    if (LIKELY(depth < MOLT_VALUE_DEPTH))
        return true;
    errno = ELOOP;
    return false;
}

/* dict.c: whether two dicts have equal entries. */
int dict_equal(const molt_dict *a, const molt_dict *b, unsigned depth);

#endif
