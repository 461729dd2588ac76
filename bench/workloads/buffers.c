/* buffers.c: buffers of 5 to 25 MiB, each written whole.
 *
 * Frames, decoded images, tensors: a window of twenty live blocks, the sizes uniform, one at random
 * replaced at a time. The same shape as mimalloc-bench's malloc-large.
 *
 * Bad: each block's pages are faulted in anew and zeroed by the kernel, 4 KiB at a time. Good: what
 * was freed is used again as it is, whatever its size, and the resident set is the live data. */
#include "workload.h"

#include <string.h>

enum {
    TOTAL = 200, /* blocks of all threads */
    WINDOW = 20, /* live blocks of all threads, at least one each */
    SIZE_LEAST = 5 << 20,
    SIZE_MOST = 25 << 20,
};

static struct block windows[THREADS_MAX][WINDOW];

static void replace(struct worker *worker, struct block *block)
{
    size_t size = SIZE_LEAST + random_below(worker, SIZE_MOST - SIZE_LEAST + 1);
    block_replace(worker, block, size);
    memset(block->start, (int)block->key, size);
    block_stamp(block);
}

static void work(struct worker *worker)
{
    size_t room = thread_count < WINDOW ? WINDOW / thread_count : 1;
    uint64_t steps = share(worker, TOTAL);
    for (uint64_t i = 0; i < steps; i++)
        replace(worker, &windows[worker->number][random_below(worker, room)]);
}

static void run(void)
{
    run_threads(work);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], windows[i], WINDOW);
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
