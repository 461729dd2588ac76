/* sort.h: sorting without allocation; libc's qsort may call malloc. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stddef.h>

/* Returns a number below, equal to or above 0 as a comes before b, with it, or after it. */
typedef int sort_compare(const void *a, const void *b);

/* Sorts items in place; those that compare as equal end up in any order. An item has SORT_ITEM_MAX
 * bytes at most. */
#define SORT_ITEM_MAX 128
void sort(void *items, size_t count, size_t item_bytes, sort_compare *compare);

#endif
