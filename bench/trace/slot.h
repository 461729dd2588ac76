/* slot.h: what replay and the check know of a slot, and whether an event may happen to it. */
#ifndef BENCH_TRACE_SLOT_H
#define BENCH_TRACE_SLOT_H

#include "reader.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_BLOCK SIZE_MAX

struct slot {
    void *block;               /* NULL in the check, which allocates nothing */
    size_t size;               /* NO_BLOCK: free */
    _Atomic uint32_t sequence; /* events so far */
    uint32_t latest;           /* the last event's thread */
};

enum slot_turn { SLOT_NOW, SLOT_LATER, SLOT_NEVER };

/* Whether it is the event's turn: with a handover, once another thread has brought the slot to its
 * sequence; else if the thread had the last event, or there was none. */
static inline enum slot_turn slot_turn(const struct slot *slot, const struct event *event,
                                       uint32_t thread)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);

    if (!event->handover)
        return sequence == 0 || slot->latest == thread ? SLOT_NOW : SLOT_NEVER;
    if (sequence < event->sequence)
        return SLOT_LATER;
    return sequence == event->sequence && slot->latest != thread ? SLOT_NOW : SLOT_NEVER;
}

/* Whether the event, whose turn it is, makes sense for a slot that is free or is not. */
static inline bool slot_allows(const struct slot *slot, const struct event *event)
{
    bool live = slot->size != NO_BLOCK;

    if (event->kind == TRACE_FREE)
        return live;
    if (event->kind == TRACE_REALLOC)
        return live && event->size != 0;
    return !live;
}

/* The thread has carried out its event of the slot. */
static inline void slot_advance(struct slot *slot, uint32_t thread)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    slot->latest = thread;
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_release);
}

#endif
