/* remote_free.c: one thread allocates, THREADS others only free.
 *
 * A dispatcher or parser makes objects and hands them to leaf threads, in turn, through rings; the
 * leaves read, free and never allocate. One object in KEEP_ONE_IN goes through the dispatcher's
 * table first and so lives longer than its neighbours. The pattern is the one-way case of Lever and
 * Boreham's test (xmalloc-test).
 *
 * Bad: the leaves' caches swallow memory that the dispatcher then takes from the OS anew, or every
 * free takes the dispatcher's lock. Good: the resident set stays near the live data, and the time
 * hardly depends on the number of leaves.
 *
 * THREADS: the freeing threads; the main thread allocates. */
#include "workload.h"

#include "ring.h"

#include <pthread.h>

enum {
    TOTAL = 800000, /* objects */
    KEPT = 16384,   /* objects in the dispatcher's table */
    KEEP_ONE_IN = 8,
    SIZE_LEAST = 16,
    SIZE_MEDIAN = 72,
    SIZE_MOST = 16384,
};

static const double SIZE_SPREAD = 1.0;

static pthread_t leaves[THREADS_MAX];
static struct ring rings[THREADS_MAX];
static struct block kept[KEPT];
static struct sizes sizes;

/* Frees all that comes until an empty block does. */
static void *leaf(void *argument)
{
    struct worker *worker = argument;
    struct block block;
    for (;;) {
        ring_take(&rings[worker->number], worker, &block);
        if (block.start == NULL)
            return NULL;
        block_put(worker, &block);
    }
}

static void dispatch(struct worker *worker)
{
    uint64_t count = scaled(TOTAL);
    for (uint64_t i = 0; i < count; i++) {
        struct block block;
        block_get(worker, &block, sizes_next(&sizes, worker));
        if (one_in(worker, KEEP_ONE_IN)) {
            struct block *place = &kept[random_below(worker, KEPT)], older = *place;
            *place = block;
            block = older;
        }
        if (block.start != NULL)
            ring_send(&rings[i % thread_count], worker, block);
    }
    for (unsigned i = 0; i < thread_count; i++) {
        ring_send(&rings[i], worker, (struct block){0});
        ring_settle(&rings[i], worker);
    }
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(rings, thread_count * sizeof rings[0]);
    make_resident(kept, sizeof kept);
}

static void run(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        if (pthread_create(&leaves[i], NULL, leaf, &workers[i]) != 0)
            fail("no thread");
    dispatch(&main_worker);
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(leaves[i], NULL);
}

static void drop(void)
{
    blocks_put(&main_worker, kept, KEPT);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
