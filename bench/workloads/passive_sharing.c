/* passive_sharing.c: passive false sharing: does a cache line that two threads got from a third one
 * stay divided?
 *
 * The main thread allocates tiny blocks and deals them out like cards, so neighbours in one cache
 * line go to different threads. Each thread writes to its blocks many times, frees them and
 * allocates as many for itself, round after round. The pattern is that of cache-scratch in Hoard's
 * tests (Berger et al. 2000). JOBS times over, with new threads each time.
 *
 * The sharing of the first round is the program's own doing; that of the others is the allocator's.
 * Bad: an allocator that hands a thread what that thread has just freed keeps the line divided
 * for good. Good: freed blocks return to whom they came from, and all rounds but the first run at
 * full speed. */
#include "workload.h"

#include "counters.h"

enum {
    JOBS = 20,
    TOTAL = 24000, /* rounds of all threads in all jobs */
};

static struct block counters[THREADS_MAX][COUNTERS];

static void deal(void)
{
    for (size_t card = 0; card < COUNTERS; card++) {
        for (unsigned i = 0; i < thread_count; i++) {
            if (counters[i][card].start != NULL)
                block_put(&workers[i], &counters[i][card]);
            counters_get(&workers[i], &counters[i][card], 1);
        }
    }
}

static void write_dealt(struct worker *worker)
{
    struct block *mine = counters[worker->number];
    uint64_t rounds = share(worker, TOTAL / JOBS);
    for (uint64_t i = 0; i < rounds; i++) {
        if (i > 0) {
            counters_put(worker, mine);
            counters_get(worker, mine, COUNTERS);
        }
        counters_bump(mine);
    }
}

static void run(void)
{
    for (unsigned job = 0; job < JOBS; job++) {
        deal();
        run_threads(write_dealt);
    }
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], counters[i], COUNTERS);
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
