/* The library of interposed.c: every libc function that an allocator could call, replaced by one
 * that allocates, frees and calls dlsym before it does the work. A name that is not there leaves an
 * error text with dlsym, which the next call frees.
 *
 * The work of what an allocator needs at once is done here; the rest by the next definition. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* One at a time in a thread: what it calls itself it may call plainly. */
static __thread __attribute__((tls_model("initial-exec"))) bool is_inside;

static void *volatile kept;

static void meddle(void)
{
    if (is_inside)
        return;
    is_inside = true;
    for (size_t size = 8; size < 3000; size *= 3) {
        kept = malloc(size);
        free(kept);
    }
    dlsym(RTLD_NEXT, "a_name_that_is_not_there");
    dlsym(RTLD_NEXT, "another_name_that_is_not_there");
    is_inside = false;
}

static void *next_definition(const char *name)
{
    bool was_inside = is_inside;
    is_inside = true;
    void *next = dlsym(RTLD_NEXT, name);
    is_inside = was_inside;
    return next;
}

/* Passes a call on, with errno as the caller has it. */
#define REPLACE(result, name, parameters, ...)                 \
    result name parameters                                     \
    {                                                          \
        static __typeof__(name) *next;                         \
        int saved = errno;                                     \
        meddle();                                              \
        if (next == NULL)                                      \
            next = (__typeof__(name) *)next_definition(#name); \
        errno = saved;                                         \
        return next(__VA_ARGS__);                              \
    }

#define START(text) ((unsigned char *)(text))
#define START_CONST(text) ((const unsigned char *)(text))

/* ---- Bytes ---- */

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    meddle();
    for (size_t i = 0; i < n; i++)
        START(to)[i] = START_CONST(from)[i];
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    meddle();
    if ((uintptr_t)to < (uintptr_t)from)
        for (size_t i = 0; i < n; i++)
            START(to)[i] = START_CONST(from)[i];
    else
        for (size_t i = n; i-- > 0;)
            START(to)[i] = START_CONST(from)[i];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    meddle();
    for (size_t i = 0; i < n; i++)
        START(to)[i] = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    meddle();
    for (size_t i = 0; i < n; i++)
        if (START_CONST(a)[i] != START_CONST(b)[i])
            return START_CONST(a)[i] - START_CONST(b)[i];
    return 0;
}

size_t strlen(const char *text)
{
    meddle();
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    meddle();
    for (; *a == *b && *a != '\0'; a++, b++)
        ;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    meddle();
    for (; n > 0; n--, a++, b++)
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

char *strchr(const char *text, int byte)
{
    meddle();
    for (; *text != (char)byte; text++)
        if (*text == '\0')
            return NULL;
    return (char *)(uintptr_t)text;
}

/* ---- Memory, files, time, the process ---- */

REPLACE(void *, mmap, (void *p, size_t n, int protection, int flags, int fd, off_t at), p, n,
        protection, flags, fd, at)
REPLACE(void *, mmap64, (void *p, size_t n, int protection, int flags, int fd, off64_t at), p, n,
        protection, flags, fd, at)
REPLACE(int, munmap, (void *p, size_t n), p, n)
REPLACE(int, madvise, (void *p, size_t n, int advice), p, n, advice)
REPLACE(int, mprotect, (void *p, size_t n, int protection), p, n, protection)
REPLACE(int, mincore, (void *p, size_t n, unsigned char *out), p, n, out)
REPLACE(ssize_t, read, (int fd, void *buffer, size_t n), fd, buffer, n)
REPLACE(ssize_t, write, (int fd, const void *buffer, size_t n), fd, buffer, n)
REPLACE(int, close, (int fd), fd)
REPLACE(int, fstat, (int fd, struct stat *out), fd, out)
REPLACE(int, getrlimit, (__rlimit_resource_t resource, struct rlimit *out), resource, out)
REPLACE(int, sysinfo, (struct sysinfo * out), out)
REPLACE(unsigned long, getauxval, (unsigned long type), type)
REPLACE(long, sysconf, (int name), name)
REPLACE(int, getpagesize, (void))
REPLACE(pid_t, getpid, (void))
REPLACE(char *, getenv, (const char *name), name)
REPLACE(char *, secure_getenv, (const char *name), name)
REPLACE(ssize_t, getrandom, (void *out, size_t n, unsigned flags), out, n, flags)
REPLACE(int, clock_gettime, (clockid_t clock, struct timespec *now), clock, now)
REPLACE(int, gettimeofday, (struct timeval *restrict now, void *restrict zone), now, zone)
REPLACE(time_t, time, (time_t * out), out)
REPLACE(int, sched_yield, (void))
REPLACE(int, nanosleep, (const struct timespec *wanted, struct timespec *rest), wanted, rest)
REPLACE(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), how, set, old)

/* The variable arguments of these are words. */
#define WORDS(last)               \
    va_list words;                \
    va_start(words, last);        \
    long a = va_arg(words, long); \
    long b = va_arg(words, long); \
    long c = va_arg(words, long); \
    long d = va_arg(words, long); \
    long e = va_arg(words, long); \
    long f = va_arg(words, long); \
    va_end(words)

long syscall(long number, ...)
{
    static __typeof__(syscall) *next;
    WORDS(number);
    int saved = errno;
    meddle();
    if (next == NULL)
        next = (__typeof__(syscall) *)next_definition("syscall");
    errno = saved;
    return next(number, a, b, c, d, e, f);
}

void *mremap(void *p, size_t old, size_t n, int flags, ...)
{
    static __typeof__(mremap) *next;
    WORDS(flags);
    (void)b, (void)c, (void)d, (void)e, (void)f;
    int saved = errno;
    meddle();
    if (next == NULL)
        next = (__typeof__(mremap) *)next_definition("mremap");
    errno = saved;
    return next(p, old, n, flags, (void *)a);
}

#define REPLACE_OPEN(name)                                     \
    int name(const char *path, int flags, ...)                 \
    {                                                          \
        static __typeof__(name) *next;                         \
        WORDS(flags);                                          \
        (void)b, (void)c, (void)d, (void)e, (void)f;           \
        int saved = errno;                                     \
        meddle();                                              \
        if (next == NULL)                                      \
            next = (__typeof__(name) *)next_definition(#name); \
        errno = saved;                                         \
        return next(path, flags, (mode_t)a);                   \
    }

REPLACE_OPEN(open)
REPLACE_OPEN(open64)

/* ---- Threads ---- */

REPLACE(int, pthread_key_create, (pthread_key_t * key, void (*destroy)(void *)), key, destroy)
REPLACE(int, pthread_setspecific, (pthread_key_t key, const void *value), key, value)
REPLACE(void *, pthread_getspecific, (pthread_key_t key), key)
REPLACE(int, pthread_once, (pthread_once_t * once, void (*start)(void)), once, start)
REPLACE(pthread_t, pthread_self, (void))
REPLACE(int, pthread_mutex_lock, (pthread_mutex_t * mutex), mutex)
REPLACE(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), mutex)
REPLACE(int, __register_atfork,
        (void (*prepare)(void), void (*parent)(void), void (*child)(void), void *handle), prepare,
        parent, child, handle)
