/* calloc.c: memory that must be zero.
 *
 * Interpreters, hash tables and C programs that make their structures with calloc: sizes log-normal
 * from a few bytes to some 100 KiB, each replacing a random block of a table. The first page of a
 * new block is checked byte by byte, the rest by one cache line in each page; then it is written
 * to, so that its memory is not zero when it comes back.
 *
 * Bad: everything is cleared, even what came from the OS just now; or nothing is reused so as not
 * to clear it. Good: small blocks are cleared in line, large ones only where they were used. */
#include "workload.h"

enum {
    TOTAL = 2600000, /* replacements of all threads */
    BLOCKS = 4096,   /* of all threads */
    SIZE_LEAST = 8,
    SIZE_MEDIAN = 96,
    SIZE_MOST = 262144,
    ZERO_STEP = 4 * WORD, /* looked at together */
};

static const double SIZE_SPREAD = 1.8;

static struct block blocks[BLOCKS];
static struct sizes sizes;

static bool is_zero(const unsigned char *start, size_t bytes)
{
    uint64_t seen = 0;
    size_t at = 0;
    for (; at + ZERO_STEP <= bytes; at += ZERO_STEP) {
        const stamp_word *words = (const stamp_word *)(start + at);
        seen |= words[0] | words[1] | words[2] | words[3];
    }
    for (; at < bytes; at++)
        seen |= start[at];
    return seen == 0;
}

static void zero_check(const unsigned char *start, size_t size)
{
    bool zero = is_zero(start, size < PAGE ? size : PAGE);
    for (size_t at = PAGE; zero && at < size; at += PAGE)
        zero = is_zero(start + at, size - at < LINE ? size - at : LINE);
    if (!zero)
        fail("calloc gave block %p of %zu bytes that is not zero", (const void *)start, size);
}

/* Divides the size into a number of elements, as callers do. */
static void *get_zeroed(size_t size)
{
    void *start = size % WORD == 0 ? calloc(size / WORD, WORD) : calloc(1, size);
    pointer_check(start, size, ALIGNMENT);
    zero_check(start, size);
    return start;
}

static void replace(struct worker *worker)
{
    size_t room = BLOCKS / thread_count;
    struct block *mine = &blocks[worker->number * room];
    uint64_t count = share(worker, TOTAL);
    for (uint64_t i = 0; i < count; i++) {
        struct block *block = &mine[random_below(worker, room)];
        size_t size = sizes_next(&sizes, worker);
        block_put(worker, block);
        block_adopt(worker, block, get_zeroed(size), size, ALIGNMENT);
    }
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(blocks, sizeof blocks);
}

static void run(void)
{
    run_threads(replace);
}

static void drop(void)
{
    blocks_put(&main_worker, blocks, BLOCKS);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
