/* large.c: blocks of 64 KiB to 64 MiB, one write in each page.
 *
 * Images, file contents, matrices, network buffers: a window of large blocks, the sizes uniform in
 * their logarithm, replaced at random; one step in RESIZE_ONE_IN makes a block half as large again
 * instead.
 *
 * Bad: every block is mapped and unmapped anew, so the time goes into page faults; or memory is
 * kept that will not be used again. realloc that copies instead of moving pages. Good: few system
 * calls, with a resident set near the live data. */
#include "workload.h"

enum {
    TOTAL = 200, /* steps of all threads */
    WINDOW = 12, /* blocks of all threads, at least one each */
    RESIZE_ONE_IN = 5,
    SIZE_LEAST_LOG = 16,
    SIZE_MOST_LOG = 26,
};

static struct block windows[THREADS_MAX][WINDOW];

/* A power of two and up to as much again. */
static size_t large_size(struct worker *worker)
{
    size_t power =
        (size_t)1 << (SIZE_LEAST_LOG + random_below(worker, SIZE_MOST_LOG - SIZE_LEAST_LOG));
    return power + random_below(worker, power + 1);
}

static size_t larger_size(size_t size)
{
    size_t most = (size_t)1 << SIZE_MOST_LOG, larger = size + size / 2;
    return larger < most ? larger : most;
}

static void work(struct worker *worker)
{
    size_t room = thread_count < WINDOW ? WINDOW / thread_count : 1;
    uint64_t steps = share(worker, TOTAL);
    for (uint64_t i = 0; i < steps; i++) {
        struct block *block = &windows[worker->number][random_below(worker, room)];
        if (block->start != NULL && one_in(worker, RESIZE_ONE_IN))
            block_resize(worker, block, larger_size(block->size));
        else
            block_replace(worker, block, large_size(worker));
    }
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
