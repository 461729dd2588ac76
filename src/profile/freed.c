/* freed.c: the buckets, and the generations of slots. */
#include "freed.h"

#include "memory.h"

#include "base/attributes.h"
#include "base/options.h" // options.prof_memory
#include "base/tunables.h"

#include <stdatomic.h>
#include <string.h>

enum { BUCKET_BITS = 10, BUCKETS = 1 << BUCKET_BITS, BUCKET_SLOTS = 8 };
enum { GENERATION_BITS = 12, GENERATIONS = 1 << GENERATION_BITS };

/* Of the profiler's memory this part may go to buckets. */
enum { MEMORY_PART = 16 };

/* In place of a block's address: nothing is known; it is just being written. */
enum { NONE = 0, TAKEN = 1 };

struct bucket {
    _Atomic(uintptr_t) blocks[BUCKET_SLOTS];
    struct freed slots[BUCKET_SLOTS];
    _Atomic(uint32_t) turn; /* which slot is used next */
};

static _Atomic(struct bucket *) buckets[BUCKETS]; /* NULL: has no memory yet */
static _Atomic(size_t) bucket_count;
static _Atomic(uint32_t) profile_number;
static _Atomic(uint32_t) generations[GENERATIONS]; /* several slots share one */

static uint64_t hash_of(uintptr_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

static _Atomic(uint32_t) *generation_of(const void *p)
{
    return &generations[hash_of((uintptr_t)p >> POOL_SHIFT) >> (64 - GENERATION_BITS)];
}

/* ---- Buckets ---- */

static _Atomic(struct bucket *) *place_of(const void *block)
{
    return &buckets[hash_of((uintptr_t)block >> 3) >> (64 - BUCKET_BITS)];
}

/* If another thread makes the same bucket, one of the two is lost. */
static struct bucket *make_bucket(_Atomic(struct bucket *) *place)
{
    struct bucket *made, *there = NULL;
    size_t count = atomic_fetch_add_explicit(&bucket_count, 1, memory_order_relaxed);
    bool is_allowed = (count + 1) * sizeof *made <= options.prof_memory / MEMORY_PART;
    if (!is_allowed || (made = profile_memory_take(sizeof *made)) == NULL) {
        atomic_fetch_sub_explicit(&bucket_count, 1, memory_order_relaxed);
        return NULL;
    }
    if (atomic_compare_exchange_strong_explicit(place, &there, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    return there;
}

/* The index of the slot with that block; BUCKET_SLOTS: there is none. */
static unsigned search(struct bucket *bucket, uintptr_t block)
{
    unsigned i = 0;
    while (i < BUCKET_SLOTS &&
           atomic_load_explicit(&bucket->blocks[i], memory_order_acquire) != block)
        i++;
    return i;
}

/* The block's bucket and its slot there; NULL: nothing is known of it. */
static struct bucket *find(const void *block, unsigned *slot)
{
    struct bucket *bucket = atomic_load_explicit(place_of(block), memory_order_acquire);
    if (bucket == NULL || (*slot = search(bucket, (uintptr_t)block)) == BUCKET_SLOTS)
        return NULL;
    return bucket;
}

/* The slot that the block is written to. */
static unsigned choose(struct bucket *bucket, uintptr_t block)
{
    unsigned own = search(bucket, block);
    if (own < BUCKET_SLOTS)
        return own;
    return atomic_fetch_add_explicit(&bucket->turn, 1, memory_order_relaxed) % BUCKET_SLOTS;
}

/* ---- Blocks ---- */

static void write_slot(struct freed *slot, const struct record *record, uint32_t profile,
                       uint32_t thread, const uintptr_t *frames, unsigned depth)
{
    slot->profile = profile;
    slot->site = record->site;
    slot->size = record->size;
    slot->allocated_by = record->thread;
    slot->freed_by = thread;
    slot->generation = atomic_load_explicit(generation_of(record->block), memory_order_relaxed);
    slot->depth = depth;
    memcpy(slot->frames, frames, depth * sizeof *frames);
}

/* A slot that is just being written, by a thread that this one interrupts perhaps, is left to that.
 */
void freed_note(const struct record *record, uint32_t profile, uint32_t thread,
                const uintptr_t *frames, unsigned depth)
{
    _Atomic(struct bucket *) *place = place_of(record->block);
    struct bucket *bucket = atomic_load_explicit(place, memory_order_acquire);
    if (UNLIKELY(bucket == NULL) && (bucket = make_bucket(place)) == NULL)
        return;
    unsigned i = choose(bucket, (uintptr_t)record->block);
    uintptr_t there = atomic_load_explicit(&bucket->blocks[i], memory_order_relaxed);
    if (there == TAKEN ||
        !atomic_compare_exchange_strong_explicit(&bucket->blocks[i], &there, TAKEN,
                                                 memory_order_acquire, memory_order_relaxed))
        return;
    atomic_thread_fence(memory_order_release); /* who reads any of what follows finds it taken */
    write_slot(&bucket->slots[i], record, profile, thread, frames, depth);
    atomic_store_explicit(&bucket->blocks[i], (uintptr_t)record->block, memory_order_release);
}

void freed_forget(void *block)
{
    unsigned i;
    struct bucket *bucket = find(block, &i);
    uintptr_t expected = (uintptr_t)block;
    if (bucket != NULL)
        atomic_compare_exchange_strong_explicit(&bucket->blocks[i], &expected, NONE,
                                                memory_order_release, memory_order_relaxed);
}

void freed_note_pool(const void *start)
{
    atomic_fetch_add_explicit(generation_of(start), 1, memory_order_relaxed);
}

/* The slot may become another block's meanwhile; it is only a copy of it that counts then. */
READS_RACES static void copy_slot(struct freed *copy, const struct freed *slot)
{
    *copy = *slot;
}

bool freed_find(const void *block, struct freed *found)
{
    unsigned i;
    struct bucket *bucket = find(block, &i);
    if (bucket == NULL)
        return false;
    copy_slot(found, &bucket->slots[i]);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&bucket->blocks[i], memory_order_relaxed) == (uintptr_t)block &&
           found->profile == freed_profile() &&
           atomic_load_explicit(generation_of(block), memory_order_relaxed) == found->generation;
}

uint32_t freed_profile(void)
{
    return atomic_load(&profile_number);
}

void freed_forget_all(void)
{
    atomic_fetch_add(&profile_number, 1);
}
