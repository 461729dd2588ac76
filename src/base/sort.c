/* sort.c: heapsort (Williams 1964). */
#include "sort.h"

#include <string.h>

static void swap(char *a, char *b, size_t bytes)
{
    char kept[SORT_ITEM_MAX];
    memcpy(kept, a, bytes);
    memcpy(a, b, bytes);
    memcpy(b, kept, bytes);
}

/* Moves item `at` down the heap of `count` items until no item below it comes after it. */
static void sift(char *items, size_t at, size_t count, size_t bytes, sort_compare *compare)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(items + child * bytes, items + (child + 1) * bytes) < 0)
            child++;
        if (compare(items + at * bytes, items + child * bytes) >= 0)
            return;
        swap(items + at * bytes, items + child * bytes, bytes);
    }
}

void sort(void *items, size_t count, size_t item_bytes, sort_compare *compare)
{
    char *first = items;
    for (size_t at = count / 2; at-- > 0;)
        sift(first, at, count, item_bytes, compare);
    for (size_t left = count; left-- > 1;) {
        swap(first, first + left * item_bytes, item_bytes);
        sift(first, 0, left, item_bytes, compare);
    }
}
