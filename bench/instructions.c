/* instructions.c: the fast paths, to be counted under callgrind (bench/run counts).
 *
 *   lifo       malloc(64), free
 *   ring       a ring of 1000 blocks of mixed sizes 16…1024: free the oldest, malloc anew
 *   calloc     calloc(1, 64), free
 *   realloc    malloc(16), realloc by doubling to 1024, free
 *   remote     free(64) of a block of the main thread, by a second thread
 *
 * Counts include the loop and the calls through the PLT. Argument: which one, and the rounds; the
 * difference of two runs with different rounds, divided by the difference of the rounds, leaves
 * out start-up. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 1000, SIZES = 4096 };

static void *volatile sink;

static void lifo(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        sink = malloc(64);
        free(sink);
    }
}

static void ring(long rounds)
{
    static void *blocks[RING];
    static uint16_t sizes[SIZES];
    uint32_t random = 1;
    for (size_t i = 0; i < SIZES; i++) {
        random = random * 1664525 + 1013904223;
        sizes[i] = (uint16_t)(16 + (random >> 16) % 1009);
    }
    size_t at = 0;
    for (long i = 0; i < rounds; i++) {
        free(blocks[at]);
        blocks[at] = malloc(sizes[i % SIZES]);
        if (++at == RING)
            at = 0;
    }
    for (at = 0; at < RING; at++)
        free(blocks[at]);
}

static void zeroed(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        sink = calloc(1, 64);
        free(sink);
    }
}

static void grow(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        void *block = malloc(16);
        for (size_t size = 32; size <= 1024; size *= 2)
            block = realloc(block, size);
        sink = block;
        free(block);
    }
}

static void *free_all(void *blocks)
{
    sink = malloc(64); /* a thread that has a heap of its own */
    free(sink);
    for (void **block = blocks; *block; block++)
        free(*block);
    return NULL;
}

static void hand_over(long rounds)
{
    void **blocks = calloc((size_t)rounds + 1, sizeof *blocks);
    pthread_t thread;

    for (long i = 0; i < rounds; i++)
        blocks[i] = malloc(64);
    pthread_create(&thread, NULL, free_all, blocks);
    pthread_join(thread, NULL);
    free(blocks);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long rounds);
    } loops[] = {{"lifo", lifo},
                 {"ring", ring},
                 {"calloc", zeroed},
                 {"realloc", grow},
                 {"remote", hand_over}};
    for (size_t i = 0; argc == 3 && i < sizeof loops / sizeof loops[0]; i++) {
        if (strcmp(argv[1], loops[i].name) == 0) {
            loops[i].run(strtol(argv[2], NULL, 10));
            return 0;
        }
    }
    fprintf(stderr, "usage: %s lifo|ring|calloc|realloc|remote ROUNDS\n", argv[0]);
    return 2;
}
