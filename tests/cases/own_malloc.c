/* A program with a malloc, calloc, realloc and free of its own, which give what is not theirs on to
 * the library's, as wrappers and pools do. The rest of the family is the library's:
 * reallocarray is realloc by another name and must come to the program's; aligned blocks come from
 * the library, whose free takes them. */
#include "case.h"

#include <malloc.h>

void __libc_free(void *);

enum { POOL = 1 << 22 };

static struct {
    _Alignas(16) char bytes[POOL];
    size_t used;
    int reallocs, foreign_frees;
} pool;

static bool in_pool(const void *p)
{
    return (uintptr_t)p - (uintptr_t)pool.bytes < POOL;
}

void *malloc(size_t size)
{
    size_t bytes = (size + 31) & ~(size_t)15;
    size_t at = __atomic_fetch_add(&pool.used, bytes, __ATOMIC_RELAXED);
    if (bytes < size || at + bytes > POOL) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(&pool.bytes[at], &size, sizeof size);
    return &pool.bytes[at + 16];
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* a pool that is never used twice is zero */
}

void free(void *p)
{
    if (p && !in_pool(p)) {
        pool.foreign_frees++;
        __libc_free(p);
    }
}

void *realloc(void *old, size_t size)
{
    pool.reallocs++;
    char *block = malloc(size);
    size_t old_size = 0;
    if (block && old) {
        memcpy(&old_size, (char *)old - 16, sizeof old_size);
        memcpy(block, old, old_size < size ? old_size : size);
    }
    return block;
}

int main(void)
{
    char *block = reallocarray(opaque(NULL), 10, 10);
    REQUIRE(block && in_pool(block));
    fill_bytes(block, 100, 'a');
    block = reallocarray(block, 30, 10);
    REQUIRE(block && in_pool(block) && has_bytes(block, 100, 'a'));
    CHECK(pool.reallocs == 2);
    CHECK(reallocarray(opaque(NULL), opaque_size(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
    free(block);

    char *copy = strdup("a string of libc's"); /* by the program's malloc */
    CHECK(copy && in_pool(copy));
    free(copy);

    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 256, 1000) == 0 && is_aligned(aligned, 256));
    free(aligned);
    free(opaque(aligned_alloc(64, 640)));
    free(opaque(memalign(128, 100)));
    CHECK(pool.foreign_frees == 3);

    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    int before = pool.foreign_frees;
    if (sized) {
        sized(malloc(50), 50);
        sized(memalign(16, 50), 50);
        CHECK(pool.foreign_frees == before + 1);
    }
    return case_end();
}
