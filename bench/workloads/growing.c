/* growing.c: a program whose data grows.
 *
 * A compiler, a database while it loads, a long simulation: for each block that is allocated,
 * FREED_PERCENT of a block are freed, at random among all that live, and some are resized. So the
 * live data grows all the time with holes everywhere in it. Each thread has data of its own. Of the
 * kind of mimalloc-bench's mstress, without its hand-over.
 *
 * Bad: holes are not found again (the resident set is far above the live data), searching for them
 * takes longer the more there are, memory comes from the OS in small pieces. Good: constant time
 * however much lives. */
#include "workload.h"

enum {
    TOTAL = 1700000, /* blocks allocated by all threads */
    BLOCKS = 900000, /* … that may live at a time */
    FREED_PERCENT = 65,
    RESIZE_ONE_IN = 16,
    SIZE_LEAST = 8,
    SIZE_MEDIAN = 56,
    SIZE_MOST = 65536,
};

static const double SIZE_SPREAD = 1.1;

static struct block blocks[BLOCKS];
static struct sizes sizes;

static struct data {
    struct block *blocks; /* a part of the table */
    size_t room;
    size_t count;
} data[THREADS_MAX];

static void release_one(struct worker *worker, struct data *mine)
{
    struct block *gone = &mine->blocks[random_below(worker, mine->count)];
    block_put(worker, gone);
    *gone = mine->blocks[--mine->count];
}

static void grow(struct worker *worker)
{
    struct data *mine = &data[worker->number];
    uint64_t count = share(worker, TOTAL);
    for (uint64_t i = 0; i < count; i++) {
        block_get(worker, &mine->blocks[mine->count++], sizes_next(&sizes, worker));
        if (random_below(worker, 100) < FREED_PERCENT || mine->count == mine->room)
            release_one(worker, mine);
        if (one_in(worker, RESIZE_ONE_IN) && mine->count > 0)
            block_resize(worker, &mine->blocks[random_below(worker, mine->count)],
                         sizes_next(&sizes, worker));
    }
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(blocks, sizeof blocks);
    size_t room = BLOCKS / thread_count;
    for (size_t i = 0; i < thread_count; i++)
        data[i] = (struct data){.blocks = &blocks[i * room], .room = room};
}

static void run(void)
{
    run_threads(grow);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], data[i].blocks, data[i].count);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
