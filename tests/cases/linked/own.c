/* A program with a malloc of its own, linked with molt: the two heaps live side by side. */
#include "../case.h"

#include <molt.h>

static _Alignas(16) char pool[1 << 22];
static size_t used;

void *malloc(size_t size)
{
    size_t bytes = (size + 15) & ~(size_t)15;
    size_t at = __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED);
    if (bytes < size || at + bytes > sizeof pool)
        return NULL;
    return &pool[at];
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* never used twice */
}

void *realloc(void *old, size_t size)
{
    char *block = malloc(size);
    for (size_t i = 0; block && old && i < size && (char *)old + i < block; i++)
        block[i] = ((char *)old)[i];
    return block;
}

void free(void *block)
{
    (void)block;
}

int main(void)
{
    void *block = malloc(100), *molts = molt_malloc(100);
    REQUIRE(block && molts);
    CHECK(!molt_is_malloc());
    CHECK(!molt_owns(block) && molt_owns(molts));
    molt_free(molts);
    free(block);
    return case_end();
}
