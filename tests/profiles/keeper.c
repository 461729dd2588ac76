/* keeper.c: a program that allocates in known functions, so many blocks, and keeps a part of them;
 * with the argument `killed` it is killed at its end.
 * Standard output has what its heap profile must tell, as known.c writes it: of blocks that are
 * large enough to be sampled for certain, and, with the argument `small`, of small ones, too. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 1000, LARGE = 4, LARGE_BYTES = 16 << 20 };

static void *blocks[SMALL];

static void free_first(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(blocks[i]);
}

__attribute__((noinline)) static void small(void)
{
    for (unsigned i = 0; i < SMALL; i++)
        blocks[i] = malloc(40);
}

__attribute__((noinline)) static void cleared(void)
{
    for (unsigned i = 0; i < LARGE; i++)
        blocks[i] = calloc(2, LARGE_BYTES / 2);
}

__attribute__((noinline)) static void large(void)
{
    for (unsigned i = 0; i < LARGE; i++)
        blocks[i] = malloc(LARGE_BYTES);
}

int main(int count, char **arguments)
{
    bool is_killed = count > 1 && strcmp(arguments[count - 1], "killed") == 0;
    if (count > 1 && strcmp(arguments[1], "small") == 0) {
        small();
        free_first(SMALL);
        small();
        free_first(400);
        printf("small 48 40 600 2000\n");
    }
    large();
    free_first(1);
    cleared();
    free_first(LARGE);
    printf("large %d %d %d %d\n", LARGE_BYTES, LARGE_BYTES, LARGE - 1, LARGE);
    printf("cleared %d %d 0 %d\n", LARGE_BYTES, LARGE_BYTES, LARGE);
    fflush(stdout);
    return is_killed ? kill(getpid(), SIGKILL) : 0;
}
