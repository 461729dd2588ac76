/* ring.h: a bounded queue of blocks from one thread to another.
 *
 * Each side writes its own index only, and looks at the other's when what it last saw of it does
 * not suffice: the allocator's cache misses are to be measured, not the ring's. Whose block it is
 * goes with it: the taker counts it as its own at once, the sender ceases to when it comes to the
 * same place again, so what lies in a ring may be counted twice in peak_live. Nothing is counted
 * twice after ring_settle. */
#ifndef RING_H
#define RING_H

#include "workload.h"

#include <sched.h>
#include <stdatomic.h>

enum { RING_BLOCKS = 256, RING_SPINS = 200 };

struct ring {
    _Atomic(size_t) sent __attribute__((aligned(2 * LINE)));
    size_t taken_seen; /* by the sender */
    _Atomic(size_t) taken __attribute__((aligned(2 * LINE)));
    size_t sent_seen; /* by the taker */
    struct block blocks[RING_BLOCKS] __attribute__((aligned(2 * LINE)));
};

/* Waits a little; longer the more often it has been called in a row. */
static inline void ring_wait(unsigned *turns)
{
    if (++*turns > RING_SPINS)
        sched_yield();
}

static inline bool ring_try_send(struct ring *ring, struct worker *worker, struct block block)
{
    size_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    if (sent - ring->taken_seen == RING_BLOCKS)
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
    if (sent - ring->taken_seen == RING_BLOCKS)
        return false;
    struct block *place = &ring->blocks[sent % RING_BLOCKS];
    worker->live_bytes -= (int64_t)place->size;
    *place = block;
    atomic_store_explicit(&ring->sent, sent + 1, memory_order_release);
    return true;
}

static inline bool ring_try_take(struct ring *ring, struct worker *worker, struct block *block)
{
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    if (taken == ring->sent_seen)
        ring->sent_seen = atomic_load_explicit(&ring->sent, memory_order_acquire);
    if (taken == ring->sent_seen)
        return false;
    *block = ring->blocks[taken % RING_BLOCKS];
    worker->live_bytes += (int64_t)block->size;
    if (worker->live_bytes > worker->peak_bytes)
        worker->peak_bytes = worker->live_bytes;
    atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
    return true;
}

static inline void ring_send(struct ring *ring, struct worker *worker, struct block block)
{
    unsigned turns = 0;
    while (!ring_try_send(ring, worker, block))
        ring_wait(&turns);
}

static inline void ring_take(struct ring *ring, struct worker *worker, struct block *block)
{
    unsigned turns = 0;
    while (!ring_try_take(ring, worker, block))
        ring_wait(&turns);
}

/* The sender's last act, when all will be taken: no block in the ring is its own any more. */
static inline void ring_settle(struct ring *ring, struct worker *worker)
{
    size_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    for (size_t i = 0; i < RING_BLOCKS && i < sent; i++)
        worker->live_bytes -= (int64_t)ring->blocks[i].size;
}

#endif
