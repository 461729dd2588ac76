/* syscall.h: system calls that the library makes itself.
 *
 * A program or another preloaded library can replace libc's functions by versions that allocate:
 * libfaketime's clock_gettime calls dlsym, which frees. So nothing on the way to memory calls them.
 * These instructions cannot be replaced, and they leave errno alone: a call's result is the
 * kernel's, -errno where it refuses (syscall_failed). */
#ifndef BASE_SYSCALL_H
#define BASE_SYSCALL_H

#include "attributes.h"

#include <stdbool.h>
#include <sys/syscall.h> // SYS_…

/* SYSCALL(munmap, address, bytes): up to six arguments, integers or pointers. */
#define SYSCALL(name, ...) SYSCALL_PADDED(SYS_##name, __VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0)
#define SYSCALL_PADDED(number, a, b, c, d, e, f, ...) \
    syscall_raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#if defined(__x86_64__)

static ALWAYS_INLINE long syscall_raw(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

#elif defined(__aarch64__)

static ALWAYS_INLINE long syscall_raw(long number, long a, long b, long c, long d, long e, long f)
{
    register long call __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = e;
    register long sixth __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory", "cc");
    return first;
}

#else
#error "no system calls for this architecture"
#endif

/* Whether the kernel refused the call: its result is -errno then. */
static inline bool syscall_failed(long result)
{
    return (unsigned long)result >= (unsigned long)-4095L;
}

#endif
