/* list.h: rings of links that lie inside what they link. A ring's own link belongs to no element; a
 * link that is in no ring is all zero. The way forward changes by one store, so a forked child
 * finds it whole. */
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

/* At the ring's end. */
static inline void ring_add(struct link *ring, struct link *link)
{
    link->next = ring;
    link->prev = ring->prev;
    atomic_signal_fence(memory_order_release);
    ring->prev->next = link;
    ring->prev = link;
}

/* Out of its ring, if it is in one. */
static inline void link_remove(struct link *link)
{
    if (!link_is_linked(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    atomic_signal_fence(memory_order_release);
    link->next = link->prev = NULL;
}

/* The first link, which leaves the ring; NULL when that is empty. */
static inline struct link *ring_pop(struct link *ring)
{
    struct link *first = ring->next;
    if (first == ring)
        return NULL;
    link_remove(first);
    return first;
}

#endif
