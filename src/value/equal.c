/* equal.c: when values are equal. */
#include "compare.h"

#include <string.h>

bool compare_strings(const molt_str *a, const molt_str *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static int items_equal(void *const *a, void *const *b, size_t count, unsigned depth)
{
    if (!depth_fits(depth))
        return -1;
    for (size_t i = 0; i < count; i++) {
        int equal = compare_equal(a[i], b[i], depth + 1);
        if (equal != 1)
            return equal;
    }
    return 1;
}

static int lists_equal(const molt_list *a, const molt_list *b, unsigned depth)
{
    return a->length != b->length ? 0 : items_equal(a->items, b->items, a->length, depth);
}

static int tuples_equal(const molt_tuple *a, const molt_tuple *b, unsigned depth)
{
    return a->length != b->length ? 0 : items_equal(a->items, b->items, a->length, depth);
}

int compare_equal(const void *a, const void *b, unsigned depth)
{
    if (a == b)
        return 1;
    enum kind kind = kind_of(a);
    if (kind != kind_of(b))
        return 0;
    switch (kind) {
    case KIND_INT:
        return ((const molt_int *)a)->value == ((const molt_int *)b)->value;
    case KIND_STR:
        return compare_strings(a, b);
    case KIND_LIST:
        return lists_equal(a, b, depth);
    case KIND_TUPLE:
        return tuples_equal(a, b, depth);
    case KIND_DICT:
        return dict_equal(a, b, depth);
    default:
        return 0;
    }
}

int molt_equal(const void *a, const void *b)
{
    if (a == NULL || b == NULL) {
        errno = EINVAL;
        return -1;
    }
    return compare_equal(a, b, 0);
}
