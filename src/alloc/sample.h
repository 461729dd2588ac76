/* sample.h: which allocations a heap profile samples.
 *
 * Each byte that the program allocates is sampled with the same small probability, independently of
 * all others: a block of S bytes with 1 - e^(-S / mean) (Poisson sampling by bytes). So the profile
 * has no bias: a sampled block stands for 1 / (1 - e^(-S / mean)) like it. S is what the block
 * takes: its class's bytes, or whole pages.
 *
 * malloc's fast path does not know of it. The choice is made before: when a free block enters a
 * list that malloc pops. There it is good for exactly one allocation, whenever that comes, so to
 * mark blocks with this probability as they enter is to sample allocations with it. A marked block
 * has a link that does not decode (block.h), so the pop fails at it and malloc takes its slow path.
 *
 *   free, by the owner ─── `left` counts down to the tick, or to the marked block ─┐
 *   a pool becomes ACTIVE, is carved, takes a chain back ─── sample_count counts ──┴──> list
 *
 * Blocks enter in a known order, so for each class the heap draws how many of them are passed over
 * until the next one is marked. Runs and huge blocks are made on slow paths, which ask for each.
 *
 * A block that was sampled has its place in pools that no thread owns (sampled.h), so that its free
 * comes to a slow path, too; only such frees, and those of runs and huge blocks, are looked at.
 *
 * All changes to a heap's lists are made inside its slow paths. */
#ifndef ALLOC_SAMPLE_H
#define ALLOC_SAMPLE_H

#include "heap.h"
#include "watch.h"

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What src/profile does. The first five are called with no lock held and outside of the heap, by
 * any thread, perhaps in a signal handler; of the others each says it. */
struct profile_hooks {
    /* A sampled allocation of `size` bytes got a block that takes `bytes`, instead of one in the
     * pool of the number `home`; 0: instead of none. False: it is not recorded, and its free need
     * not be told. */
    bool (*allocated)(void *block, size_t size, size_t bytes, uint32_t home);
    /* The block is about to be freed; it may be one that was never told of. `caller` is a return
     * address: of the call of free in the program, or in molt. */
    void (*freed)(void *block, const void *caller);

    /* The same of a block that is about to be resized, which is told of afterwards: whether it is
     * gone, so that what there is now has to be told of by `allocated`. */
    void (*resizing)(void *block);
    void (*resized)(void *block, bool is_gone);

    /* A block is given out that is not recorded. Told of runs, huge blocks and, after a trace, all.
     */
    void (*given)(void *block);

    /* A pool begins there, whose blocks may be given out without a word. In slow paths of heaps,
     * and under registry_lock. */
    void (*pool_made)(const void *start);

    /* The profiler's own resident memory, nearly. Any thread, at any time. */
    size_t (*own_bytes)(void);

    /* An allocation is about to fail; `by_limit`: due to the hard limit. As the first five; called
     * only while blocks are recorded. */
    void (*failing)(bool by_limit);

    /* The options may have changed. Not in malloc, and with no lock held. */
    void (*follow_options)(void);

    /* The statistics page is due (refresh.h). No lock is held; the caller may have entered its
     * heap. */
    void (*refresh)(void);

    /* The thread of background.h takes a step, or has been woken. */
    void (*in_background)(void);

    /* molt_ctl is asked to set an option. 0 or an errno: it was a command, which is done; -1: it is
     * none. As follow_options. */
    int (*command)(const char *name, const char *value, size_t length);

    /* Not 0: somebody outside of the process wants to hear of samples. It changes without notice.
     */
    const uint32_t *listeners;
};

#define SAMPLE_MEAN_USUAL ((size_t)512 << 10)

/* The name of the type of the object that the thread is making a block for, or NULL. */
extern HIDDEN THREAD_LOCAL const char *sample_type;

extern HIDDEN const struct profile_hooks profile_hooks AT_SECTION_START("molt_profile_hooks");

/* Samples once in `mean` bytes from now on; 0: no more, but for listeners, who have no wish about
 * the mean: SAMPLE_MEAN_USUAL. A heap follows with its next tick or new pool (sample_follow). */
void sample_set_mean(size_t mean);

/* Returns once in how many bytes allocations are sampled now; 0: none is. */
size_t sample_mean_now(void);

/* ---- The lists of a heap, inside a slow path of it ---- */

/* The heap follows a change of the mean, or of whether anybody listens, of which nothing else
 * tells. */
void sample_follow(struct heap *heap);

/* A pool has become ACTIVE, with its free blocks: sets `left`. */
void sample_activated(struct heap *heap, struct pool *pool);

/* The pool is ACTIVE no longer: its blocks leave the heap's list, and none of them is marked. */
void sample_deactivated(struct heap *heap, struct pool *pool);

/* The first `count` blocks of the class's list have come to it; UINT_MAX: all of them. */
void sample_count(struct heap *heap, unsigned size_class, unsigned count);

static inline void sample_came(struct heap *heap, unsigned size_class, unsigned count)
{
    if (UNLIKELY(heap->sampler.mean != 0))
        sample_count(heap, size_class, count);
}

/* Has the ACTIVE pool drained after `most` frees at the latest. */
void sample_set_left(struct heap *heap, struct pool *pool, uint32_t most);

/* The ACTIVE pool was drained by the free of the block that is the first of the list: sets `left`
 * anew. */
void sample_drained(struct heap *heap, struct pool *pool);

/* Blocks are about to be taken off the list that are not allocated: none of them is marked. */
void sample_clear_list(const struct heap *heap, struct block_list *list);

/* ---- Blocks without a list ---- */

/* Whether an allocation of a run or a huge block is sampled. */
bool sample_large(size_t bytes);

#endif
