/* vdso.h: the clock that the kernel maps into every process.
 *
 * It is read without a system call and without libc, whose clock_gettime programs and preloaded
 * libraries replace. */
#ifndef OS_VDSO_H
#define OS_VDSO_H

#include <time.h>

/* Looks the clock up in the image that the kernel has mapped; NULL where it maps none. */
void vdso_init(const void *image);

/* The function of this name in the image, or NULL. */
void *vdso_find(const void *image, const char *name);

/* As clock_gettime; a system call where the kernel offers nothing better. */
void vdso_clock(clockid_t clock, struct timespec *now);

#endif
