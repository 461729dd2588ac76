/* memory.c: the system calls that map, protect, move, advise on and unmap memory. */
#include "os.h"

#include "base/syscall.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* ---- Refusal by tests: every call that asks for memory passes here ---- */

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

/* ---- Mapping ---- */

/* Maps private memory at the address, or anywhere if that is NULL. Returns where, or -errno. */
static long map_anonymous(void *address, size_t bytes, int protection, int flags)
{
    return SYSCALL(mmap, address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static bool memory_advise(void *address, size_t bytes, int advice)
{
    return SYSCALL(madvise, address, bytes, advice) == 0;
}

static void *memory_map(void *address, size_t bytes, int protection, int flags)
{
    if (refused_by_test())
        return NULL;
    long p = map_anonymous(address, bytes, protection, flags);
    return syscall_failed(p) ? NULL : (void *)p;
}

static bool memory_protect(void *address, size_t bytes, int protection)
{
    return !refused_by_test() && SYSCALL(mprotect, address, bytes, protection) == 0;
}

/* Keeps a reservation out of core files: gcore would write all of it as zeroes. */
static void *mark_reserved(void *p, size_t bytes)
{
    if (p != NULL)
        memory_advise(p, bytes, MADV_DONTDUMP);
    return p;
}

static void *memory_reserve(void *address, size_t bytes, int flags)
{
    return mark_reserved(memory_map(address, bytes, PROT_NONE, MAP_NORESERVE | flags), bytes);
}

void *os_reserve(size_t bytes)
{
    return memory_reserve(NULL, bytes, 0);
}

bool os_commit(void *address, size_t bytes)
{
    if (!memory_protect(address, bytes, PROT_READ | PROT_WRITE))
        return false;
    memory_advise(address, bytes, MADV_DODUMP);
    return true;
}

bool os_commit_zeroes(void *address, size_t bytes)
{
    return memory_protect(address, bytes, PROT_READ);
}

bool os_decommit(void *address, size_t bytes)
{
    return memory_reserve(address, bytes, MAP_FIXED) != NULL;
}

void *os_map(size_t bytes)
{
    return memory_map(NULL, bytes, PROT_READ | PROT_WRITE, 0);
}

static void *memory_map_at(void *address, size_t bytes, int protection, int flags, bool *taken)
{
    *taken = false;
    if (refused_by_test())
        return NULL;
    long p = map_anonymous(address, bytes, protection, flags | MAP_FIXED_NOREPLACE);
    if (p == (long)address)
        return address;
    *taken = p == -EEXIST;
    if (!syscall_failed(p)) { /* a kernel before 4.17 takes the address for a hint */
        SYSCALL(munmap, p, bytes);
        *taken = true;
    }
    return NULL;
}

void *os_map_at(void *address, size_t bytes, bool *taken)
{
    return memory_map_at(address, bytes, PROT_READ | PROT_WRITE, 0, taken);
}

void *os_reserve_at(void *address, size_t bytes, bool *taken)
{
    return mark_reserved(memory_map_at(address, bytes, PROT_NONE, MAP_NORESERVE, taken), bytes);
}

void *os_map_file(int fd, size_t bytes)
{
    if (refused_by_test())
        return NULL;
    long p = SYSCALL(mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return syscall_failed(p) ? NULL : (void *)p;
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

/* A kernel that refuses for reasons of its own has unmapped the target by then, and other threads
 * may have mapped something there; a filter's refusal (EPERM, ENOSYS) has left the target, which is
 * unmapped here. */
bool os_move(void *address, size_t old_bytes, void *to, size_t new_bytes)
{
    long p = refused_by_test() ? -EPERM
                               : SYSCALL(mremap, address, old_bytes, new_bytes,
                                         MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (p == -EPERM || p == -ENOSYS)
        SYSCALL(munmap, to, new_bytes);
    return !syscall_failed(p);
}

void *os_map_wiped_on_fork(void)
{
    void *page = os_map(os_page_bytes());
    if (page == NULL || memory_advise(page, os_page_bytes(), MADV_WIPEONFORK))
        return page;
    os_unmap(page, os_page_bytes());
    return NULL;
}

void *os_map_file_unforked(int fd, size_t bytes)
{
    void *p = os_map_file(fd, bytes);
    if (p == NULL || memory_advise(p, bytes, MADV_DONTFORK))
        return p;
    os_unmap(p, bytes);
    return NULL;
}

/* ---- Giving memory back ---- */

/* madvise(MADV_DONTNEED) really clears memory: it does not under qemu-user. */
static bool purge_clears;

bool os_purge(void *address, size_t bytes)
{
    /* EINVAL where the memory is locked. */
    return purge_clears && !refused_by_test() && memory_advise(address, bytes, MADV_DONTNEED);
}

/* Whether a purged page reads as zero. Tries it with a page of its own. */
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

void os_probe_purge(void)
{
    purge_clears = purged_page_is_zero();
}

/* ---- Transparent huge pages (THP), and several pages at once ---- */

void os_allow_thp(void *address, size_t bytes)
{
    memory_advise(address, bytes, MADV_HUGEPAGE); /* EINVAL: the kernel has none */
}

void os_forbid_thp(void *address, size_t bytes)
{
    memory_advise(address, bytes, MADV_NOHUGEPAGE); /* EINVAL: the kernel has none */
}

bool os_fill_thp(void *address, size_t bytes)
{
    unsigned char last = 0;
    if (!memory_advise(address, bytes, MADV_HUGEPAGE))
        return false;
    *(volatile unsigned char *)address = 0;
    char *last_page = (char *)address + bytes - os_page_bytes();
    bool filled = SYSCALL(mincore, last_page, os_page_bytes(), &last) == 0 && (last & 1) != 0;
    memory_advise(address, bytes, MADV_NOHUGEPAGE);
    return filled;
}

void os_populate(void *address, size_t bytes)
{
    static _Atomic bool unknown; /* the kernel (before 5.14) or a filter does not know the call */
    if (atomic_load_explicit(&unknown, memory_order_relaxed))
        return;
    long result = SYSCALL(madvise, address, bytes, MADV_POPULATE_WRITE);
    if (result == -EINVAL || result == -EPERM)
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
}

/* ---- Looking ---- */

/* The kernel reads a signal mask from the address, then refuses because ~0 is no operation on it:
 * EFAULT tells that it could not read. At 0 it would read nothing. */
static bool is_readable_word(uintptr_t address)
{
    uintptr_t word = address & ~(uintptr_t)7;
    return word != 0 && SYSCALL(rt_sigprocmask, ~0, word, NULL, 8) != -EFAULT;
}

bool os_is_readable(const void *p, size_t bytes)
{
    uintptr_t start = (uintptr_t)p, end = start + bytes;
    bool readable = end >= start;
    for (uintptr_t at = start; readable && at < end; at = (at | (os_page_bytes() - 1)) + 1)
        readable = is_readable_word(at);
    return readable;
}

/* Copies page by page, where the kernel copies nothing for the process. */
static size_t copy_readable(char *to, uintptr_t from, size_t bytes)
{
    size_t done = 0;
    while (done < bytes && is_readable_word(from + done)) {
        size_t rest = os_page_bytes() - ((from + done) & (os_page_bytes() - 1));
        size_t part = rest < bytes - done ? rest : bytes - done;
        memcpy(to + done, (const char *)from + done, part);
        done += part;
    }
    return done;
}

size_t os_copy(void *to, const void *from, size_t bytes)
{
    struct iovec into = {to, bytes}, out_of = {(void *)(uintptr_t)from, bytes};
    long got = SYSCALL(process_vm_readv, os_process_id(), &into, 1, &out_of, 1, 0);
    if (got == -EFAULT)
        return 0;
    return syscall_failed(got) ? copy_readable(to, (uintptr_t)from, bytes) : (size_t)got;
}
