/* lognormal.c: many small blocks, few large ones, most of them short-lived.
 *
 * Sizes follow a log-normal distribution: median SIZE_MEDIAN, a mean of about 320 bytes, the
 * largest some 100 KiB. Each allocation replaces a random block of a table: mostly of the small
 * one, whose blocks die young, one in OLD_ONE_IN of the large one, whose blocks grow old. That is
 * how sizes and lifetimes are spread in most programs, and no size class or reuse order is
 * favoured. Of the kind of mimalloc-bench's alloc-test.
 *
 * Bad: the step from small to large is dear (page faults, locks, a call of the OS each time), or
 * old blocks pin whole regions. Good: flat cost over all sizes. */
#include "workload.h"

enum {
    TOTAL = 6000000, /* replacements of all threads */
    YOUNG = 100,     /* blocks of a thread's small table */
    OLD = 60000,     /* blocks of all large tables */
    OLD_ONE_IN = 4,
    SIZE_LEAST = 8,
    SIZE_MEDIAN = 64,
    SIZE_MOST = 262144,
};

static const double SIZE_SPREAD = 1.8;

static struct block young[THREADS_MAX][YOUNG];
static struct block old[OLD];
static struct sizes sizes;

static void replace(struct worker *worker)
{
    size_t room = OLD / thread_count;
    struct block *mine = &old[worker->number * room];
    uint64_t count = share(worker, TOTAL);
    for (uint64_t i = 0; i < count; i++) {
        struct block *block = one_in(worker, OLD_ONE_IN)
                                  ? &mine[random_below(worker, room)]
                                  : &young[worker->number][random_below(worker, YOUNG)];
        block_replace(worker, block, sizes_next(&sizes, worker));
    }
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(young, thread_count * sizeof young[0]);
    make_resident(old, sizeof old);
}

static void run(void)
{
    run_threads(replace);
}

static void drop(void)
{
    blocks_put(&main_worker, old, OLD);
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], young[i], YOUNG);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
