/* slots.h: the recorder's view of the program's heap: which block is in which slot, and what has
 * happened to that slot. Called with the recorder's lock held; allocates nothing by malloc.
 *
 * A slot is used again by the thread that had it last, if the same thread also freed it: next, like
 * the top of a stack. Slots that another thread freed, or whose thread has ended, wait in a common
 * queue until SLOTS_QUEUED others are behind them. So whoever takes one depends on an event that is
 * long past, and replay's threads wait for each other only where the program hands a block over. */
#ifndef BENCH_TRACE_SLOTS_H
#define BENCH_TRACE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_SLOT UINT32_MAX

struct stream;

struct slot {
    const void *block;     /* NULL: free */
    size_t size;           /* what was asked for */
    struct stream *owner;  /* the stream that the block was allocated in */
    struct stream *latest; /* the stream of the last event */
    uint32_t sequence;     /* number of events */
    uint32_t next;         /* in its list, when free */
};

/* False, with a complaint, if there is no memory. */
bool slots_start(void);

/* The slot of a live block, or NO_SLOT. */
uint32_t slots_find(const void *block);

/* A slot for the block, which no other slot has; NO_SLOT, with a complaint, if there is no memory.
 * Its size is 0. */
uint32_t slots_take(struct stream *stream, const void *block);

/* The slot's block is at another address now, or in the old place with another size. */
void slots_move(uint32_t slot, const void *block);

/* The slot's block is gone; `stream` freed it. */
void slots_release(struct stream *stream, uint32_t slot);

/* The stream's thread ends: others may use its slots. */
void slots_abandon(struct stream *stream);

struct slot *slots_at(uint32_t slot);

/* All slots so far are less than this. */
uint32_t slots_limit(void);

#endif
