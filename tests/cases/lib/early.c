/* The library of early.c: it allocates before the program, and perhaps before the allocator's own
 * constructors. */
#include <stdlib.h>
#include <string.h>

enum { EARLY_BLOCKS = 64 };

void *early_blocks[EARLY_BLOCKS];

/* Blocks of all kinds, every byte set to its index; early.c looks at them and frees them. */
static void allocate_from(int first, int end)
{
    for (int i = first; i < end; i++) {
        size_t size = (size_t)(i + 1) * 97;
        unsigned char *block = i % 3 == 0 ? calloc(1, size) : malloc(size / 2 + 1);
        block = i % 3 == 0 ? block : realloc(block, size);
        if (!block)
            abort();
        memset(block, i, size);
        early_blocks[i] = block;
    }
    free(aligned_alloc(4096, 10000));
    free(malloc(3 * 1000 * 1000));
    free(strdup("early"));
}

__attribute__((constructor(101))) static void first_constructor(void)
{
    allocate_from(0, EARLY_BLOCKS / 2);
}

__attribute__((constructor)) static void last_constructor(void)
{
    allocate_from(EARLY_BLOCKS / 2, EARLY_BLOCKS);
}

__attribute__((destructor)) static void destructor(void)
{
    char *block = malloc(1000);
    if (!block)
        abort();
    free(block);
}
