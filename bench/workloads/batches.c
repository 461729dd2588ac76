/* batches.c: whole batches allocated, then freed: in random order, last first, first first.
 *
 * A program that works in steps: read a batch, build its objects, go on to the next and drop the
 * one before. Two batches overlap. The order of freeing alternates among the three. The pattern is
 * that of sh6bench and sh8bench, as in mimalloc-bench, with sizes log-normal to SIZE_MOST.
 *
 * Bad: caches per thread that overflow at every batch and go back and forth through a lock, blocks
 * handed out in the order of the last random freeing, so neighbours in time are no neighbours in
 * memory. Good: bulk transfers are rare, memory is dense again after each batch. */
#include "workload.h"

enum {
    BATCH = 5000,
    TOTAL = 1380, /* batches of all threads */
    SIZE_LEAST = 8,
    SIZE_MEDIAN = 56,
    SIZE_MOST = 1024,
};

static const double SIZE_SPREAD = 1.0;

enum order { SHUFFLED, LAST_FIRST, FIRST_FIRST, ORDERS };

static struct block batches[THREADS_MAX][2][BATCH];
static uint32_t shuffled[BATCH]; /* 0 … BATCH - 1 */
static struct sizes sizes;

static size_t place(enum order order, size_t i)
{
    if (order == SHUFFLED)
        return shuffled[i];
    return order == LAST_FIRST ? BATCH - 1 - i : i;
}

static void put_batch(struct worker *worker, struct block *batch, enum order order)
{
    for (size_t i = 0; i < BATCH; i++)
        block_put(worker, &batch[place(order, i)]);
}

static void work(struct worker *worker)
{
    uint64_t count = share(worker, TOTAL);
    for (uint64_t number = 0; number < count; number++) {
        struct block *batch = batches[worker->number][number % 2];
        for (size_t i = 0; i < BATCH; i++)
            block_get(worker, &batch[i], sizes_next(&sizes, worker));
        if (number > 0)
            put_batch(worker, batches[worker->number][(number - 1) % 2],
                      (enum order)(number % ORDERS));
    }
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    for (uint32_t i = 0; i < BATCH; i++) {
        size_t other = random_below(&main_worker, i + 1);
        shuffled[i] = shuffled[other];
        shuffled[other] = i;
    }
    make_resident(batches, thread_count * sizeof batches[0]);
}

static void run(void)
{
    run_threads(work);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        for (size_t half = 0; half < 2; half++)
            put_batch(&workers[i], batches[i][half], SHUFFLED);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
