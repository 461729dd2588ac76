/* workload.h: what the workloads share: arguments, threads, random sizes, checked blocks, figures.
 *
 * A workload is one file, linked with workload.c, which has main:
 *
 *   NAME [THREADS [SCALE]]             SCALE in percent of the work; defaults 1 and 100
 *   NAME [THREADS [SCALE [latency]]]   for those that can time each call
 *
 * The work is fixed by the arguments: the same random sequences in every run, divided among the
 * threads. Standard output gets lines of `name value`:
 *
 *   operations   calls of malloc and its kin, of realloc and of free
 *   peak_live    bytes asked for and not yet freed, at the most; of several threads the sum of
 *                their peaks, which need not have been at the same time
 *   live         the same when the work has been done
 *   start_rss    resident bytes before the work; tables of the workload's own are in it
 *   end_rss      resident bytes after the work, with `live` bytes still held
 *   p50 p99 p99.9 max   with `latency`: nanoseconds of one malloc, realloc or free
 *
 * Blocks are written as a program would write them, and checked: a stamp stands in every cache line
 * of the first page, once in every page behind it, and in the last word. The first, those at whole
 * pages and the last are verified before the block is freed or resized. A mismatch, a NULL or a
 * pointer that is not aligned ends the program with one line on standard error and status 1. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined __x86_64__
#include <x86intrin.h> // __rdtsc, _mm_lfence
#elif !defined __aarch64__
#include <time.h> // clock_gettime
#endif

enum {
    THREADS_MAX = 64,
    LINE = 64,   /* a cache line */
    PAGE = 4096, /* the stamps' distance in large blocks */
    WORD = 8,    /* a stamp */
    ALIGNMENT = 16,
};

/* Durations by logarithm: each power of two is divided into LATENCY_STEPS buckets. */
enum { LATENCY_STEPS = 32, LATENCY_BUCKETS = 64 * LATENCY_STEPS };

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t longest;
};

/* One stream of work. It is one thread at a time, not always the same. */
struct worker {
    unsigned number;
    uint32_t key;          /* of the next block */
    uint64_t random;       /* state of random_next */
    uint64_t operations;   /* … so far */
    int64_t live_bytes;    /* got minus freed: negative if it frees what others got */
    int64_t peak_bytes;    /* of live_bytes */
    struct latency *times; /* NULL: calls are not timed */
} __attribute__((aligned(2 * LINE)));

struct block {
    unsigned char *start; /* NULL: none */
    uint32_t size;
    uint32_t key; /* what the stamps are made of; no two live blocks have the same */
};

/* What each program defines. */
struct workload {
    unsigned least_threads;
    bool pairs;            /* the number of threads must be even */
    bool can_time;         /* takes `latency` */
    void (*prepare)(void); /* fills tables, before start_rss is read; may be NULL */
    void (*run)(void);     /* does the work; what it then holds is `live` */
    void (*drop)(void);    /* checks and frees what is held */
};

extern const struct workload workload;

extern unsigned thread_count;
extern struct worker workers[THREADS_MAX]; /* the first thread_count are in use */
extern struct worker main_worker;          /* for what is neither's: the main thread's own */

/* `count` at scale 100, at least 1. */
uint64_t scaled(uint64_t count);

/* The worker's part of scaled(count). */
uint64_t share(const struct worker *worker, uint64_t count);

/* Runs `body` for all workers, each in a thread of its own, and waits for them. A single one runs
 * in the main thread, so that the process has just one. */
void run_threads(void (*body)(struct worker *worker));

/* Makes a table resident that counts as the workload's own. */
void make_resident(void *table, size_t bytes);

