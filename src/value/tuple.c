/* tuple.c: tuples. */
#include "kind.h"

static bool all_given(void *const *items, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (items[i] == NULL)
            return false;
    return true;
}

molt_tuple *molt_tuple_new(void *const *items, size_t length)
{
    bool is_tracked = false;
    if ((items == NULL && length != 0) || !all_given(items, length)) {
        errno = EINVAL;
        return NULL;
    }
    if (length > PTRDIFF_MAX / 16) {
        errno = ENOMEM;
        return NULL;
    }
    molt_tuple *tuple = molt_new_extra(kind_types[KIND_TUPLE], length * sizeof(void *));
    if (tuple == NULL)
        return NULL;
    tuple->length = length;
    for (size_t i = 0; i < length; i++) {
        tuple->items[i] = molt_retain(items[i]);
        is_tracked |= molt_gc_is_tracked(items[i]);
    }
    if (!is_tracked)
        molt_gc_untrack(tuple);
    return tuple;
}

size_t molt_tuple_length(const molt_tuple *tuple)
{
    return kind_expect(tuple, KIND_TUPLE) ? tuple->length : 0;
}

void *molt_tuple_get(const molt_tuple *tuple, size_t index)
{
    if (!kind_expect(tuple, KIND_TUPLE))
        return NULL;
    if (index < tuple->length)
        return tuple->items[index];
    errno = ERANGE;
    return NULL;
}
