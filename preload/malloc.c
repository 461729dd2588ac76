/* malloc.c: the standard names, which behave exactly as glibc's do, and glibc's further names for
 * them. */
#include "export.h"

#include "alloc/malloc.h"
#include "alloc/trim.h"

#include "os/os.h" // os_page_bytes

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

EXPORT void *malloc(size_t size)
{
    return malloc_fast(size);
}

EXPORT void free(void *p)
{
    free_fast(p);
}

EXPORT void *calloc(size_t count, size_t size)
{
    return calloc_fast(count, size);
}

EXPORT void *realloc(void *block, size_t size)
{
    if (UNLIKELY(block == NULL))
        return malloc_fast(size);
    if (LIKELY(size != 0))
        return malloc_resize(block, size);
    free_fast(block);
    return NULL;
}

/* ---- Alignment ---- */

static bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Returns a block at a multiple of the alignment; one that is no power of two counts as the next
 * one. */
static void *align(size_t alignment, size_t size)
{
    if (alignment > (SIZE_MAX >> 1) + 1) {
        errno = EINVAL;
        return NULL;
    }
    size_t power = 1;
    while (power < alignment)
        power *= 2;
    return malloc_aligned(power, size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return align(alignment, size);
}

/* glibc from 2.38 on refuses an alignment that is no power of two; earlier ones take what memalign
 * takes, and so does this. */
EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return align(alignment, size);
}

/* A bad alignment is told by the result alone; malloc_aligned has set errno where memory is
 * missing, as glibc does. */
EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *block = malloc_aligned(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return malloc_aligned(os_page_bytes(), size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t bytes = os_round_to_pages(size);
    if (bytes < size)
        return malloc_no_memory();
    return malloc_aligned(os_page_bytes(), bytes == 0 ? os_page_bytes() : bytes);
}

/* ---- glibc's further names: so that a program reaches glibc's own heap by none of them ---- */

SECOND_NAME(__libc_malloc, malloc);
SECOND_NAME(__libc_calloc, calloc);
SECOND_NAME(__libc_realloc, realloc);
SECOND_NAME(__libc_free, free);
SECOND_NAME(__libc_memalign, memalign);
SECOND_NAME(__libc_valloc, valloc);
SECOND_NAME(__libc_pvalloc, pvalloc);
SECOND_NAME(cfree, free);

/* The names of which the program may see other definitions (operators.h). */
OWN_NAME(malloc);
OWN_NAME(aligned_alloc);
OWN_NAME(free);
