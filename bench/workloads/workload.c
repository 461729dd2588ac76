/* workload.c: main, threads, sizes and figures of the workloads. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SCALE_MAX = 100000, TIMER_TRIALS = 1000 };

unsigned thread_count = 1;
struct worker workers[THREADS_MAX];
struct worker main_worker;

static uint64_t scale_percent = 100;
static struct latency latencies[THREADS_MAX + 1]; /* the last is the main worker's */
static uint64_t timer_ticks;                      /* what two readings in a row are apart */

void fail(const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "workload: %s\n", text);
    _exit(1);
}

uint64_t scaled(uint64_t count)
{
    uint64_t result = count * scale_percent / 100;
    return result > 0 ? result : 1;
}

uint64_t share(const struct worker *worker, uint64_t count)
{
    uint64_t total = scaled(count);
    return total / thread_count + (worker->number < total % thread_count);
}

void make_resident(void *table, size_t bytes)
{
    memset(table, 0, bytes);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static pthread_barrier_t all_started;
static void (*thread_body)(struct worker *worker);

static void *thread_main(void *argument)
{
    pthread_barrier_wait(&all_started);
    thread_body(argument);
    return NULL;
}

void run_threads(void (*body)(struct worker *worker))
{
    pthread_t threads[THREADS_MAX];
    if (thread_count == 1) {
        body(&workers[0]);
        return;
    }
    thread_body = body;
    pthread_barrier_init(&all_started, NULL, thread_count);
    for (unsigned i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, thread_main, &workers[i]) != 0)
            fail("no thread");
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_started);
}

