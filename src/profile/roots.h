/* roots.h: where a program keeps its pointers to blocks, outside of blocks:
 *
 *   - the writable segments of the program and of all libraries, molt's own among them, since what
 *     they hold for themselves is in blocks, too; and what its records of heaps and pools lead to;
 *   - each thread's registers and its stack, from the stack pointer up;
 *   - each thread's static thread-local storage, its descriptor with the thread-specific data, and
 *     the vector of its dynamic thread-local storage. libc puts the first two above the stack that
 *     it maps for a thread; those of the first thread lie where the loader put them. All of it is
 *     found around the thread pointer. The dynamic storage itself lies in blocks.
 *
 * Memory that the program has mapped by itself, or taken by sbrk, is not scanned: a block that only
 * such memory leads to counts as leaked.
 *
 * The other threads stand still, traced (tracer.h). Where they cannot be stopped, they run on:
 * their registers are not seen, and a pointer that moves meanwhile may be seen in neither place.
 * The stacks are found by the heaps' notes on their threads then; those of threads that are in no
 * call of the kernel are scanned whole, whatever is left in their unused part.
 *
 * A thread that runs on another stack than that which libc gave it (a signal's, a coroutine's) has
 * both scanned, the latter whole. A stack may lie in a block. Guard pages are no danger, since all
 * is read by reach_from_range, which asks the kernel. */
#ifndef PROFILE_ROOTS_H
#define PROFILE_ROOTS_H

#include "reach.h"

#include "base/attributes.h"
#include "os/tracer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread: what it held when it entered the library. */
struct roots_caller {
    uintptr_t stack;
    uintptr_t registers[12]; /* those that a call preserves */
};

struct roots_range {
    uintptr_t start, end;
};

struct roots {
    struct roots_range *segments; /* of the program and its libraries */
    size_t segment_count, segment_capacity;
    struct roots_range *mappings; /* readable and writable ones, in the order of addresses */
    size_t mapping_count, mapping_capacity;
    struct roots_range first_stack; /* the first thread's */
    struct roots_range loader;      /* its code */
    size_t thread_bytes; /* thread-local storage and descriptors lie so close to a thread pointer */
    size_t segment_bytes, mapping_bytes; /* mapped for the two lists */
    struct tracer tracer;
};

/* Notes the segments. Takes the loader's lock, so other threads run still. False: no memory.
 * roots_end is due in any case. */
bool roots_begin(struct roots *roots);

/* Stops the other threads, as far as the kernel lets it, and notes the mappings. The caller holds
 * all locks that it will need, and has blocked all signals. 0, or errno: ENOMEM; ENXIO: the kernel
 * does not tell the mappings, so nobody knows where stacks are. roots_release is due in any case.
 */
int roots_stop(struct roots *roots);

/* Marks what can be reached from all roots. */
void roots_mark(const struct roots *roots, const struct roots_caller *caller, struct reach *reach);

/* The threads go on. */
void roots_release(struct roots *roots);

void roots_end(struct roots *roots);

/* Whether the return address lies in the loader: what it allocates it keeps where nobody looks. */
static inline bool roots_is_loader(const struct roots *roots, uintptr_t address)
{
    return address - roots->loader.start < roots->loader.end - roots->loader.start;
}

/* To be expanded in the function whose caller is meant. */
static ALWAYS_INLINE void roots_note_caller(struct roots_caller *caller)
{
    caller->stack = (uintptr_t)__builtin_frame_address(0);
#if defined(__x86_64__)
    __asm__ volatile("mov %%rbx, 0(%0)\n\tmov %%rbp, 8(%0)\n\tmov %%r12, 16(%0)\n\t"
                     "mov %%r13, 24(%0)\n\tmov %%r14, 32(%0)\n\tmov %%r15, 40(%0)"
                     :
                     : "r"(caller->registers)
                     : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("stp x19, x20, [%0]\n\tstp x21, x22, [%0, #16]\n\tstp x23, x24, [%0, #32]\n\t"
                     "stp x25, x26, [%0, #48]\n\tstp x27, x28, [%0, #64]\n\tstr x29, [%0, #80]"
                     :
                     : "r"(caller->registers)
                     : "memory");
#endif
}

#endif
