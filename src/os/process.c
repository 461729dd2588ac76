/* process.c: what the kernel tells of the process: facts of its start, limits, threads. */
#include "os.h"

#include "vdso.h"

#include "base/report.h" // report_append
#include "base/syscall.h"

#include <elf.h> // AT_…
#include <errno.h>
#include <fcntl.h>  // AT_FDCWD
#include <signal.h> // SIG_BLOCK
#include <stdint.h>
#include <string.h>
#include <sys/mman.h> // MADV_NORMAL
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h> // environ

/* ---- Facts ---- */

unsigned os_page_shift = 12;

/* What the kernel told the process at its start; 0: nothing. libc keeps a copy, but getauxval can
 * be replaced like any other function of libc. */
static struct {
    uint64_t page_bytes;
    uint64_t secure;
    const void *random; /* 16 bytes */
    const void *vdso;
} told;

static void note_fact(const Elf64_auxv_t *entry)
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

/* Finds the page size where the kernel told nothing (no /proc): it refuses a range that does not
 * begin at a page, so the first address that it takes is the size of one. */
static uint64_t probe_page_bytes(void)
{
    uint64_t bytes = 4096;
    while (bytes < 65536 && SYSCALL(madvise, bytes, 0, MADV_NORMAL) == -EINVAL)
        bytes *= 2;
    return bytes;
}

/* A program that may not read about itself, because it has more rights than its caller, is told
 * nothing: so a program that is told nothing counts as secure. */
static void read_auxiliary_vector(void)
{
    Elf64_auxv_t vector[64];
    told.secure = 1;
    long length = os_read_file("/proc/self/auxv", (char *)vector, sizeof vector);
    for (long i = 0; i < length / (long)sizeof *vector; i++)
        note_fact(&vector[i]);
}

void os_init(void)
{
    read_auxiliary_vector();
    vdso_init(told.vdso);
    uint64_t page_bytes = told.page_bytes != 0 ? told.page_bytes : probe_page_bytes();
    os_page_shift = (unsigned)__builtin_ctzll(page_bytes);
}

bool os_is_secure(void)
{
    return told.secure != 0;
}

uint64_t os_random(void)
{
    uint64_t seed = (uintptr_t)&seed ^ os_now_ns() << 20;
    if (told.random != NULL)
        memcpy(&seed, (const char *)told.random + 8, sizeof seed);
    /* libc takes its stack guard from the same 16 bytes. Mixing (the finaliser of MurmurHash3)
     * keeps a number that gets known from telling the guard. */
    seed ^= seed >> 33;
    seed *= UINT64_C(0xff51afd7ed558ccd);
    seed ^= seed >> 33;
    seed *= UINT64_C(0xc4ceb9fe1a85ec53);
    return seed ^ seed >> 33;
}

/* The kernel puts the random bytes above the frames. */
uintptr_t os_stack_top(void)
{
    return (uintptr_t)told.random;
}

/* ---- Limits ---- */

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

size_t os_file_limit(void)
{
    return soft_limit(RLIMIT_FSIZE);
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

/* ---- Environment ---- */

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
    /* Before libc's own start-up: the kernel's copy of the environment. */
    char all[16384];
    long total = os_read_file("/proc/self/environ", all, sizeof all);
    for (long at = 0; at < total; at += (long)strlen(all + at) + 1) {
        long length = copy_value(all + at, name, buffer, size);
        if (length >= 0)
            return length;
    }
    return -1;
}

/* ---- Threads ---- */

unsigned os_thread_id(void)
{
    return (unsigned)SYSCALL(gettid);
}

unsigned os_process_id(void)
{
    return (unsigned)SYSCALL(getpid);
}

uint64_t os_pid_namespace(void)
{
    struct stat status;
    bool is_told = SYSCALL(newfstatat, AT_FDCWD, "/proc/self/ns/pid", &status, 0) == 0;
    return is_told ? status.st_ino : 0;
}

bool os_may_be_in_handler(void)
{
    uint64_t blocked = 0;
    SYSCALL(rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
    return blocked != 0;
}

/* Returns the n-th field behind the process's name, which stands in parentheses and may contain
 * anything; "" if there is none. */
static const char *stat_field(const char *text, unsigned n)
{
    const char *at = text + strlen(text);
    while (at > text && *at != ')')
        at--;
    for (; at != NULL && n > 0; n--)
        at = strchr(at + 1, ' ');
    return at == NULL ? "" : at + 1;
}

/* Whether the process's first thread has ended. It stays among the others as a zombie until the
 * last one ends. */
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

static uint64_t stat_number(const char *text, unsigned n)
{
    uint64_t number = 0;
    for (const char *digit = stat_field(text, n); *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    return number;
}

bool os_process_find(unsigned process, struct os_process *out)
{
    char text[1024];
    struct report_line path = {.length = 0};
    if (process != 0)
        report_append(&path, "/proc/%u/stat", process);
    path.text[path.length] = '\0';
    bool is_read = process == 0 ? read_stat(text, sizeof text)
                                : os_read_file(path.text, text, sizeof text) > 0;
    if (is_read)
        *out = (struct os_process){stat_number(text, 20), stat_number(text, 26)};
    return is_read;
}
