/* pacing.c: the thresholds, and what is compared with them. */
#include "pacing.h"

#include "deferral.h"
#include "generation.h"
#include "straggler.h"

#include "object/gc_table.h" // gc_table_large_bytes

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

/* All are written by the collector or by the configuring functions, and read by any thread. */
static atomic_bool is_disabled;
static _Atomic unsigned threshold[GENERATIONS] = {700, 10, 10};

/* Of generations 1 and 2: collections of the next younger one since their own last. */
static _Atomic unsigned younger_collections[GENERATIONS];

/* Objects that were old after the last full collection, and those that have become old since. */
static _Atomic size_t old_objects, new_old_objects;

/* A full collection waits until new_old_objects is so many quarters of old_objects: one more after
 * each that has found next to nothing, since a heap that only grows would be traversed in vain.
 * With three, old garbage still is less than what lives. */
static _Atomic unsigned growth_quarters = 1;
#define GROWTH_QUARTERS_MAX 3u
#define NEXT_TO_NOTHING 16 /* at most a 16th of the candidates */

/* With more new old objects a full collection does not wait for threshold 2, or old garbage could
 * become many times what lives. */
#define GROWTH_MIN 10000u

/* Bytes of large objects after the last full collection. */
static _Atomic size_t large_bytes_old;
#define LARGE_BYTES_MIN ((size_t)16 << 20)

/* The oldest generation for which a collection that was due has failed for a straggler. */
static _Atomic int put_off;

/* ---- Counts ---- */

/* Resets of all counts. Only its own thread writes an owner's count, so it sets that to 0 when it
 * finds a reset that it did not know of (owner->resets). */
static _Atomic uint32_t resets;

static void begin_count_anew(struct owner *owner)
{
    uint32_t last = atomic_load_explicit(&resets, memory_order_relaxed);
    if (atomic_load_explicit(&owner->resets, memory_order_relaxed) == last)
        return;
    atomic_store_explicit(&owner->resets, last, memory_order_relaxed);
    owner->count = owner->wait_at = 0;
}

void pacing_count_new(struct owner *owner)
{
    begin_count_anew(owner);
    if (owner->count < INT32_MAX)
        owner->count++;
}

/* Called before the collection, so that the objects which its finalizers make are counted. */
void pacing_reset_counts(int generation)
{
    atomic_fetch_add(&resets, 1);
    if (owner_self != NULL)
        begin_count_anew(owner_self);
    for (int g = 1; g <= generation; g++)
        younger_collections[g] = 0;
    if (generation < GENERATIONS - 1)
        younger_collections[generation + 1]++;
}

void pacing_note_yield(size_t found, size_t candidates)
{
    if (found > candidates / NEXT_TO_NOTHING)
        growth_quarters = 1;
    else if (growth_quarters < GROWTH_QUARTERS_MAX)
        growth_quarters++;
}

void pacing_note_sizes(const struct collection *done, int error)
{
    if (done->generation == GENERATION_OLD)
        large_bytes_old = gc_table_large_bytes;
    if (error != 0)
        return;
    if (done->generation == GENERATION_MIDDLE)
        new_old_objects += done->survivors;
    if (done->generation != GENERATION_OLD)
        return;
    old_objects = done->survivors;
    new_old_objects = 0;
}

void pacing_note_put_off(int generation, int error)
{
    if (error == EBUSY && generation > put_off)
        put_off = generation;
    else if (error == 0 && generation >= put_off)
        put_off = 0;
}

/* ---- What is due ---- */

int32_t pacing_limit(void)
{
    unsigned t0 = atomic_load_explicit(&threshold[0], memory_order_relaxed);
    bool never = t0 == 0 || atomic_load_explicit(&is_disabled, memory_order_relaxed) ||
                 (deferral_on() && deferral_is_due());
    return never ? INT32_MAX : straggler_limit(t0);
}

int pacing_due_young(void)
{
    return younger_collections[1] > threshold[1] || put_off == GENERATION_MIDDLE ? GENERATION_MIDDLE
                                                                                 : GENERATION_YOUNG;
}

static bool large_bytes_due(void)
{
    return gc_table_large_bytes > LARGE_BYTES_MIN && gc_table_large_bytes / 2 > large_bytes_old;
}

static bool full_due(void)
{
    return new_old_objects >= old_objects / 4 * growth_quarters &&
           (younger_collections[2] > threshold[2] || new_old_objects > GROWTH_MIN);
}

int pacing_due_generation(void)
{
    return large_bytes_due() || full_due() || put_off == GENERATION_OLD ? GENERATION_OLD
                                                                        : pacing_due_young();
}

bool pacing_is_due(const struct owner *owner)
{
    int32_t limit = pacing_limit();
    return limit != INT32_MAX &&
           (owner->count > limit || large_bytes_due() || straggler_is_pressing());
}

/* ---- Slices ---- */

/* Objects that a slice works on for each new one that makes it due, if `gc_slice` does not end it
 * earlier. A cycle, which works on each object twice, must end before a quarter as many are new. */
#define SLICE_PER_OBJECT 16

size_t pacing_slice_objects(void)
{
    return (size_t)threshold[0] * SLICE_PER_OBJECT;
}

uint64_t pacing_slice_lengths(void)
{
    return 1 + new_old_objects / (old_objects + GROWTH_MIN);
}

void pacing_note_cycle(size_t survivors)
{
    old_objects = survivors;
    new_old_objects = 0;
    younger_collections[2] = 0;
    large_bytes_old = gc_table_large_bytes;
    put_off = 0;
}

/* ---- Configuration ---- */

void molt_gc_enable(void)
{
    atomic_store(&is_disabled, false);
    owner_call_all();
}

void molt_gc_disable(void)
{
    atomic_store(&is_disabled, true);
    owner_call_all();
}

bool molt_gc_is_enabled(void)
{
    return !atomic_load(&is_disabled);
}

int molt_gc_set_threshold(unsigned t0, unsigned t1, unsigned t2)
{
    if (t0 > INT_MAX || t1 > INT_MAX || t2 > INT_MAX) {
        errno = EINVAL;
        return -1;
    }
    threshold[0] = t0;
    threshold[1] = t1;
    threshold[2] = t2;
    owner_call_all();
    return 0;
}

void molt_gc_get_threshold(unsigned out[3])
{
    for (int i = 0; i < GENERATIONS; i++)
        out[i] = threshold[i];
}

void molt_gc_get_count(unsigned out[3])
{
    out[0] = 0;
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        if (owner->resets == resets)
            out[0] += (unsigned)__atomic_load_n(&owner->count, __ATOMIC_RELAXED);
    out[1] = younger_collections[1];
    out[2] = younger_collections[2];
}
