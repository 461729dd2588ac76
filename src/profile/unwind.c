/* unwind.c: the unwinders, and what is left out of what they find. */
#include "unwind.h"

#include "image.h"
#include "stack.h"
#include "trail.h"
#include "walk.h"

#include "base/attributes.h"
#include "base/options.h"
#include "os/os.h" // os_is_readable

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unwind.h> // the types of _Unwind_Backtrace

enum { STACK_NEEDED = 8 << 10 };

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
    uintptr_t address = unwind_get_ip(context);
    if (visited->depth == visited->max || address == 0) /* 0: behind the outermost frame */
        return _URC_END_OF_STACK;
    visited->frames[visited->depth++] = address;
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

/* ---- molt's own walk ---- */

/* Begins at the frame of the function that this becomes a part of. */
static ALWAYS_INLINE void begin_here(struct walk *walk)
{
    uintptr_t address, sp, fp;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rbp, %2\n\tmov %%rsp, %1\n\tlea 0f(%%rip), %0\n0:"
                     : "=&r"(address), "=&r"(sp), "=&r"(fp));
#elif defined(__aarch64__)
    __asm__ volatile("mov %2, x29\n\tmov %1, sp\n\tadr %0, 0f\n0:"
                     : "=&r"(address), "=&r"(sp), "=&r"(fp));
#endif
    walk_begin(walk, address, sp, fp);
}

/* Frames of molt's keep no chain, so they are left by the tables in any case. */
static ALWAYS_INLINE unsigned walk_up(uintptr_t *frames, unsigned max, bool step(struct walk *walk))
{
    struct walk walk;
    unsigned depth = 0;
    begin_here(&walk);
    bool goes_on = walk_step(&walk);
    while (goes_on && image_is_own(walk.address))
        goes_on = walk_step(&walk);
    for (; goes_on && depth < max; goes_on = step(&walk))
        frames[depth++] = walk.address + walk.is_exact;
    return depth;
}

static NOINLINE unsigned by_tables(uintptr_t *frames, unsigned max)
{
    return walk_up(frames, max, walk_step);
}

static NOINLINE unsigned by_fp(uintptr_t *frames, unsigned max)
{
    return walk_up(frames, max, walk_step_by_fp);
}

/* ---- Choosing one ---- */

static _Atomic(unwinder *) chosen;

static unwinder *find_unwinder(void)
{
    bool finds_all = image_prepare();
    unwinder *found = NULL;
    if (options.prof_stack == STACK_FP)
        return by_fp;
    if (options.prof_stack == STACK_TABLES || (options.prof_stack == STACK_AUTO && finds_all))
        return by_tables;
    if (options.prof_stack != STACK_LIBGCC)
        found = open_libunwind();
    if (found == NULL)
        found = open_libgcc();
    return found != NULL ? found : by_tables;
}

void unwind_prepare(void)
{
    uintptr_t frames[1];
    unwinder *found = find_unwinder();
    found(frames, 1); /* what it does in its first call alone it does outside of malloc */
    atomic_store_explicit(&chosen, found, memory_order_release);
}

/* A library's unwinder takes locks: its own, and the loader's in turn. A thread that waits for them
 * while another one holds them in the other order, in a handler, or in a child that was forked
 * meanwhile would wait for ever. So one thread at a time is in the library, and the others walk by
 * the tables. */
static atomic_flag in_library = ATOMIC_FLAG_INIT;

/* Calls a library's unwinder, which needs some KiB of stack. */
static NOINLINE unsigned call_library(unwinder *unwind, uintptr_t frames[], unsigned max)
{
    uintptr_t all[OWN_FRAMES_MAX + STACK_DEPTH_MAX];
    int saved = errno;
    unsigned depth = unwind(all, max + OWN_FRAMES_MAX), own = 0;
    errno = saved;
    while (own < depth && image_is_own(all[own]))
        own++;
    while (own < depth && all[depth - 1] == 0) /* libgcc's end */
        depth--;
    unsigned found = depth - own < max ? depth - own : max;
    memcpy(frames, all + own, found * sizeof *frames);
    return found;
}

static bool has_stack_for_library(void)
{
    const char *stack = __builtin_frame_address(0);
    return os_is_readable(stack - STACK_NEEDED, STACK_NEEDED);
}

static unsigned by_library(unwinder *unwind, uintptr_t frames[], unsigned max)
{
    if (!has_stack_for_library() || atomic_flag_test_and_set(&in_library))
        return by_tables(frames, max);
    unsigned depth = call_library(unwind, frames, max);
    atomic_flag_clear(&in_library);
    return depth;
}

unsigned unwind_capture(uintptr_t frames[], unsigned max)
{
    unwinder *unwind = atomic_load_explicit(&chosen, memory_order_acquire);
    unsigned most = max < STACK_DEPTH_MAX ? max : STACK_DEPTH_MAX;
    if (unwind == NULL)
        return 0;
    if (unwind == by_tables || unwind == by_fp)
        return unwind(frames, most);
    return by_library(unwind, frames, most);
}

static NOINLINE const struct stack *stack_by_trail(struct trail *trail)
{
    struct walk walk;
    begin_here(&walk);
    return trail_stack(trail, &walk);
}

static NOINLINE const struct stack *stack_by_frames(void)
{
    uintptr_t frames[STACK_DEPTH_MAX];
    return stack_intern(frames, unwind_capture(frames, STACK_DEPTH_MAX));
}

const struct stack *unwind_stack(bool often)
{
    bool is_by_tables = atomic_load_explicit(&chosen, memory_order_acquire) == by_tables;
    struct trail *trail =
        often && is_by_tables ? trail_take((uintptr_t)__builtin_frame_address(0)) : NULL;
    if (trail == NULL)
        return stack_by_frames();
    const struct stack *stack = stack_by_trail(trail);
    trail_give(trail);
    return stack;
}

void unwind_repair(void)
{
    trail_repair();
}

unsigned unwind_walk(uintptr_t frames[], unsigned max)
{
    unwinder *unwind = atomic_load_explicit(&chosen, memory_order_acquire);
    unsigned most = max < STACK_DEPTH_MAX ? max : STACK_DEPTH_MAX;
    if (unwind == NULL)
        return 0;
    return unwind == by_fp ? by_fp(frames, most) : by_tables(frames, most);
}
