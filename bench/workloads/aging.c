/* aging.c: fragmentation in a program that runs for long.
 *
 * The data grows to LIVE_BYTES, half as many blocks as there are are replaced at random, nine
 * tenths are dropped at random, and it grows again with another mix of sizes; one phase per entry
 * of `medians`. What survives a phase lies scattered over the memory of that phase and is in the
 * way of the next. Of the kind of rptest and of jemalloc's and Redis's fragmentation tests.
 *
 * The figures are peak_rss against peak_live and end_rss against live, which after the last phase
 * is a tenth of the peak. Bad: memory of one size class cannot be used for another, or is not
 * returned while a few blocks live in it. */
#include "workload.h"

enum {
    LIVE_BYTES = 36 << 20, /* of all threads, when a phase has grown */
    BLOCKS = 600000,       /* of all threads, at the most */
    KEPT_ONE_IN = 10,
    SIZE_LEAST = 16,
    SIZE_MOST = 131072,
};

static const uint16_t medians[] = {48, 320, 96, 1500, 64, 640, 128};
enum { PHASES = sizeof medians / sizeof medians[0] };

static const double SIZE_SPREAD = 0.9;

static struct block blocks[BLOCKS];
static struct sizes sizes[PHASES];

static struct data {
    struct block *blocks; /* a part of the table */
    size_t room;
    size_t count;
} data[THREADS_MAX];

static void grow(struct worker *worker, struct data *mine, const struct sizes *mix)
{
    int64_t target = (int64_t)share(worker, LIVE_BYTES);
    while (worker->live_bytes < target && mine->count < mine->room)
        block_get(worker, &mine->blocks[mine->count++], sizes_next(mix, worker));
}

static void churn(struct worker *worker, struct data *mine, const struct sizes *mix)
{
    for (size_t i = 0; i < mine->count / 2; i++)
        block_replace(worker, &mine->blocks[random_below(worker, mine->count)],
                      sizes_next(mix, worker));
}

static void drop_most(struct worker *worker, struct data *mine)
{
    size_t kept = 0;
    for (size_t i = 0; i < mine->count; i++) {
        if (one_in(worker, KEPT_ONE_IN))
            mine->blocks[kept++] = mine->blocks[i];
        else
            block_put(worker, &mine->blocks[i]);
    }
    mine->count = kept;
}

static void age(struct worker *worker)
{
    struct data *mine = &data[worker->number];
    for (size_t phase = 0; phase < PHASES; phase++) {
        grow(worker, mine, &sizes[phase]);
        churn(worker, mine, &sizes[phase]);
        drop_most(worker, mine);
    }
}

static void prepare(void)
{
    for (size_t i = 0; i < PHASES; i++)
        sizes_draw(&sizes[i], medians[i], SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(blocks, sizeof blocks);
    size_t room = BLOCKS / thread_count;
    for (size_t i = 0; i < thread_count; i++)
        data[i] = (struct data){.blocks = &blocks[i * room], .room = room};
}

static void run(void)
{
    run_threads(age);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], data[i].blocks, data[i].count);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
