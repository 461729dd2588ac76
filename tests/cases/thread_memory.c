/* A thread that allocates little takes little memory, and what ended threads have left goes back.
 *
 * A page for each size that a thread asks for is 32 KiB where its blocks are 6: a thousand threads
 * that live at once, each with eight blocks of different sizes, may take 20 KiB each beside the
 * stacks that the C library keeps. When they have ended, two seconds in which one thread does a
 * little are enough for their memory to go, but for a page each; or a malloc_trim.
 */
// timeout: 120
#include "case.h"
#include <malloc.h>

enum { THREADS = 1000, SIZES = 8, ALLOWED = 20 << 10, LEFT = 6 << 10 };

static pthread_barrier_t all_have, all_may_end;

static void *only_wait(void *argument)
{
    pthread_barrier_wait(&all_have);
    pthread_barrier_wait(&all_may_end);
    return argument;
}

static void *live(void *argument)
{
    char *blocks[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        blocks[i] = malloc((size_t)24 << i);
        REQUIRE(blocks[i]);
        fill_bytes(blocks[i], (size_t)24 << i, i);
    }
    pthread_barrier_wait(&all_have);
    pthread_barrier_wait(&all_may_end);
    for (unsigned i = 0; i < SIZES; i++) {
        CHECK(has_bytes(blocks[i], (size_t)24 << i, i));
        free(blocks[i]);
    }
    return argument;
}

/* Lets the threads live and end: the bytes that each took. */
static size_t run_threads(void *(*body)(void *))
{
    static pthread_t threads[THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * KIB);
    size_t before = rss_bytes();
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &small, body, NULL) != 0)
            CASE_SKIP("cannot start a thousand threads");
    pthread_barrier_wait(&all_have);
    size_t each = growth(before, rss_bytes()) / THREADS;
    pthread_barrier_wait(&all_may_end);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    return each;
}

static void do_a_little(void)
{
    void *blocks[100];
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(16 + i * 100);
        fill_bytes(blocks[i], 16 + i * 100, 1);
    }
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
}

/* Until so much is left, or for long on a machine that has other things to do; the seconds. */
static double be_active(size_t most)
{
    double start = now_seconds(), now = start;
    do {
        sleep_ms(50);
        do_a_little();
        now = now_seconds();
    } while (rss_bytes() > most && now < start + 20);
    return now - start;
}

int main(void)
{
    case_watchdog(110);
    pthread_barrier_init(&all_have, NULL, THREADS + 1);
    pthread_barrier_init(&all_may_end, NULL, THREADS + 1);
    run_threads(only_wait); /* the C library keeps some stacks */
    do_a_little();
    size_t most = rss_bytes() + (size_t)THREADS * LEFT + MIB;
    size_t each = run_threads(live);
    if (page_bytes() == 4096)
        CHECK_MSG(each <= ALLOWED, "%zu bytes a thread", each);
    if (case_library()) { /* glibc's keep theirs */
        double seconds = be_active(most);
        CHECK_MSG(rss_bytes() <= most, "%zu bytes are left, allowed are %zu", rss_bytes(), most);
        CHECK_MSG(seconds < 5, "gone after %.1f seconds", seconds);
    }
    run_threads(live);
    malloc_trim(0);
    CHECK_MSG(!case_library() || rss_bytes() <= most,
              "%zu bytes are left by malloc_trim, allowed %zu", rss_bytes(), most);
    return case_end();
}
