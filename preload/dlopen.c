/* dlopen.c: clears RTLD_DEEPBIND on the way to the real dlopen. A plugin that is opened with that
 * flag would use libc's own malloc, and hand its blocks to our free. And notices that dlclose has
 * been called: from then on another library may lie where one was whose addresses are known. */
#include "export.h"

#include "profile/image.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

typedef void *dlopen_function(const char *path, int flags);

/* The last statement is a tail call (the Makefile keeps -foptimize-sibling-calls on): so the real
 * dlopen takes our caller for its caller, and searches the RUNPATH of that one's library. */
EXPORT void *dlopen(const char *path, int flags)
{
    static _Atomic(dlopen_function *) real;
    dlopen_function *next = atomic_load_explicit(&real, memory_order_relaxed);
    if (next == NULL) {
        next = (dlopen_function *)dlsym(RTLD_NEXT, "dlopen");
        atomic_store_explicit(&real, next, memory_order_relaxed);
    }
    return next == NULL ? NULL : next(path, flags & ~RTLD_DEEPBIND);
}

OWN_NAME(dlopen);

typedef int dlclose_function(void *library);

EXPORT int dlclose(void *library)
{
    static _Atomic(dlclose_function *) real;
    dlclose_function *next = atomic_load_explicit(&real, memory_order_relaxed);
    if (next == NULL) {
        next = (dlclose_function *)dlsym(RTLD_NEXT, "dlclose");
        atomic_store_explicit(&real, next, memory_order_relaxed);
    }
    int result = next == NULL ? -1 : next(library);
    image_unloaded();
    return result;
}

OWN_NAME(dlclose);
