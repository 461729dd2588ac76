/* active_sharing.c: active false sharing: does the allocator put blocks of two threads into one
 * cache line?
 *
 * Each thread allocates a few tiny blocks at the same time as the others, writes to them many
 * times, frees them and starts again. The pattern is that of cache-thrash in Hoard's tests (Berger
 * et al., Hoard: A Scalable Memory Allocator for Multithreaded Applications, 2000).
 *
 * Bad: many times slower with two threads than with one, because the line travels between the
 * cores at each write. Good: half the time with two threads on two cores. */
#include "workload.h"

#include "counters.h"

enum { TOTAL = 500000 }; /* rounds of all threads */

static struct block counters[THREADS_MAX][COUNTERS];

static void write_own(struct worker *worker)
{
    struct block *mine = counters[worker->number];
    uint64_t rounds = share(worker, TOTAL);
    for (uint64_t i = 0; i < rounds; i++) {
        if (i > 0)
            counters_put(worker, mine);
        counters_get(worker, mine, COUNTERS);
        counters_bump(mine);
    }
}

static void run(void)
{
    run_threads(write_own);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], counters[i], COUNTERS);
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
