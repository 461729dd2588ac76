/* unwind.c: the unwinders, and what is left out of what they find. */
#include "unwind.h"

#include "stack.h" // STACK_DEPTH_MAX

#include "base/attributes.h"
#include "base/options.h"
#include "os/os.h" // os_is_readable

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unwind.h> // the types of _Unwind_Backtrace

/* The code of molt, where the linker knows where that lies: in libmolt.so, and in a program that is
 * linked with libmolt.a (Makefile). */
extern HIDDEN const char molt_text_start[] __attribute__((weak));
extern HIDDEN const char molt_text_end[] __attribute__((weak));

/* Between a function that has called malloc and the call of an unwinder stand at most so many
 * functions of molt. */
enum { OWN_FRAMES_MAX = 24, STACK_NEEDED = 8 << 10 };

/* Fills in return addresses, the innermost first, and returns how many. */
typedef unsigned unwinder(uintptr_t *frames, unsigned max);

/* ---- Libraries ---- */

static int (*unw_backtrace)(void **buffer, int size);
static _Unwind_Reason_Code (*unwind_backtrace)(_Unwind_Trace_Fn visit, void *argument);
static _Unwind_Word (*unwind_get_ip)(struct _Unwind_Context *context);

static unsigned by_libunwind(uintptr_t *frames, unsigned max)
{
    int depth = unw_backtrace((void **)frames, (int)max);
    return depth > 0 ? (unsigned)depth : 0;
}

struct visited {
    uintptr_t *frames;
    unsigned depth;
    unsigned max;
};

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *context, void *argument)
{
    struct visited *visited = argument;
    if (visited->depth == visited->max)
        return _URC_END_OF_STACK;
    visited->frames[visited->depth++] = unwind_get_ip(context);
    return _URC_NO_REASON;
}

static unsigned by_libgcc(uintptr_t *frames, unsigned max)
{
    struct visited visited = {.frames = frames, .max = max};
    unwind_backtrace(visit_frame, &visited);
    return visited.depth;
}

/* Opened with all that it refers to bound: so that none of its calls leads into the loader later
 * on. libc's dlopen is found by name, since the name leads to molt's own (preload/dlopen.c). */
static void *open_library(const char *name)
{
    void *(*open)(const char *, int);
    *(void **)&open = dlsym(RTLD_NEXT, "dlopen");
    return open != NULL ? open(name, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static unwinder *open_libunwind(void)
{
    void *library = open_library("libunwind.so.8");
    if (library != NULL)
        *(void **)&unw_backtrace = dlsym(library, "unw_backtrace");
    return unw_backtrace != NULL ? by_libunwind : NULL;
}

static unwinder *open_libgcc(void)
{
    void *library = open_library("libgcc_s.so.1");
    if (library != NULL) {
        *(void **)&unwind_backtrace = dlsym(library, "_Unwind_Backtrace");
        *(void **)&unwind_get_ip = dlsym(library, "_Unwind_GetIP");
    }
    return unwind_backtrace != NULL && unwind_get_ip != NULL ? by_libgcc : NULL;
}

/* ---- Choosing one ---- */

static _Atomic(unwinder *) chosen;
static THREAD_LOCAL bool inside; /* the unwinder has called malloc, or a signal handler has */

void unwind_prepare(void)
{
    uintptr_t frames[1];
    unwinder *found = open_libunwind();
    if (found == NULL)
        found = open_libgcc();
    if (found != NULL)
        found(frames, 1); /* what it does in its first call alone it does outside of malloc */
    atomic_store_explicit(&chosen, found, memory_order_release);
}

static bool is_own(uintptr_t address)
{
    return address > (uintptr_t)molt_text_start && address <= (uintptr_t)molt_text_end;
}

unsigned unwind_capture(uintptr_t frames[], unsigned max)
{
    uintptr_t all[OWN_FRAMES_MAX + STACK_DEPTH_MAX];
    unwinder *unwind = atomic_load_explicit(&chosen, memory_order_acquire);
    char *stack = __builtin_frame_address(0);
    if (unwind == NULL || inside || !os_is_readable(stack - STACK_NEEDED, 1))
        return 0;
    int saved = errno;
    inside = true;
    atomic_signal_fence(memory_order_seq_cst);
    unsigned wanted = max < STACK_DEPTH_MAX ? max + OWN_FRAMES_MAX : sizeof all / sizeof all[0];
    unsigned depth = unwind(all, wanted), own = 0;
    atomic_signal_fence(memory_order_seq_cst);
    inside = false;
    errno = saved;
    while (own < depth && is_own(all[own]))
        own++;
    unsigned found = depth - own < max ? depth - own : max;
    memcpy(frames, all + own, found * sizeof *frames);
    return found;
}
