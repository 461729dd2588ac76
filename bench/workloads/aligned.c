/* aligned.c: aligned blocks among ordinary ones.
 *
 * Numerical code, per-thread structures on cache lines of their own, buffers for direct I/O: half
 * of the blocks come from malloc, a quarter each from posix_memalign and aligned_alloc, with
 * alignments from LEAST_LOG to MOST_LOG, the small ones more often. Each replaces a random block of
 * a table.
 *
 * Bad: an alignment costs a block of twice the size, or a slow path of its own. Good: alignments up
 * to a cache line are as fast as malloc, and padding stays small. All alignments are checked. */
#include "workload.h"

enum {
    TOTAL = 3600000, /* replacements of all threads */
    BLOCKS = 8192,   /* of all threads */
    LEAST_LOG = 4,
    MOST_LOG = 12,
    SIZE_LEAST = 16,
    SIZE_MEDIAN = 128,
    SIZE_MOST = 65536,
};

static const double SIZE_SPREAD = 1.3;

enum way { MALLOC, MALLOC_TOO, POSIX_MEMALIGN, ALIGNED_ALLOC, WAYS };

static struct block blocks[BLOCKS];
static struct sizes sizes;

/* Each alignment half as often as the one below it. */
static size_t alignment_next(struct worker *worker)
{
    uint64_t coins = random_next(worker) | UINT64_C(1) << (MOST_LOG - LEAST_LOG);
    return (size_t)1 << (LEAST_LOG + __builtin_ctzll(coins));
}

static void get_aligned(struct worker *worker, struct block *block, enum way way)
{
    size_t size = sizes_next(&sizes, worker), alignment = alignment_next(worker);
    void *start = NULL;
    if (way == POSIX_MEMALIGN) {
        if (posix_memalign(&start, alignment, size) != 0)
            start = NULL;
    } else {
        size = (size + alignment - 1) / alignment * alignment;
        start = aligned_alloc(alignment, size);
    }
    block_adopt(worker, block, start, size, alignment);
}

static void replace(struct worker *worker)
{
    size_t room = BLOCKS / thread_count;
    struct block *mine = &blocks[worker->number * room];
    uint64_t count = share(worker, TOTAL);
    for (uint64_t i = 0; i < count; i++) {
        struct block *block = &mine[random_below(worker, room)];
        enum way way = (enum way)random_below(worker, WAYS);
        block_put(worker, block);
        if (way == POSIX_MEMALIGN || way == ALIGNED_ALLOC)
            get_aligned(worker, block, way);
        else
            block_get(worker, block, sizes_next(&sizes, worker));
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
