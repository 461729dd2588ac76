/* slots.c: see slots.h. The table of addresses is hashed, with linear probing; at most half of it
 * is in use, and it holds a slot's number plus one, 0 where it is empty. */
#include "slots.h"

#include "stream.h" // stream_map, stream_complain
#include "trace.h"  // TRACE_SLOTS_MAX

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SLOTS_FIRST = 1 << 16,
    SLOTS_QUEUED = 4096,
};

static struct {
    struct slot *slots;
    uint32_t used;     /* slots that exist */
    uint32_t capacity; /* of slots; the table has twice as many places */
    uint32_t *table;
    uint32_t oldest, newest; /* the common queue's ends, if it is not empty */
    uint32_t queued;
} heap;

bool slots_start(void)
{
    heap.capacity = SLOTS_FIRST;
    heap.slots = stream_map(heap.capacity * sizeof *heap.slots);
    heap.table = stream_map(2 * heap.capacity * sizeof *heap.table);
    return heap.slots && heap.table;
}

struct slot *slots_at(uint32_t slot)
{
    return &heap.slots[slot];
}

uint32_t slots_limit(void)
{
    return heap.used;
}

/* ---- Addresses ---- */

static uint32_t mask(void)
{
    return 2 * heap.capacity - 1;
}

static uint32_t home_of(const void *block)
{
    return (uint32_t)((uintptr_t)block / 16 * 0x9e3779b97f4a7c15 >> 32) & mask();
}

/* The place that holds the block's slot, or the empty one where it would go. */
static uint32_t place_of(const void *block)
{
    uint32_t place = home_of(block);

    while (heap.table[place] && heap.slots[heap.table[place] - 1].block != block)
        place = (place + 1) & mask();
    return place;
}

/* Empties a place and moves up what was put behind it because it was taken. */
static void clear_place(uint32_t hole)
{
    uint32_t place = hole;

    for (;;) {
        heap.table[hole] = 0;
        do {
            place = (place + 1) & mask();
            if (!heap.table[place])
                return;
        } while (((place - home_of(heap.slots[heap.table[place] - 1].block)) & mask()) <
                 ((place - hole) & mask()));
        heap.table[hole] = heap.table[place];
        hole = place;
    }
}

static bool grow(void)
{
    size_t bytes = heap.capacity * sizeof *heap.slots;
    uint32_t *table = stream_map(4 * (size_t)heap.capacity * sizeof *table);

    if (heap.capacity >= TRACE_SLOTS_MAX || !table)
        return false;
    struct slot *slots = mremap(heap.slots, bytes, 2 * bytes, MREMAP_MAYMOVE);
    if (slots == MAP_FAILED) {
        stream_complain("mremap", errno);
        return false;
    }
    munmap(heap.table, 2 * (size_t)heap.capacity * sizeof *heap.table);
    heap.slots = slots;
    heap.table = table;
    heap.capacity *= 2;
    for (uint32_t slot = 0; slot < heap.used; slot++) {
        if (slots[slot].block)
            table[place_of(slots[slot].block)] = slot + 1;
    }
    return true;
}

uint32_t slots_find(const void *block)
{
    return heap.table[place_of(block)] - 1;
}

/* ---- Slots ---- */

/* As with the table, a stream's list holds numbers plus one, so that it is empty at first. */
static uint32_t pop_own(struct stream *stream)
{
    uint32_t slot = stream->free_slots - 1;

    if (slot != NO_SLOT)
        stream->free_slots = heap.slots[slot].next;
    return slot;
}

static uint32_t pop_queued(void)
{
    uint32_t slot = heap.oldest;

    if (heap.queued <= SLOTS_QUEUED)
        return NO_SLOT;
    heap.oldest = heap.slots[slot].next;
    heap.queued--;
    return slot;
}

static void push_queued(uint32_t slot)
{
    if (heap.queued++)
        heap.slots[heap.newest].next = slot;
    else
        heap.oldest = slot;
    heap.newest = slot;
}

static uint32_t create(void)
{
    if (heap.used == heap.capacity && !grow())
        return NO_SLOT;
    return heap.used++;
}

uint32_t slots_take(struct stream *stream, const void *block)
{
    uint32_t slot = pop_own(stream);

    if (slot == NO_SLOT)
        slot = pop_queued();
    if (slot == NO_SLOT)
        slot = create();
    if (slot == NO_SLOT)
        return NO_SLOT;
    heap.slots[slot].block = block;
    heap.slots[slot].size = 0;
    heap.slots[slot].owner = stream;
    heap.table[place_of(block)] = slot + 1;
    return slot;
}

void slots_move(uint32_t slot, const void *block)
{
    if (heap.slots[slot].block == block)
        return;
    clear_place(place_of(heap.slots[slot].block));
    heap.slots[slot].block = block;
    heap.table[place_of(block)] = slot + 1;
}

void slots_release(struct stream *stream, uint32_t slot)
{
    struct slot *freed = &heap.slots[slot];

    clear_place(place_of(freed->block));
    freed->block = NULL;
    if (freed->owner != stream) {
        push_queued(slot);
        return;
    }
    freed->next = stream->free_slots;
    stream->free_slots = slot + 1;
}

void slots_abandon(struct stream *stream)
{
    uint32_t slot;

    while ((slot = pop_own(stream)) != NO_SLOT)
        push_queued(slot);
}
