/* forward.c: members of malloc's family that are another one by definition. A program may have a
 * malloc of its own without them; then they are its own realloc and free, in glibc too. Those that
 * find memory by themselves (posix_memalign, valloc) use this heap, as they would use glibc's. */
#include "export.h"
#include "operators.h"

#include "alloc/malloc.h"

#include <stdlib.h>

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return malloc_no_memory();
    return realloc(block, bytes);
}

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);

static void free_known(void *p, size_t size, bool aligned)
{
    enum operator_target target = TO_FREE;
    if (operator_is_replaced(&target))
        free(p);
    else
        free_sized_as("free_sized", p, size, aligned);
}

/* C23. The size and alignment are promises that the pool's record makes unnecessary; with an option
 * a size that cannot be right stops the program. */
EXPORT void free_sized(void *p, size_t size)
{
    free_known(p, size, false);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    (void)alignment;
    free_known(p, size, true);
}
