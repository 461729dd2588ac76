/* keeper.c: a program that allocates in known functions, so many blocks, and keeps a part of them.
 * Standard output has what its heap profile must tell, as known.c writes it: of blocks that are
 * large enough to be sampled for certain, and, with any argument, of small ones, too. */
#include <stdio.h>
#include <stdlib.h>

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
    (void)arguments;
    if (count > 1) {
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
    return 0;
}
