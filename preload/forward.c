/* forward.c: members of malloc's family that call another member. If a program has a malloc of its
 * own without these, they must call its own realloc and free, as glibc's do. Members that find
 * memory by themselves (posix_memalign, valloc) use this heap, as glibc's would use glibc's:
 * malloc.c. */
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

/* C23. The pool's record knows what size and alignment promise; with the option `sized` a size that
 * cannot be right stops the program. */
EXPORT void free_sized(void *p, size_t size)
{
    free_known(p, size, false);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    (void)alignment;
    free_known(p, size, true);
}
