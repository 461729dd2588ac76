/* The process ends while its threads are still allocating.
 *
 * exit runs atexit functions and destructors, which free, as other threads go on in the allocator;
 * nothing may be torn down under them. Also the other ends: the main thread leaves first by
 * pthread_exit, and quick_exit.
 */
#include "case.h"

static void *allocate_forever(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    for (;;) {
        void *blocks[50];
        for (int i = 0; i < 50; i++)
            blocks[i] = malloc(random_between(&seed, 1, i ? 3000 : 200000));
        for (int i = 0; i < 50; i++)
            free(blocks[i]);
    }
    return NULL;
}

static void *early_block;

static void at_end(void)
{
    free(early_block);
    early_block = NULL;
    for (size_t size = 1; size < 10 * MIB; size *= 5) {
        unsigned char *block = malloc(size);
        if (!block)
            _exit(3);
        fill_bytes(block, size, 1);
        free(block);
    }
}

static void prepare(void)
{
    early_block = malloc(100);
    REQUIRE(atexit(at_end) == 0 && at_quick_exit(at_end) == 0);
    for (size_t i = 1; i <= 3; i++)
        thread_start(allocate_forever, (void *)i);
    sleep_ms(2);
}

static void by_exit(void)
{
    prepare();
    exit(0);
}

static void by_quick_exit(void)
{
    prepare();
    quick_exit(0);
}

static void *exit_soon(void *argument)
{
    sleep_ms(3);
    free(argument);
    exit(0);
}

static void by_last_thread(void)
{
    prepare();
    thread_start(exit_soon, malloc(500));
    pthread_exit(NULL);
}

int main(void)
{
    case_watchdog(60);
    for (int i = 0; i < 15; i++) {
        expect_success(by_exit);
        expect_success(by_quick_exit);
        expect_success(by_last_thread);
    }
    return case_end();
}
