/* os.h: the only door to the kernel: to its memory calls, and to what it tells of the process, of
 * files and of the time. Nothing here decides anything.
 *
 * Addresses and sizes are multiples of the OS page. Every function keeps errno and tells failure
 * by its result. None allocates or takes a lock, nor calls a function of libc that a program or
 * another library may have replaced by one that does (base/syscall.h).
 *
 * After start-up only mmap, munmap and madvise are assumed to work (a seccomp filter may forbid
 * the rest): mremap may fail at any time, and madvise may succeed without clearing memory. */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads what the kernel told the process at its start; must run before all other functions. */
void os_init(void);

/* Finds out whether os_purge works; until then os_purge does nothing. May run again. */
void os_probe_purge(void);

/* ---- Facts of the process (process.c) ---- */

extern HIDDEN unsigned os_page_shift; /* log2 of the OS page size */

static inline size_t os_page_bytes(void)
{
    return (size_t)1 << os_page_shift;
}

static inline size_t os_round_to_pages(size_t bytes)
{
    return (bytes + os_page_bytes() - 1) & ~(os_page_bytes() - 1);
}

/* Returns 64 of the random bits that the kernel gave the process at its start, mixed; without a
 * system call. */
uint64_t os_random(void);

/* Whether the process runs with more rights than its caller (setuid, file capabilities), or may:
 * where /proc does not tell. */
bool os_is_secure(void);

/* Returns an address above all frames of the process's first thread, whose stack is mapped up to
 * there; 0 where /proc does not tell. */
uintptr_t os_stack_top(void);

/* Return RLIMIT_AS and RLIMIT_FSIZE in bytes; SIZE_MAX if there is none. */
size_t os_address_limit(void);
size_t os_file_limit(void);

/* Whether memory that is mapped and never used counts against a limit: RLIMIT_AS, RLIMIT_DATA, or
 * the machine's memory where the kernel promises no more than it has. */
bool os_counts_mappings(void);

/* Returns the machine's memory in bytes. */
size_t os_memory_bytes(void);

/* Returns the least of the memory limits of the process's control group and of those above it;
 * SIZE_MAX if there is none. `groups` names the groups (/proc/self/cgroup), `tree` is where their
 * hierarchies are mounted (/sys/fs/cgroup). (cgroup.c) */
size_t os_cgroup_limit(const char *groups, const char *tree);

/* A walk over these groups: what it needs, and room for what it reads, which is too much for small
 * stacks. */
struct os_cgroup_walk {
    const char *groups, *tree; /* as above */
    char list[4096];           /* the groups' names */
    char path[1024];           /* of a group, and of a file in it */
    size_t length;             /* of the group's path */
    char text[4096];           /* the file */
};

/* Memory that a group uses, without what the kernel can drop at once, and a mark for it. */
struct os_cgroup_fill {
    size_t used, mark; /* SIZE_MAX: no group has a limit */
};

/* Returns the fullest of these groups, where the mark is so many percent of its limit, or of
 * memory.high, from where on the kernel slows it down. */
struct os_cgroup_fill os_cgroup_fullest(struct os_cgroup_walk *walk, bool of_high,
                                        unsigned percent);

/* Copies the caller's environment variable to `buffer`, NUL-terminated, even before libc has set up
 * `environ`. Returns its length, or -1 when it is not set; a value of `size` bytes or more is not
 * copied. */
long os_environment(const char *name, char *buffer, size_t size);

/* Return the calling thread's id, and that of the process, which is its first thread's. */
unsigned os_thread_id(void);
unsigned os_process_id(void);

/* What tells a process from others that have had its number: when it started, in clock ticks since
 * boot; and which program it runs: the address of its first stack frame, which execve and address
 * randomization change, and fork does not. 0: the kernel does not tell. */
struct os_process {
    uint64_t start_ticks, image;
};

/* Tells what process has the number; 0: the caller's own. False where /proc does not tell. */
bool os_process_find(unsigned process, struct os_process *out);

/* Returns the number of the PID namespace that the process is in; 0 where /proc does not tell. */
uint64_t os_pid_namespace(void);

/* The number of the first one. */
#define OS_PID_NAMESPACE_FIRST UINT64_C(0xeffffffc)

/* Whether the caller may be a signal handler: it blocks a signal. A handler runs with its own
 * signal blocked, unless it was set up with SA_NODEFER. */
bool os_may_be_in_handler(void);

/* Whether the calling thread is the last one; false where /proc does not tell. */
bool os_is_last_thread(void);

/* Whether the process goes on without its first thread; false where /proc does not tell. */
bool os_first_thread_has_ended(void);

/* ---- Files (file.c) ---- */

/* Reads a regular file's first size - 1 bytes into `buffer`, NUL-terminated. Returns how many bytes
 * those are, or -errno; -EINVAL for anything else than a regular file, which is not read: a FIFO or
 * a device could keep the caller waiting. */
long os_read_file(const char *path, char *buffer, size_t size);

/* Opens a file of a directory, mode 0600 if it is made. Returns a descriptor that is closed by
 * execve, above those of standard input, output and error, to which others may write; or -errno. */
int os_open_at(int directory, const char *name, int flags) __attribute__((warn_unused_result));

/* Calls `visit` for each name in the directory, "." and ".." too, until it returns false. False
 * then, and where the directory cannot be read. */
