/* new.c: C++'s operator new and delete, by their mangled names (Itanium ABI, 64 bits).
 *
 * C cannot throw. When memory runs out the call goes on to the next definition, libstdc++'s, which
 * tries malloc again, runs the new handler and throws std::bad_alloc or returns NULL; the function
 * is compiled with -fexceptions, so that the exception passes. */
#include "export.h"

#include "alloc/malloc.h"

#include "base/report.h" // report_fatal

#include <dlfcn.h>

typedef void *new_function(size_t size, const void *extra);
typedef void *new_aligned_function(size_t size, size_t alignment, const void *extra);

static void *next_definition(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);
    if (next == NULL)
        report_fatal("out of memory in operator new, and no C++ library to throw bad_alloc");
    return next;
}

/* Arguments beyond those of a form are not read by it. */
static COLD void *new_failed(const char *name, size_t size, const void *extra)
{
    return ((new_function *)next_definition(name))(size, extra);
}

static COLD void *new_aligned_failed(const char *name, size_t size, size_t alignment,
                                     const void *extra)
{
    return ((new_aligned_function *)next_definition(name))(size, alignment, extra);
}

#define DEFINE_NEW(name)                                                       \
    EXPORT void *name(size_t size, const void *extra);                         \
    EXPORT void *name(size_t size, const void *extra)                          \
    {                                                                          \
        void *block = malloc_fast(size);                                       \
        return LIKELY(block != NULL) ? block : new_failed(#name, size, extra); \
    }

#define DEFINE_NEW_ALIGNED(name)                                                                  \
    EXPORT void *name(size_t size, size_t alignment, const void *extra);                          \
    EXPORT void *name(size_t size, size_t alignment, const void *extra)                           \
    {                                                                                             \
        void *block = malloc_aligned(alignment, size);                                            \
        return LIKELY(block != NULL) ? block : new_aligned_failed(#name, size, alignment, extra); \
    }

#define DEFINE_DELETE(name)    \
    EXPORT void name(void *p); \
    EXPORT void name(void *p)  \
    {                          \
        free_fast(p);          \
    }

DEFINE_NEW(_Znwm)                                      /* new(size) */
DEFINE_NEW(_Znam)                                      /* new[](size) */
DEFINE_NEW(_ZnwmRKSt9nothrow_t)                        /* new(size, nothrow) */
DEFINE_NEW(_ZnamRKSt9nothrow_t)                        /* new[](size, nothrow) */
DEFINE_NEW_ALIGNED(_ZnwmSt11align_val_t)               /* new(size, align) */
DEFINE_NEW_ALIGNED(_ZnamSt11align_val_t)               /* new[](size, align) */
DEFINE_NEW_ALIGNED(_ZnwmSt11align_val_tRKSt9nothrow_t) /* new(size, align, nothrow) */
DEFINE_NEW_ALIGNED(_ZnamSt11align_val_tRKSt9nothrow_t) /* new[](size, align, nothrow) */

/* The pool's record knows size and alignment: every delete is the plain one. */
DEFINE_DELETE(_ZdlPv)                              /* delete(p) */
DEFINE_DELETE(_ZdaPv)                              /* delete[](p) */
DEFINE_DELETE(_ZdlPvm)                             /* delete(p, size) */
DEFINE_DELETE(_ZdaPvm)                             /* delete[](p, size) */
DEFINE_DELETE(_ZdlPvRKSt9nothrow_t)                /* delete(p, nothrow) */
DEFINE_DELETE(_ZdaPvRKSt9nothrow_t)                /* delete[](p, nothrow) */
DEFINE_DELETE(_ZdlPvSt11align_val_t)               /* delete(p, align) */
DEFINE_DELETE(_ZdaPvSt11align_val_t)               /* delete[](p, align) */
DEFINE_DELETE(_ZdlPvmSt11align_val_t)              /* delete(p, size, align) */
DEFINE_DELETE(_ZdaPvmSt11align_val_t)              /* delete[](p, size, align) */
DEFINE_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t) /* delete(p, align, nothrow) */
DEFINE_DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t) /* delete[](p, align, nothrow) */
