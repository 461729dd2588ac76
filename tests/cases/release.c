/* Memory goes back: after a peak of 1 GiB is freed, RSS is under 5 % of it within two seconds.
 *
 * Of light activity, that is: a program that calls malloc now and then, not one that only sleeps.
 * malloc_trim(0) does it at once. Once with blocks of all sizes from one thread, once with small
 * blocks of threads that have ended, freed by main.
 */
#include "case.h"
#include <malloc.h>

static void **blocks;
static size_t block_count;

static size_t mixed_size(uint64_t *seed)
{
    size_t kind = random_between(seed, 0, 99);
    if (kind < 90)
        return random_between(seed, 16, 2000);
    if (kind < 98)
        return random_between(seed, 2000, 60000);
    return random_between(seed, 60000, 4 * MIB);
}

/* Blocks in use up to `bytes`, all touched. */
static void fill_heap(size_t bytes, size_t (*next_size)(uint64_t *), uint64_t seed)
{
    for (size_t total = 0; total < bytes;) {
        size_t size = next_size(&seed);
        void *block = malloc(size);
        REQUIRE(block);
        fill_bytes(block, size, 1);
        size_t i = __atomic_fetch_add(&block_count, 1, __ATOMIC_RELAXED);
        blocks[i] = block;
        total += size;
    }
}

/* In an order that is neither that of allocation nor its reverse. */
static void free_all(void)
{
    uint64_t seed = 17;
    for (size_t left = block_count; left > 0; left--) {
        size_t i = random_between(&seed, 0, left - 1);
        free(blocks[i]);
        blocks[i] = blocks[left - 1];
    }
    block_count = 0;
}

/* Up to two seconds of small calls, a few every millisecond, until RSS is under `goal`; on a busy
 * machine as many of them. */
static void light_activity(size_t goal)
{
    enum { TIMES = 1500 };
    uint64_t seed = 4;
    double end = now_seconds() + 2.0;
    for (int n = 0; (now_seconds() < end || n < TIMES) && rss_bytes() >= goal; n++) {
        for (int i = 0; i < 4; i++)
            free(malloc(random_between(&seed, 16, 20000)));
        sleep_ms(1);
    }
}

static void check_returned(size_t base, size_t peak, const char *how)
{
    size_t now = rss_bytes();
    CHECK_MSG(growth(base, now) < (peak - base) / 20, "%s: of a peak of %zu MiB %zu MiB are left",
              how, (peak - base) / MIB, growth(base, now) / MIB);
}

static void peak_of_one_thread(size_t base, bool trim)
{
    fill_heap(GIB, mixed_size, 99);
    size_t peak = rss_bytes();
    CHECK(peak - base > 900 * MIB);
    free_all();
    if (trim)
        malloc_trim(0);
    else
        light_activity(base + (peak - base) / 20);
    check_returned(base, peak, trim ? "mixed sizes, malloc_trim" : "mixed sizes, light activity");
}

static size_t small_size(uint64_t *seed)
{
    return random_between(seed, 16, 600);
}

static void *fill_in_thread(void *seed)
{
    fill_heap(60 * MIB, small_size, (uint64_t)(uintptr_t)seed);
    return NULL;
}

static void peak_of_ended_threads(size_t base, bool trim)
{
    for (size_t i = 0; i < 4; i += 2) {
        pthread_t a = thread_start(fill_in_thread, (void *)(i + 1));
        pthread_t b = thread_start(fill_in_thread, (void *)(i + 2));
        thread_join(a);
        thread_join(b);
    }
    size_t peak = rss_bytes();
    free_all();
    if (trim)
        malloc_trim(0);
    else
        light_activity(base + (peak - base) / 20);
    check_returned(base, peak, trim ? "ended threads, malloc_trim" : "ended threads, activity");
}

int main(void)
{
    case_watchdog(60);
    enum { MAX_BLOCKS = 3000000 };
    blocks = calloc(MAX_BLOCKS, sizeof *blocks);
    REQUIRE(blocks);
    fill_bytes(blocks, MAX_BLOCKS * sizeof *blocks, 0);
    size_t base = rss_bytes();
    peak_of_one_thread(base, false);
    peak_of_ended_threads(base, false);
    peak_of_one_thread(base, true);
    peak_of_ended_threads(base, true);
    free(blocks);
    return case_end();
}