/* Number 0 … THREADS_MAX; all differ in their random sequence and in the keys of their blocks. */
static void worker_init(struct worker *worker, unsigned number, bool timed)
{
    worker->number = number;
    worker->random = (number + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    worker->key = number + 1;
    worker->times = timed ? &latencies[number] : NULL;
}

static void workers_init(bool timed)
{
    for (unsigned i = 0; i < THREADS_MAX; i++)
        worker_init(&workers[i], i, timed);
    worker_init(&main_worker, THREADS_MAX, timed);
    if (timed)
        make_resident(latencies, sizeof latencies);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

/* Uniform in (0, 1). */
static double random_fraction(struct worker *worker)
{
    return ((double)(random_next(worker) >> 11) + 0.5) / (double)(UINT64_C(1) << 53);
}

void sizes_draw(struct sizes *sizes, double median, double spread, uint32_t least, uint32_t most)
{
    struct worker source = {.random = 1};
    for (size_t i = 0; i < SIZES; i++) {
        double radius = sqrt(-2 * log(random_fraction(&source)));
        double normal = radius * cos(2 * M_PI * random_fraction(&source)); /* Box and Muller's */
        double size = median * exp(spread * normal);
        sizes->drawn[i] = (uint32_t)fmin(fmax(size, least), most);
    }
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static size_t tiny_bytes(const struct block *block)
{
    return block->size < WORD ? block->size : WORD;
}

void stamp_tiny(const struct block *block)
{
    uint64_t value = stamp_value(block->key, 0);
    memcpy(block->start, &value, tiny_bytes(block));
}

bool tiny_is_intact(const struct block *block)
{
    uint64_t value = stamp_value(block->key, 0);
    return memcmp(block->start, &value, tiny_bytes(block)) == 0;
}

void block_resize(struct worker *worker, struct block *block, size_t size)
{
    size_t old_size = block->size;
    block_check(block);
    uint64_t before = worker->times ? ticks() : 0;
    void *start = realloc(block->start, size);
    if (worker->times)
        latency_note(worker->times, before);
    pointer_check(start, size, ALIGNMENT);
    block->start = start;
    if (!(size < old_size ? stamps_are_intact(block, size) : block_is_intact(block)))
        fail("realloc to block %p of %zu bytes has lost contents", start, size);
    block->size = (uint32_t)size;
    block_stamp(block);
    worker->live_bytes -= (int64_t)old_size;
    count_get(worker, size);
}

void blocks_put(struct worker *worker, struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block_put(worker, &blocks[i]);
}

/* ---- Latency --------------------------------------------------------------------------------- */

/* Small values have buckets of their own; a larger one's is its power of two and the bits behind
 * its first one. */
static size_t latency_bucket(uint64_t value)
{
    if (value < LATENCY_STEPS)
        return (size_t)value;
    size_t shift = (size_t)(__builtin_clz(LATENCY_STEPS) + 32 - __builtin_clzll(value));
    return shift * LATENCY_STEPS + (size_t)(value >> shift);
}

/* The middle of a bucket. */
static double latency_value(size_t bucket)
{
    if (bucket / LATENCY_STEPS < 2)
        return (double)bucket;
    size_t shift = bucket / LATENCY_STEPS - 1;
    return ldexp((double)(bucket - shift * LATENCY_STEPS) + 0.5, (int)shift);
}

void latency_note(struct latency *times, uint64_t start)
{
    uint64_t passed = ticks() - start;
    passed = passed > timer_ticks ? passed - timer_ticks : 0;
    times->counts[latency_bucket(passed)]++;
    if (passed > times->longest)
        times->longest = passed;
}

static void timer_calibrate(void)
{
    timer_ticks = UINT64_MAX;
    for (unsigned i = 0; i < TIMER_TRIALS; i++) {
        uint64_t before = ticks(), passed = ticks() - before;
        if (passed < timer_ticks)
            timer_ticks = passed;
    }
}

static void latencies_sum(struct latency *sum)
{
    for (unsigned i = 0; i <= THREADS_MAX; i++) {
        for (size_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
            sum->counts[bucket] += latencies[i].counts[bucket];
        if (latencies[i].longest > sum->longest)
            sum->longest = latencies[i].longest;
    }
}

/* The duration, in ticks, that a fraction of all calls did not exceed. */
static double latency_quantile(const struct latency *times, double fraction)
{
    uint64_t total = 0, seen = 0;
    for (size_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
        total += times->counts[bucket];
    for (size_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += times->counts[bucket];
        if ((double)seen >= fraction * (double)total)
            return latency_value(bucket);
    }
    return 0;
}

static void latency_print(double ns_per_tick)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    static struct latency sum;
    latencies_sum(&sum);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        printf("%s %.1f\n", quantiles[i].name,
               latency_quantile(&sum, quantiles[i].fraction) * ns_per_tick);
    printf("max %.1f\n", (double)sum.longest * ns_per_tick);
}

/* ---- The run --------------------------------------------------------------------------------- */

/* The resident set in bytes, without allocating. */
static uint64_t resident_bytes(void)
{
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length <= 0)
        fail("no /proc/self/statm");
    close(file);
    text[length] = '\0';
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

struct moment {
    uint64_t ticks;
    struct timespec time;
};

static struct moment now(void)
{
    struct moment moment = {.ticks = ticks()};
    clock_gettime(CLOCK_MONOTONIC, &moment.time);
    return moment;
}

static double ns_per_tick(struct moment start, struct moment end)
{
    double ns = (double)(end.time.tv_sec - start.time.tv_sec) * 1e9 +
                (double)(end.time.tv_nsec - start.time.tv_nsec);
    return ns / (double)(end.ticks - start.ticks);
}

static struct worker workers_sum(void)
{
    struct worker sum = main_worker;
    for (unsigned i = 0; i < thread_count; i++) {
        sum.operations += workers[i].operations;
        sum.live_bytes += workers[i].live_bytes;
        sum.peak_bytes += workers[i].peak_bytes;
    }
    return sum;
}

static void run(bool timed)
{
    workers_init(timed);
    timer_calibrate();
    if (workload.prepare)
        workload.prepare();
    uint64_t start_rss = resident_bytes();
    struct moment start = now();
    workload.run();
    struct moment end = now();
    uint64_t end_rss = resident_bytes();
    struct worker done = workers_sum();
    workload.drop();
    struct worker all = workers_sum();
    if (all.live_bytes != 0)
        fail("%" PRId64 " bytes were not freed", all.live_bytes);
    printf("operations %" PRIu64 "\npeak_live %" PRId64 "\nlive %" PRId64 "\n", all.operations,
           all.peak_bytes, done.live_bytes);
    printf("start_rss %" PRIu64 "\nend_rss %" PRIu64 "\n", start_rss, end_rss);
    if (timed)
        latency_print(ns_per_tick(start, end));
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr, "usage: %s [THREADS [SCALE%s]]\n", program_invocation_short_name,
            workload.can_time ? " [latency]" : "");
    fprintf(stderr, "THREADS: %s%u to %d; SCALE: 1 to %d percent of the work\n",
            workload.pairs ? "an even number, " : "", workload.least_threads, THREADS_MAX,
            SCALE_MAX);
    exit(2);
}

static unsigned long parse_number(const char *text, unsigned long least, unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || value < least || value > most)
        usage();
    return value;
}

int main(int argc, char **argv)
{
    bool timed = argc == 4 && workload.can_time && strcmp(argv[3], "latency") == 0;
    if (argc > 3 && !timed)
        usage();
    if (argc > 1)
        thread_count = (unsigned)parse_number(argv[1], 1, THREADS_MAX);
    if (argc > 2)
        scale_percent = parse_number(argv[2], 1, SCALE_MAX);
    if (thread_count < workload.least_threads || (workload.pairs && thread_count % 2 != 0))
        usage();
    run(timed);
    return 0;
}
