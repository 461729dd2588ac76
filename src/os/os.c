/* os.c: memory system calls and the few facts of the process that the heap is built on. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

unsigned os_page_shift = 12;
static bool purge_clears; /* madvise(DONTNEED) really zeroes (it does not under qemu-user) */

/* ---- The test switch: every call that asks for memory passes here ---- */

static atomic_ulong calls;
static _Atomic unsigned long fail_at;
static atomic_bool fail_every;

void os_fail(unsigned long nth, bool every)
{
    atomic_store(&fail_every, every);
    atomic_store(&fail_at, nth == 0 ? 0 : atomic_load(&calls) + nth);
}

unsigned long os_calls(void)
{
    return atomic_load(&calls);
}

static bool refused_by_test(void)
{
    unsigned long call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    unsigned long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return at != 0 && (call == at || (call > at && atomic_load(&fail_every)));
}

/* ---- Memory ---- */

static void *map(void *address, size_t bytes, int protection, int flags)
{
    if (refused_by_test())
        return NULL;
    int saved = errno;
    void *p = mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    errno = saved;
    return p == MAP_FAILED ? NULL : p;
}

void *os_reserve(size_t bytes)
{
    return map(NULL, bytes, PROT_NONE, MAP_NORESERVE);
}

void *os_reserve_readable(size_t bytes)
{
    return map(NULL, bytes, PROT_READ, MAP_NORESERVE);
}

bool os_commit(void *address, size_t bytes)
{
    if (refused_by_test())
        return false;
    int saved = errno;
    bool done = mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
    errno = saved;
    return done;
}

