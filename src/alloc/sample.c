/* sample.c: passing over blocks, and marking them. */
#include "sample.h"

#include "map.h"

#include "base/random.h"
#include "os/os.h" // os_random

#include <limits.h> // UINT_MAX
#include <string.h>

_Static_assert(TICK_FREES_MAX <= UINT16_MAX, "what `left` is set to");

THREAD_LOCAL const char *sample_type;

static size_t sample_mean; /* 0: off, unless somebody listens */

size_t sample_mean_now(void)
{
    size_t mean = __atomic_load_n(&sample_mean, __ATOMIC_RELAXED);
    bool is_heard = mean == 0 && __atomic_load_n(profile_hooks.listeners, __ATOMIC_RELAXED) != 0;
    return UNLIKELY(is_heard) ? SAMPLE_MEAN_USUAL : mean;
}

/* While all is traced, only objects are sampled (watch.h). */
static bool is_left_out(const struct heap *heap, unsigned size_class)
{
    return heap->sampler.mean == 1 && size_class < OBJECT_CLASS_FIRST;
}

static uint32_t draw(struct heap *heap, unsigned size_class)
{
    if (is_left_out(heap, size_class))
        return UINT32_MAX;
    uint64_t blocks =
        random_geometric(&heap->sampler.random, size_class_bytes(size_class), heap->sampler.mean);
    return blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

/* ---- A class's place in the heap, whichever kind it is of ---- */

/* The number of the block that is marked next: 1 or more. */
static uint32_t *until_of(struct heap *heap, unsigned size_class)
{
    uint32_t *until = size_class < CLASS_COUNT
                          ? &heap->sampler.until[size_class]
                          : &heap->objects.until[size_class - OBJECT_CLASS_FIRST];
    if (*until == 0)
        *until = draw(heap, size_class);
    return until;
}

static uint16_t *left_of(struct heap *heap, unsigned size_class)
{
    return size_class < CLASS_COUNT ? &heap->sampler.left[size_class]
                                    : &heap->objects.left[size_class - OBJECT_CLASS_FIRST];
}

/* ---- Marks ---- */

static void mark(struct block *block)
{
    const struct block *next = block_next(block);
    block->link = block_link_sampled(next != NULL ? next : &block_end);
}

/* Marks those of the first `count` blocks whose turn it is. */
static void mark_some(struct heap *heap, unsigned size_class, unsigned count)
{
    if (is_left_out(heap, size_class))
        return;
    uint32_t *until = until_of(heap, size_class);
    struct block *block = block_list_first(heap_free_list(heap, size_class));
    for (; count > 0 && block != NULL; count--, block = block_next(block)) {
        if (--*until > 0)
            continue;
        mark(block);
        *until = draw(heap, size_class);
    }
}

static void unmark_list(struct block *first)
{
    for (struct block *block = first; block != NULL; block = block_next(block))
        if (block_is_sampled(block))
            block_set_next(block, block_next(block));
}

void sample_clear_list(const struct heap *heap, struct block_list *list)
{
    if (heap->sampler.mean != 0)
        unmark_list(block_list_first(list));
}

/* ---- Frees that go to the list of an ACTIVE pool ---- */

/* Takes into account the frees since `left` was last set. It was at most `until`. */
static void count_frees(struct heap *heap, const struct pool *pool)
{
    uint32_t *until = until_of(heap, pool->size_class);
    uint32_t frees = *left_of(heap, pool->size_class) - pool->left;
    if (frees < *until) /* always, unless a signal handler has freed the last one (free_drained) */
        *until -= frees;
}

/* Has the pool drained after `most` frees, or with the block that is marked next. */
static void set_left(struct heap *heap, struct pool *pool, uint32_t most)
{
    uint32_t until = *until_of(heap, pool->size_class);
    pool->left = most < until ? most : until;
    *left_of(heap, pool->size_class) = (uint16_t)pool->left;
}

void sample_set_left(struct heap *heap, struct pool *pool, uint32_t most)
{
    if (heap->sampler.mean == 0) {
        pool->left = most;
        return;
    }
    count_frees(heap, pool);
    set_left(heap, pool, most);
}

void sample_drained(struct heap *heap, struct pool *pool)
{
    if (heap->sampler.mean == 0) {
        pool->left = heap->tick_frees;
        return;
    }
    *until_of(heap, pool->size_class) -= *left_of(heap, pool->size_class) - 1u;
    mark_some(heap, pool->size_class, 1);
    set_left(heap, pool, heap->tick_frees);
}

void sample_activated(struct heap *heap, struct pool *pool)
{
    pool->left = heap->tick_frees;
    if (heap->sampler.mean == 0)
        return;
    mark_some(heap, pool->size_class, UINT_MAX);
    set_left(heap, pool, heap->tick_frees);
}

void sample_deactivated(struct heap *heap, struct pool *pool)
{
    if (heap->sampler.mean == 0)
        return;
    count_frees(heap, pool);
    unmark_list(block_list_first(pool->list));
}

void sample_count(struct heap *heap, unsigned size_class, unsigned count)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    if (pool != NULL)
        count_frees(heap, pool);
    mark_some(heap, size_class, count);
    if (pool != NULL)
        set_left(heap, pool, pool->left);
}

/* ---- Switching on and off ---- */

/* The blocks that are in the class's list are as if they had just come to it. */
static void begin_class(struct heap *heap, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    unmark_list(block_list_first(heap_free_list(heap, size_class)));
    *left_of(heap, size_class) = 0;
    if (heap->sampler.mean == 0)
        return;
    mark_some(heap, size_class, UINT_MAX);
    if (pool != NULL)
        set_left(heap, pool, pool->left);
}

/* Runs and huge blocks are sampled, and frees are looked at, where the flags say so. */
static void set_watch(size_t mean)
{
    if (mean != 0)
        watch_set(WATCH_FREES, true);
    watch_set(WATCH_SAMPLE, mean != 0);
}

/* Threads that see a listener come and go at different times may leave the flag wrong: whose tick
 * comes next corrects it. */
void sample_follow(struct heap *heap)
{
    struct sampler *sampler = &heap->sampler;
    size_t mean = sample_mean_now();
    if (LIKELY(sampler->mean == mean && watch_is_on(WATCH_SAMPLE) == (mean != 0)))
        return;
    set_watch(mean);
    sampler->mean = mean;
    if (sampler->random == 0)
        sampler->random = os_random() ^ heap->number;
    memset(sampler->until, 0, sizeof sampler->until);
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        begin_class(heap, size_class);
    if (!heap->has_objects)
        return;
    memset(heap->objects.until, 0, sizeof heap->objects.until);
    for (unsigned i = 0; i < OBJECT_CLASS_COUNT; i++)
        begin_class(heap, OBJECT_CLASS_FIRST + i);
}

void sample_set_mean(size_t mean)
{
    __atomic_store_n(&sample_mean, mean, __ATOMIC_RELAXED);
    set_watch(sample_mean_now());
}

/* ---- Runs and huge blocks ---- */

bool sample_large(size_t bytes)
{
    static uint64_t count;
    uint64_t state = os_random() + __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    double mean = (double)sample_mean_now();
    return mean != 0 && random_exponential(&state) * mean < (double)bytes;
}
