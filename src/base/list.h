/* list.h: rings of links that lie inside the elements that they link.
 *
 *     ring ⇄ first link ⇄ … ⇄ last link ⇄ ring        empty: ring ⇄ ring
 *
 * A ring's own link belongs to no element. A link that is in no ring is all zero. In a ring,
 * link->next->prev == link. A ring changes by one store to a `next`, so in a forked child a walk by
 * `next` finds it whole; `prev` is derived again. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

#define LINK_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* An empty ring. */
#define RING_INIT(ring)  \
    {                    \
        &(ring), &(ring) \
    }

static inline bool link_is_linked(const struct link *link)
{
    return link->next != NULL;
}

/* Adds the link at the ring's end. */
static inline void ring_add(struct link *ring, struct link *link)
{
    link->next = ring;
    link->prev = ring->prev;
    atomic_signal_fence(memory_order_release);
    ring->prev->next = link;
    ring->prev = link;
}

/* Takes the link out of its ring, if it is in one. */
static inline void link_remove(struct link *link)
{
    if (!link_is_linked(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    atomic_signal_fence(memory_order_release);
    link->next = link->prev = NULL;
}

/* Takes out and returns the ring's first link; NULL if the ring is empty. */
static inline struct link *ring_pop(struct link *ring)
{
    struct link *first = ring->next;
    if (first == ring)
        return NULL;
    link_remove(first);
    return first;
}

#endif
