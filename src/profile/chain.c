/* chain.c: finding and adding. */
#include "chain.h"

#include <stddef.h>

/* Searches from `first` up to `end`, which is left out. */
static struct chain_link *find(struct chain_link *first, const struct chain_link *end,
                               const struct chain_kind *kind, const void *key)
{
    for (struct chain_link *element = first; element != end; element = element->next)
        if (kind->is_equal(element, key))
            return element;
    return NULL;
}

struct chain_link *chain_intern(chain *in, const struct chain_kind *kind, const void *key)
{
    struct chain_link *first = atomic_load_explicit(in, memory_order_acquire);
    struct chain_link *found = find(first, NULL, kind, key);
    struct chain_link *made = found != NULL ? NULL : kind->make(key);
    while (found == NULL && made != NULL) {
        made->next = first;
        if (atomic_compare_exchange_strong_explicit(in, &first, made, memory_order_acq_rel,
                                                    memory_order_acquire))
            found = made;
        else /* others have added elements: ours may be among them */
            found = find(first, made->next, kind, key);
    }
    return found;
}
