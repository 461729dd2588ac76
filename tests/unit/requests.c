/* requests.c: wrappers (unit.mk) that count, and fail when told to. */
#include "requests.h"

#include "alloc/malloc.h"
#include "alloc/object_block.h"
#include "molt_object.h"
#include "gc/scratch.h"
#include "os/os.h"
#include "profile/memory.h"

#include <errno.h>

static unsigned long left; /* to the one that fails; 0: none does */
static bool all_after, have_failed;
static void (*meanwhile)(void); /* threads only read it */

void requests_fail(unsigned long nth)
{
    left = nth;
    all_after = have_failed = false;
}

void requests_fail_from(unsigned long nth)
{
    requests_fail(nth);
    all_after = true;
}

bool requests_have_failed(void)
{
    return have_failed;
}

void requests_meanwhile(void (*function)(void))
{
    meanwhile = function;
}

static bool fails(void)
{
    void (*faster)(void) = meanwhile;
    if (faster != NULL) {
        meanwhile = NULL;
        faster();
    }
    if (left == 0 || --left != 0)
        return false;
    left = all_after;
    have_failed = true;
    errno = ENOMEM;
    return true;
}

#define WRAP(result, name, parameters, ...)                 \
    result __real_##name parameters;                        \
    result __wrap_##name parameters;                        \
    result __wrap_##name parameters                         \
    {                                                       \
        return fails() ? NULL : __real_##name(__VA_ARGS__); \
    }

WRAP(void *, molt_new, (const molt_type *type), type)
WRAP(void *, molt_new_extra, (const molt_type *type, size_t extra), type, extra)
WRAP(void *, molt_malloc, (size_t size), size)
WRAP(void *, molt_calloc, (size_t count, size_t size), count, size)
WRAP(void *, molt_realloc, (void *block, size_t size), block, size)
WRAP(molt_weak *, molt_weak_new, (void *object, void (*on_death)(molt_weak *, void *), void *arg),
     object, on_death, arg)
WRAP(void *, malloc_aligned, (size_t alignment, size_t size), alignment, size)
WRAP(void *, object_block_refill, (unsigned size_class, bool *is_sampled), size_class, is_sampled)
WRAP(void *, scratch_take, (size_t zeroed, size_t more), zeroed, more)
WRAP(void *, os_map, (size_t bytes), bytes)
WRAP(void *, profile_memory_take, (size_t bytes), bytes)