__attribute__((cold, noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* ---- Random numbers and sizes ---------------------------------------------------------------- */

static inline uint64_t random_next(struct worker *worker)
{
    uint64_t x = worker->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static inline size_t random_below(struct worker *worker, size_t bound)
{
    return (size_t)((random_next(worker) >> 32) * bound >> 32);
}

static inline bool one_in(struct worker *worker, size_t count)
{
    return random_below(worker, count) == 0;
}

enum { SIZES = 32768 };

/* Sizes drawn beforehand. */
struct sizes {
    uint32_t drawn[SIZES];
};

/* Draws from a log-normal distribution, as the sizes of real programs roughly are: most are small,
 * few are large. `spread` is the standard deviation of the logarithm. */
void sizes_draw(struct sizes *sizes, double median, double spread, uint32_t least, uint32_t most);

static inline size_t sizes_next(const struct sizes *sizes, struct worker *worker)
{
    return sizes->drawn[random_below(worker, SIZES)];
}

/* ---- Time ------------------------------------------------------------------------------------ */

/* A clock that advances evenly, read after everything before it has been done. */
static inline uint64_t ticks(void)
{
#if defined __x86_64__
    _mm_lfence();
    uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
#elif defined __aarch64__
    uint64_t now;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(now) : : "memory");
    return now;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
#endif
}

/* Notes the time since `start` as that of one call. */
void latency_note(struct latency *times, uint64_t start);

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Counts a call that got `size` bytes, or that freed them. */
static inline void count_get(struct worker *worker, size_t size)
{
    worker->operations++;
    worker->live_bytes += (int64_t)size;
    if (worker->live_bytes > worker->peak_bytes)
        worker->peak_bytes = worker->live_bytes;
}

static inline void count_put(struct worker *worker, size_t size)
{
    worker->operations++;
    worker->live_bytes -= (int64_t)size;
}

typedef uint64_t stamp_word __attribute__((aligned(1), may_alias));

static inline uint64_t stamp_value(uint32_t key, size_t offset)
{
    return (key * UINT64_C(0x9e3779b97f4a7c15)) ^ offset;
}

/* Blocks of less than two words: one stamp, or what of it fits. */
void stamp_tiny(const struct block *block);
bool tiny_is_intact(const struct block *block);

static inline void block_stamp(const struct block *block)
{
    if (block->size < 2 * WORD) {
        stamp_tiny(block);
        return;
    }
    for (size_t at = 0; at + 2 * WORD <= block->size; at += at < PAGE ? LINE : PAGE)
        *(stamp_word *)(block->start + at) = stamp_value(block->key, at);
    size_t last = block->size - WORD;
    *(stamp_word *)(block->start + last) = stamp_value(block->key, last);
}

/* Whether the stamps in the first `size` bytes are there, but for the last word's. */
static inline bool stamps_are_intact(const struct block *block, size_t size)
{
    for (size_t at = 0; at + 2 * WORD <= size; at += PAGE)
        if (*(const stamp_word *)(block->start + at) != stamp_value(block->key, at))
            return false;
    return true;
}

static inline bool block_is_intact(const struct block *block)
{
    if (block->size < 2 * WORD)
        return tiny_is_intact(block);
    size_t last = block->size - WORD;
    return stamps_are_intact(block, block->size) &&
           *(const stamp_word *)(block->start + last) == stamp_value(block->key, last);
}

static inline void block_check(const struct block *block)
{
    if (__builtin_expect(!block_is_intact(block), 0))
        fail("block %p of %u bytes was overwritten", (void *)block->start, block->size);
}

/* Fails unless `start` may be what an allocation of `size` bytes has returned. */
static inline void pointer_check(const void *start, size_t size, size_t alignment)
{
    if (__builtin_expect(start == NULL, 0))
        fail("no memory for %zu bytes", size);
    if (__builtin_expect((uintptr_t)start % alignment != 0 && size >= ALIGNMENT, 0))
        fail("block %p of %zu bytes is not aligned to %zu", start, size, alignment);
}

/* Takes over what an allocation function has returned: checks, counts and stamps it. */
static inline void block_adopt(struct worker *worker, struct block *block, void *start, size_t size,
                               size_t alignment)
{
    pointer_check(start, size, alignment);
    count_get(worker, size);
    *block = (struct block){.start = start, .size = (uint32_t)size, .key = worker->key};
    worker->key += THREADS_MAX + 1;
    block_stamp(block);
}

static inline void block_get(struct worker *worker, struct block *block, size_t size)
{
    void *start;
    if (__builtin_expect(worker->times != NULL, 0)) {
        uint64_t before = ticks();
        start = malloc(size);
        latency_note(worker->times, before);
    } else {
        start = malloc(size);
    }
    block_adopt(worker, block, start, size, ALIGNMENT);
}

/* Frees a block, which may be none. */
static inline void block_put(struct worker *worker, struct block *block)
{
    if (block->start == NULL)
        return;
    block_check(block);
    count_put(worker, block->size);
    if (__builtin_expect(worker->times != NULL, 0)) {
        uint64_t before = ticks();
        free(block->start);
        latency_note(worker->times, before);
    } else {
        free(block->start);
    }
    block->start = NULL;
}

static inline void block_replace(struct worker *worker, struct block *block, size_t size)
{
    block_put(worker, block);
    block_get(worker, block, size);
}

/* realloc: checks that the contents have been kept. */
void block_resize(struct worker *worker, struct block *block, size_t size);

void blocks_put(struct worker *worker, struct block *blocks, size_t count);

#endif