bool os_decommit(void *address, size_t bytes)
{
    if (refused_by_test())
        return false;
    int saved = errno;
    void *p = mmap(address, bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    errno = saved;
    return p != MAP_FAILED;
}

void *os_map(size_t bytes)
{
    return map(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

void *os_map_at(void *address, size_t bytes, bool *taken)
{
    *taken = false;
    if (refused_by_test())
        return NULL;
    int saved = errno;
    void *p = mmap(address, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED) {
        *taken = errno == EEXIST;
        p = NULL;
    } else if (p != address) { /* a kernel before 4.17 takes the address as a hint */
        munmap(p, bytes);
        *taken = true;
        p = NULL;
    }
    errno = saved;
    return p;
}

bool os_unmap(void *address, size_t bytes)
{
    if (refused_by_test())
        return false;
    int saved = errno;
    bool done = munmap(address, bytes) == 0;
    errno = saved;
    return done;
}

void *os_remap(void *address, size_t old_bytes, size_t new_bytes)
{
    if (refused_by_test())
        return NULL;
    int saved = errno;
    void *p = mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE);
    errno = saved;
    return p == MAP_FAILED ? NULL : p;
}

bool os_purge(void *address, size_t bytes)
{
    if (!purge_clears || refused_by_test())
        return false;
    int saved = errno;
    bool done = madvise(address, bytes, MADV_DONTNEED) == 0; /* EINVAL where it is locked */
    errno = saved;
    return done;
}

void os_allow_huge_pages(void *address, size_t bytes)
{
    int saved = errno;
    madvise(address, bytes, MADV_HUGEPAGE); /* EINVAL: there are none */
    errno = saved;
}

void os_forbid_huge_pages(void *address, size_t bytes)
{
    int saved = errno;
    madvise(address, bytes, MADV_NOHUGEPAGE); /* EINVAL: there are none */
    errno = saved;
}

bool os_fill_huge_page(void *address, size_t bytes)
{
    int saved = errno;
    unsigned char last = 0;
    bool filled = madvise(address, bytes, MADV_HUGEPAGE) == 0;
    if (filled) {
        *(volatile unsigned char *)address = 0;
        filled = mincore((char *)address + bytes - os_page_bytes(), os_page_bytes(), &last) == 0 &&
                 (last & 1) != 0;
        madvise(address, bytes, MADV_NOHUGEPAGE);
    }
    errno = saved;
    return filled;
}

void os_populate(void *address, size_t bytes)
{
    static _Atomic bool unknown; /* to the kernel, before 5.14, or to a filter */
    if (atomic_load_explicit(&unknown, memory_order_relaxed))
        return;
    int saved = errno;
    if (madvise(address, bytes, MADV_POPULATE_WRITE) != 0 && (errno == EINVAL || errno == EPERM))
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    errno = saved;
}

void *os_map_wiped_on_fork(void)
{
    void *page = os_map(os_page_bytes());
    if (page == NULL)
        return NULL;
    int saved = errno;
    bool done = madvise(page, os_page_bytes(), MADV_WIPEONFORK) == 0;
    errno = saved;
    if (done)
        return page;
    os_unmap(page, os_page_bytes());
    return NULL;
}

bool os_order_threads(void)
{
#if defined(__x86_64__)
    atomic_signal_fence(memory_order_seq_cst); /* stores become visible in order, loads see so */
    return true;
#else
    int saved = errno;
    bool done = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == 0 ||
                (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) == 0 &&
                 syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == 0);
    errno = saved;
    return done;
#endif
}

/* Whether a purged page reads as zero: tried once, on a page of its own. */
static bool probe_purge(void)
{
    unsigned char *page = os_map(os_page_bytes());
    if (page == NULL)
        return false;
    page[0] = 1;
    purge_clears = true;
    bool clears = os_purge(page, os_page_bytes()) && *(volatile unsigned char *)page == 0;
    os_unmap(page, os_page_bytes());
    return clears;
}

/* ---- Facts ---- */

void os_init(void)
{
    unsigned long page_bytes = getauxval(AT_PAGESZ);
    if (page_bytes != 0)
        os_page_shift = (unsigned)__builtin_ctzl(page_bytes);
    purge_clears = probe_purge();
}

uint64_t os_random(void)
{
    uint64_t seed = (uintptr_t)&seed;
    const void *bytes = (const void *)getauxval(AT_RANDOM); /* 16 bytes */
    if (bytes != NULL)
        memcpy(&seed, (const char *)bytes + 8, sizeof seed);
    /* The libc's stack guard comes from the same bytes: mix, so that one does not tell the other
     * (the finaliser of MurmurHash3). */
    seed ^= seed >> 33;
    seed *= UINT64_C(0xff51afd7ed558ccd);
    seed ^= seed >> 33;
    seed *= UINT64_C(0xc4ceb9fe1a85ec53);
    return seed ^ seed >> 33;
}

size_t os_address_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

size_t os_memory_bytes(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (size_t)info.totalram * info.mem_unit : (size_t)1 << 32;
}

uint64_t os_now_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t os_now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The kernel reads a signal mask from there before it refuses what is to be done with it. */
static bool is_readable_word(uintptr_t address)
{
    return syscall(SYS_rt_sigprocmask, ~0, address & ~(uintptr_t)7, NULL, 8) == 0 ||
           errno != EFAULT;
}

bool os_is_readable(const void *p, size_t bytes)
{
    int saved = errno;
    uintptr_t start = (uintptr_t)p, end = start + bytes;
    bool readable = end >= start;
    for (uintptr_t at = start; readable && at < end; at = (at | (os_page_bytes() - 1)) + 1)
        readable = is_readable_word(at);
    errno = saved;
    return readable;
}

bool os_is_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}

long os_read_file(const char *path, char *buffer, size_t size)
{
    int saved = errno;
    long length = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        size_t at = 0;
        ssize_t got;
        while (at < size - 1 && (got = read(fd, buffer + at, size - 1 - at)) > 0)
            at += (size_t)got;
        close(fd);
        buffer[at] = '\0';
        length = (long)at;
    }
    errno = saved;
    return length;
}

static long copy_value(const char *entry, const char *name, char *buffer, size_t size)
{
    size_t length = strlen(name);
    if (strncmp(entry, name, length) != 0 || entry[length] != '=')
        return -1;
    size_t value = strlen(entry + length + 1);
    if (value < size)
        memcpy(buffer, entry + length + 1, value + 1);
    return (long)value;
}

long os_environment(const char *name, char *buffer, size_t size)
{
    if (environ != NULL) {
        for (char **entry = environ; *entry != NULL; entry++) {
            long length = copy_value(*entry, name, buffer, size);
            if (length >= 0)
                return length;
        }
        return -1;
    }
    /* Before libc's own start-up: the kernel's copy. */
    char all[16384];
    long total = os_read_file("/proc/self/environ", all, sizeof all);
    for (long at = 0; at < total; at += (long)strlen(all + at) + 1) {
        long length = copy_value(all + at, name, buffer, size);
        if (length >= 0)
            return length;
    }
    return -1;
}
