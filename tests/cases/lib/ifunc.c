/* The library of ifunc.c: one function, chosen by a resolver that allocates. */
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 40 };

char *ifunc_block(size_t index);
int ifunc_chosen(void);

static char *blocks[BLOCKS];

/* The resolver's blocks, of 50, 100, 150… bytes of 'r'; NULL behind the last. */
char *ifunc_block(size_t index)
{
    return index < BLOCKS ? blocks[index] : NULL;
}

static int answer(void)
{
    return 42;
}

typedef int answer_function(void);

__attribute__((used)) static answer_function *resolve(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = i % 2 ? malloc((i + 1) * 50) : calloc(i + 1, 50);
        if (!blocks[i])
            abort();
        memset(blocks[i], 'r', (i + 1) * 50);
    }
    free(calloc(10, 10));
    free(malloc(100000));
    free(malloc(5 * 1000 * 1000));
    return answer;
}

int ifunc_chosen(void) __attribute__((ifunc("resolve")));
