/* One thread allocates, another frees, at constant RSS; then the other way round.
 *
 * The freed blocks must find their way back to the thread that allocates. A thread that only frees
 * never takes the slow path of malloc, so it must not hoard them. Small blocks, runs and huge
 * ones, through a queue of 2000; many times the bytes in flight go through it.
 */
#include "case.h"

enum { QUEUE = 2048 };

static void *queue[QUEUE];
static size_t head, tail; /* blocks put and taken so far */
static bool stop;
static size_t bytes_passed;

static size_t next_size(uint64_t *seed)
{
    size_t kind = random_between(seed, 0, 9999);
    if (kind < 2)
        return random_between(seed, 2 * MIB, 4 * MIB);
    if (kind < 50)
        return random_between(seed, 30000, 200000);
    return random_between(seed, 1, 1500);
}

static bool stopping(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *allocates(void *argument)
{
    uint64_t seed = 3;
    while (!stopping()) {
        if (head - __atomic_load_n(&tail, __ATOMIC_ACQUIRE) == QUEUE) {
            sched_yield();
            continue;
        }
        size_t size = next_size(&seed);
        unsigned char *block = malloc(size);
        REQUIRE(block);
        fill_bytes(block, size < 5000 ? size : 5000, 1);
        __atomic_fetch_add(&bytes_passed, size, __ATOMIC_RELAXED);
        queue[head % QUEUE] = block;
        __atomic_store_n(&head, head + 1, __ATOMIC_RELEASE);
    }
    return argument;
}

static void *frees(void *argument)
{
    for (;;) {
        if (__atomic_load_n(&head, __ATOMIC_ACQUIRE) == tail) {
            if (stopping())
                return argument;
            sched_yield();
            continue;
        }
        free(queue[tail % QUEUE]);
        __atomic_store_n(&tail, tail + 1, __ATOMIC_RELEASE);
    }
}

/* Two seconds of traffic, and until much has passed; after the first half of one the RSS must stay
 * where it is. */
static void handover(void *(*in_main)(void *), void *(*in_other)(void *))
{
    stop = false;
    head = tail = bytes_passed = 0;
    pthread_t other = thread_start(in_other, NULL);
    pthread_t again = thread_start(in_main, NULL);
    sleep_ms(500);
    size_t peak = 0;
    for (int i = 0; i < 10; i++) {
        size_t rss = rss_bytes();
        peak = rss > peak ? rss : peak;
        sleep_ms(20);
    }
    sleep_ms(1300);
    while (__atomic_load_n(&bytes_passed, __ATOMIC_RELAXED) < 200 * MIB)
        sleep_ms(100);
    size_t after = rss_bytes();
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    thread_join(again);
    thread_join(other);
    while (tail != head)
        free(queue[tail++ % QUEUE]);
    CHECK_MSG(growth(peak, after) < 16 * MIB, "RSS went from %zu to %zu (%zu bytes passed)", peak,
              after, bytes_passed);
}

int main(void)
{
    case_watchdog(60);
    handover(allocates, frees);
    handover(frees, allocates);
    return case_end();
}
