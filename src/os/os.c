/* os.c: memory system calls and the few facts of the process that the heap is built on. */
#include "os.h"

#include "vdso.h"

#include "base/syscall.h"

#include <elf.h> // AT_…
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h> // environ

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

/* Private memory at the address, or anywhere if that is NULL. */
static long map_anonymous(void *address, size_t bytes, int protection, int flags)
{
    return SYSCALL(mmap, address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static bool advise(void *address, size_t bytes, int advice)
{
    return SYSCALL(madvise, address, bytes, advice) == 0;
}

static void *map(void *address, size_t bytes, int protection, int flags)
{
    if (refused_by_test())
        return NULL;
    long p = map_anonymous(address, bytes, protection, flags);
    return syscall_failed(p) ? NULL : (void *)p;
}

static bool protect(void *address, size_t bytes, int protection)
{
    return !refused_by_test() && SYSCALL(mprotect, address, bytes, protection) == 0;
}

/* A debugger that writes a core file would write it all out. */
static void *mark_reserved(void *p, size_t bytes)
{
    if (p != NULL)
        advise(p, bytes, MADV_DONTDUMP);
    return p;
}

static void *reserve(void *address, size_t bytes, int flags)
{
    return mark_reserved(map(address, bytes, PROT_NONE, MAP_NORESERVE | flags), bytes);
}

void *os_reserve(size_t bytes)
{
    return reserve(NULL, bytes, 0);
}

bool os_commit(void *address, size_t bytes)
{
    if (!protect(address, bytes, PROT_READ | PROT_WRITE))
        return false;
    advise(address, bytes, MADV_DODUMP);
    return true;
}

bool os_commit_zeroes(void *address, size_t bytes)
{
    return protect(address, bytes, PROT_READ);
}

bool os_decommit(void *address, size_t bytes)
{
    return reserve(address, bytes, MAP_FIXED) != NULL;
}

void *os_map(size_t bytes)
{
    return map(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

static void *map_at(void *address, size_t bytes, int protection, int flags, bool *taken)
{
    *taken = false;
    if (refused_by_test())
        return NULL;
    long p = map_anonymous(address, bytes, protection, flags | MAP_FIXED_NOREPLACE);
    if (p == (long)address)
        return address;
    *taken = p == -EEXIST;
    if (!syscall_failed(p)) { /* a kernel before 4.17 takes the address as a hint */
        SYSCALL(munmap, p, bytes);
        *taken = true;
    }
    return NULL;
}

void *os_map_at(void *address, size_t bytes, bool *taken)
{
    return map_at(address, bytes, PROT_READ | PROT_WRITE, 0, taken);
}

void *os_reserve_at(void *address, size_t bytes, bool *taken)
{
    return mark_reserved(map_at(address, bytes, PROT_NONE, MAP_NORESERVE, taken), bytes);
}

bool os_unmap(void *address, size_t bytes)
{
    return !refused_by_test() && SYSCALL(munmap, address, bytes) == 0;
}

void *os_remap(void *address, size_t old_bytes, size_t new_bytes)
{
    if (refused_by_test())
        return NULL;
    long p = SYSCALL(mremap, address, old_bytes, new_bytes, MREMAP_MAYMOVE);
    return syscall_failed(p) ? NULL : (void *)p;
}

bool os_extend(void *address, size_t old_bytes, size_t new_bytes)
{
    return !refused_by_test() && !syscall_failed(SYSCALL(mremap, address, old_bytes, new_bytes, 0));
}

/* A kernel that refuses for its own reasons has unmapped the target by then, and others may have
 * mapped something there; a filter's refusal has left it. */
bool os_move(void *address, size_t old_bytes, void *to, size_t new_bytes)
{
    long p = refused_by_test() ? -EPERM
                               : SYSCALL(mremap, address, old_bytes, new_bytes,
                                         MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (p == -EPERM || p == -ENOSYS)
        SYSCALL(munmap, to, new_bytes);
    return !syscall_failed(p);
}

bool os_purge(void *address, size_t bytes)
{
    /* EINVAL where it is locked */
    return purge_clears && !refused_by_test() && advise(address, bytes, MADV_DONTNEED);
}

void os_allow_huge_pages(void *address, size_t bytes)
{
    advise(address, bytes, MADV_HUGEPAGE); /* EINVAL: there are none */
}

void os_forbid_huge_pages(void *address, size_t bytes)
{
    advise(address, bytes, MADV_NOHUGEPAGE); /* EINVAL: there are none */
}

bool os_fill_huge_page(void *address, size_t bytes)
{
    unsigned char last = 0;
    if (!advise(address, bytes, MADV_HUGEPAGE))
        return false;
    *(volatile unsigned char *)address = 0;
    char *last_page = (char *)address + bytes - os_page_bytes();
    bool filled = SYSCALL(mincore, last_page, os_page_bytes(), &last) == 0 && (last & 1) != 0;
    advise(address, bytes, MADV_NOHUGEPAGE);
    return filled;
}

void os_populate(void *address, size_t bytes)
{
    static _Atomic bool unknown; /* to the kernel, before 5.14, or to a filter */
    if (atomic_load_explicit(&unknown, memory_order_relaxed))
        return;
    long result = SYSCALL(madvise, address, bytes, MADV_POPULATE_WRITE);
    if (result == -EINVAL || result == -EPERM)
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
}

void *os_map_wiped_on_fork(void)
{
    void *page = os_map(os_page_bytes());
    if (page == NULL || advise(page, os_page_bytes(), MADV_WIPEONFORK))
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
    return SYSCALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == 0 ||
           (SYSCALL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) == 0 &&
            SYSCALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == 0);
#endif
}

/* Whether a purged page reads as zero: tried once, on a page of its own. */
static bool purged_page_is_zero(void)
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

/* What the kernel told the process at its start; 0: nothing. libc keeps a copy, but getauxval can
 * be replaced like any other function of it. */
static struct {
    uint64_t page_bytes;
    uint64_t secure;
    const void *random; /* 16 bytes */
    const void *vdso;
} told;

static void note(const Elf64_auxv_t *entry)
{
    uint64_t value = entry->a_un.a_val;
    switch (entry->a_type) {
    case AT_PAGESZ:
        told.page_bytes = value;
        break;
    case AT_SECURE:
        told.secure = value;
        break;
    case AT_RANDOM:
        told.random = (const void *)value;
        break;
    case AT_SYSINFO_EHDR:
        told.vdso = (const void *)value;
        break;
    default:
        break;
    }
}

/* Where nothing was told (no /proc): the kernel refuses a range that does not start at a page. */
static uint64_t probe_page_bytes(void)
{
    uint64_t bytes = 4096;
    while (bytes < 65536 && SYSCALL(madvise, bytes, 0, MADV_NORMAL) == -EINVAL)
        bytes *= 2;
    return bytes;
}

/* Nothing was told either to a program that may not read about itself, having more rights than its
 * caller; so it counts as one. */
static void read_auxiliary_vector(void)
{
    Elf64_auxv_t vector[64];
    told.secure = 1;
    long length = os_read_file("/proc/self/auxv", (char *)vector, sizeof vector);
    for (long i = 0; i < length / (long)sizeof *vector; i++)
        note(&vector[i]);
}

void os_init(void)
{
    read_auxiliary_vector();
    vdso_init(told.vdso);
    uint64_t page_bytes = told.page_bytes != 0 ? told.page_bytes : probe_page_bytes();
    os_page_shift = (unsigned)__builtin_ctzll(page_bytes);
}

void os_probe_purge(void)
{
    purge_clears = purged_page_is_zero();
}

uint64_t os_random(void)
{
    uint64_t seed = (uintptr_t)&seed ^ os_now_ns() << 20;
    if (told.random != NULL)
        memcpy(&seed, (const char *)told.random + 8, sizeof seed);
    /* The libc's stack guard comes from the same bytes: mix, so that one does not tell the other
     * (the finaliser of MurmurHash3). */
    seed ^= seed >> 33;
    seed *= UINT64_C(0xff51afd7ed558ccd);
    seed ^= seed >> 33;
    seed *= UINT64_C(0xc4ceb9fe1a85ec53);
    return seed ^ seed >> 33;
}

static size_t soft_limit(int resource)
{
    struct rlimit limit;
    if (SYSCALL(prlimit64, 0, resource, NULL, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

size_t os_address_limit(void)
{
    return soft_limit(RLIMIT_AS);
}

static bool overcommit_is_strict(void)
{
    char mode[8];
    return os_read_file("/proc/sys/vm/overcommit_memory", mode, sizeof mode) > 0 && mode[0] == '2';
}

bool os_counts_mappings(void)
{
    return soft_limit(RLIMIT_AS) != SIZE_MAX || soft_limit(RLIMIT_DATA) != SIZE_MAX ||
           overcommit_is_strict();
}

size_t os_memory_bytes(void)
{
    struct sysinfo info;
    return SYSCALL(sysinfo, &info) == 0 ? (size_t)info.totalram * info.mem_unit : (size_t)1 << 32;
}

uint64_t os_now_ms(void)
{
    struct timespec now = {0};
    vdso_clock(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t os_now_ns(void)
{
    struct timespec now = {0};
    vdso_clock(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void os_yield(void)
{
    SYSCALL(sched_yield);
}

void os_sleep_us(unsigned us)
{
    struct timespec time = {.tv_nsec = (long)us * 1000};
    SYSCALL(nanosleep, &time, NULL);
}

unsigned os_thread_id(void)
{
    return (unsigned)SYSCALL(gettid);
}

unsigned os_process_id(void)
{
    return (unsigned)SYSCALL(getpid);
}

/* The kernel reads a signal mask from there before it refuses what is to be done with it. */
static bool is_readable_word(uintptr_t address)
{
    return SYSCALL(rt_sigprocmask, ~0, address & ~(uintptr_t)7, NULL, 8) != -EFAULT;
}

bool os_is_readable(const void *p, size_t bytes)
{
    uintptr_t start = (uintptr_t)p, end = start + bytes;
    bool readable = end >= start;
    for (uintptr_t at = start; readable && at < end; at = (at | (os_page_bytes() - 1)) + 1)
        readable = is_readable_word(at);
    return readable;
}

bool os_is_secure(void)
{
    return told.secure != 0;
}

/* Reads until the buffer is full, the file ends or something is wrong. */
static size_t read_all(int fd, char *buffer, size_t size)
{
    size_t at = 0;
    long got;
    while (at < size && (got = SYSCALL(read, fd, buffer + at, size - at)) != 0) {
        if (got == -EINTR)
            continue;
        if (syscall_failed(got))
            break;
        at += (size_t)got;
    }
    return at;
}

/* O_NONBLOCK: to open a FIFO or a device may wait for ever. */
long os_read_file(const char *path, char *buffer, size_t size)
{
    struct stat status;
    long length = -EINVAL;
    long fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (syscall_failed(fd))
        return fd;
    if (SYSCALL(fstat, fd, &status) == 0 && S_ISREG(status.st_mode)) {
        length = (long)read_all((int)fd, buffer, size - 1);
        buffer[length] = '\0';
    }
    SYSCALL(close, fd);
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

/* The n-th field behind the name in parentheses, which may contain anything. */
static const char *stat_field(const char *text, unsigned n)
{
    const char *at = text + strlen(text);
    while (at > text && *at != ')')
        at--;
    for (; at != NULL && n > 0; n--)
        at = strchr(at + 1, ' ');
    return at == NULL ? "" : at + 1;
}

/* The first thread stays among the others as a zombie until the last one ends. */
static bool first_has_ended(const char *stat)
{
    return *stat_field(stat, 1) == 'Z';
}

static bool read_stat(char *text, size_t size)
{
    return os_read_file("/proc/self/stat", text, size) > 0;
}

bool os_first_thread_has_ended(void)
{
    char text[1024];
    return read_stat(text, sizeof text) && first_has_ended(text);
}

bool os_is_last_thread(void)
{
    char text[1024];
    if (!read_stat(text, sizeof text))
        return false;
    const char *threads = stat_field(text, 18);
    return (*threads == '1' || (*threads == '2' && first_has_ended(text))) && threads[1] == ' ';
}