bool os_each_name(int directory, bool (*visit)(const char *name, void *context), void *context);

/* ---- Time (clock.c) ---- */

/* Returns milliseconds of a clock that never goes back, exact to a few; reading it takes a few ns.
 */
uint64_t os_now_ms(void);

/* Returns nanoseconds of the same clock; reading it takes some tens of them. */
uint64_t os_now_ns(void);

/* Return nanoseconds since 1970; and those that the calling thread has had of a processor, which
 * takes a system call. */
uint64_t os_wall_ns(void);
uint64_t os_thread_ns(void);

/* Let other threads run: at once, or for some microseconds, up to a second. */
void os_yield(void);
void os_sleep_us(unsigned us);

/* ---- Order among threads (fence.c) ---- */

/* A full barrier in the calling thread and in every other one. Returns false if the kernel has none
 * to offer, and where ThreadSanitizer watches, which would not know of it. */
bool os_fence_threads(void);

/* Orders the calling thread's reads: whatever another thread stored before a store that the caller
 * has seen, the caller sees from now on. It is the acquire to a release that the other thread does
 * not make. Returns false if the kernel has no way. */
bool os_order_threads(void);

/* ---- Memory (memory.c). NULL or false means the kernel refused. ---- */

/* Reserves address space without memory: unreadable, and in no core file, until os_commit. */
void *os_reserve(size_t bytes);

/* The same at a given address. NULL, with *taken set if anything is mapped there already. */
void *os_reserve_at(void *address, size_t bytes, bool *taken);

/* Makes a part of a reservation readable and writable. */
bool os_commit(void *address, size_t bytes);

/* Makes a part of a reservation, of which nothing is committed, readable: it reads as zero and has
 * no memory yet. */
bool os_commit_zeroes(void *address, size_t bytes);

/* Makes a committed part address space without memory again, which no limit counts. */
bool os_decommit(void *address, size_t bytes);

/* Maps zeroed, writable memory. */
void *os_map(size_t bytes);

/* The same at a given address. NULL, with *taken set if anything is mapped there already. */
void *os_map_at(void *address, size_t bytes, bool *taken);

/* Maps a file's first bytes, for reading and writing, shared with all that map it. */
void *os_map_file(int fd, size_t bytes);

/* Gives the mapping back. */
bool os_unmap(void *address, size_t bytes);

/* Grows, shrinks or moves a mapping; NULL leaves it as it was. */
void *os_remap(void *address, size_t old_bytes, size_t new_bytes);

/* Grows a mapping where it is. False leaves it as it was. */
bool os_extend(void *address, size_t old_bytes, size_t new_bytes);

/* Moves a mapping of `old_bytes` to where another one of `new_bytes` lies, which is unmapped, and
 * grows it to that size. False leaves it where it was; the other one is gone even then. */
bool os_move(void *address, size_t old_bytes, void *to, size_t new_bytes);

/* Gives the memory back and keeps the mapping. True only if it reads as zero from now on. */
bool os_purge(void *address, size_t bytes);

/* Asks for transparent huge pages (THPs) in a range where the system leaves that to the program. */
void os_allow_thp(void *address, size_t bytes);

/* Keeps THPs out of a range for as long as it is mapped, so that one touched byte
 * costs one page. */
void os_forbid_thp(void *address, size_t bytes);

/* Puts one THP behind an aligned range that has no memory yet. False if the kernel has none
 * to give. */
bool os_fill_thp(void *address, size_t bytes);

/* Has the kernel put memory behind a range at once, which takes less time than a fault for each
 * page. Where the kernel does not, the faults come one by one. */
void os_populate(void *address, size_t bytes);

/* Maps a file as os_map_file does, but not in forked children. The mapping may reach beyond the
 * file's end, which is not to be touched there. */
void *os_map_file_unforked(int fd, size_t bytes);

/* Maps a page that reads as zero in every forked child; NULL where the kernel does not offer it. */
void *os_map_wiped_on_fork(void);

/* Whether all bytes can be read at the moment. Any address may be asked for. */
bool os_is_readable(const void *p, size_t bytes);

/* Copies what can be read at any address, up to the first byte that cannot be. Returns how many
 * bytes it has copied. */
size_t os_copy(void *to, const void *from, size_t bytes);

/* ---- What is resident (resident.c) ---- */

/* Opens the pagemap of /proc for the functions below; negative where that cannot be: then pages
 * that were read and never written count as resident, though they have no memory. */
int os_resident_open(void);
void os_resident_close(int pagemap);

/* Stores 1 for each page of a range that is resident, else 0. Where any of the range is not mapped
 * all are 0. */
void os_resident_pages(int pagemap, const void *start, size_t pages, unsigned char *there);

/* Returns how much of a range, whole pages, is resident. */
size_t os_resident_bytes(int pagemap, const void *start, size_t bytes);

/* Returns how much memory the process has in all; 0 where /proc does not tell. */
size_t os_process_bytes(void);

/* ---- For tests ---- */

/* Makes the nth call from now on that asks the kernel for memory fail as if refused (1: the next);
 * with `every` all later ones too. 0 switches it off. */
void os_fail(unsigned long nth, bool every);

/* Returns how many such calls there have been. */
unsigned long os_calls(void);

#endif
