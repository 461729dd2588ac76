/* vdso.h: the clock that the kernel maps into every process.
 *
 * Reading it takes no system call, and no function of libc, whose clock_gettime programs and
 * preloaded libraries replace. */
#ifndef OS_VDSO_H
#define OS_VDSO_H

#include <time.h>

/* Looks the clock up in the image that the kernel has mapped; NULL: it has mapped none. */
void vdso_init(const void *image);

/* Returns the function of this name in the image, or NULL. */
void *vdso_find(const void *image, const char *name);

/* As clock_gettime(2); by a system call where the kernel maps no clock. */
void vdso_clock(clockid_t clock, struct timespec *now);

#endif
