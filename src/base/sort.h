/* sort.h: sorting without allocation; libc's qsort may call malloc. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stddef.h>

/* Negative, 0 or positive as a comes before b, is equal, comes after. */
typedef int sort_compare(const void *a, const void *b);

/* In place; equal items come in any order. An item is of at most SORT_ITEM_MAX bytes. */
#define SORT_ITEM_MAX 128
void sort(void *items, size_t count, size_t item_bytes, sort_compare *compare);

#endif
