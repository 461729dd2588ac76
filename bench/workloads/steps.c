/* steps.c: blocks that grow from 64 KiB to 64 MiB in steps of a page.
 *
 * Logs, archives and network messages that are appended to without a capacity of their own: realloc
 * by 4 KiB each time, of one block at first, then of four in turns. What is appended is written.
 *
 * Bad: a block is moved over and over, between places that are always one step too small; or
 * copied. Good: it finds room behind it, few steps ask the kernel, and memory is had by huge
 * pages. */
#include "workload.h"

enum {
    ROUNDS = 2, /* of all threads */
    STEP = PAGE,
    TURNS = 4, /* blocks of a worker that grow together */
    SIZE_LEAST = 64 << 10,
    SIZE_ALONE = 64 << 20,
    SIZE_TOGETHER = 16 << 20,
};

static struct block grown[THREADS_MAX][TURNS];

/* A stamp at the start of each step: so they stand at whole pages, as the first write leaves them.
 */
static void step_stamp(const struct block *block, size_t at)
{
    *(stamp_word *)(block->start + at) = stamp_value(block->key, at);
}

static void step_check(const struct block *block, size_t at)
{
    if (*(const stamp_word *)(block->start + at) != stamp_value(block->key, at))
        fail("block %p of %u bytes has lost contents", (void *)block->start, block->size);
}

static void begin(struct worker *worker, struct block *block)
{
    void *start = malloc(SIZE_LEAST);
    pointer_check(start, SIZE_LEAST, ALIGNMENT);
    count_get(worker, SIZE_LEAST);
    *block = (struct block){.start = start, .size = SIZE_LEAST, .key = worker->key++};
    for (size_t at = 0; at < SIZE_LEAST; at += STEP)
        step_stamp(block, at);
}

/* Looks at the first and the last step's stamp, and at one between. */
static void grow(struct worker *worker, struct block *block)
{
    size_t old_size = block->size;
    block->start = realloc(block->start, old_size + STEP);
    pointer_check(block->start, old_size + STEP, ALIGNMENT);
    block->size += STEP;
    worker->live_bytes -= (int64_t)old_size;
    count_get(worker, block->size);
    step_stamp(block, old_size);
    step_check(block, 0);
    step_check(block, old_size - STEP);
    step_check(block, random_below(worker, old_size / STEP) * STEP);
}

static void end(struct worker *worker, struct block *block)
{
    for (size_t at = 0; at < block->size; at += STEP)
        step_check(block, at);
    count_put(worker, block->size);
    free(block->start);
    block->start = NULL;
}

static void grow_together(struct worker *worker, unsigned count, size_t most)
{
    struct block *mine = grown[worker->number];
    for (unsigned i = 0; i < count; i++)
        begin(worker, &mine[i]);
    while (mine[0].size < most)
        for (unsigned i = 0; i < count; i++)
            grow(worker, &mine[i]);
    for (unsigned i = 0; i < count; i++)
        end(worker, &mine[i]);
}

static void work(struct worker *worker)
{
    uint64_t rounds = share(worker, ROUNDS);
    for (uint64_t i = 0; i < rounds; i++) {
        grow_together(worker, 1, SIZE_ALONE);
        grow_together(worker, TURNS, SIZE_TOGETHER);
    }
}

static void run(void)
{
    run_threads(work);
}

static void drop(void)
{
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
