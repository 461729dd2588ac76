/* molt_page.h: the statistics page of a process that runs with MOLT=share, for programs that read
 * it. Such a program needs neither molt nor its library.
 *
 * The page is a file, mode 0600, in a folder, mode 0700, both of the user that the process runs as:
 * the first of these that there is or can be made (<uid> is that user's number)
 *
 *     $XDG_RUNTIME_DIR/molt   /run/user/<uid>/molt   /dev/shm/molt-<uid>   /tmp/molt-<uid>
 *
 * It is named by the process's number; in a PID namespace other than the system's a dot and the
 * namespace's number follow. /proc/<pid>/maps names it, too, as long as it is in use.
 *
 * The process maps the file and writes into it now and then, while it allocates and frees; a reader
 * maps it for reading, and may do so at any time and as often as it likes:
 *
 *     const struct molt_page_head *head = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
 *     static struct molt_page page;
 *     int error = molt_page_read(head, bytes, &page);
 *
 * The process removes the file when it exits, not when it is killed. Whether a page is that of a
 * process which runs: the fields 22 and 28 of /proc/<pid>/stat are start_ticks and image. Field 28
 * is another one after execve, and 0 where the kernel does not tell.
 *
 * The layout. All numbers are of the processor's byte order, at multiples of their size. The head
 * says where each part begins, how many bytes an element of it has, and how many elements there is
 * room for. A later version of the library may make elements longer, and append parts: whoever
 * copies no more bytes than he knows, and takes what is missing for 0, understands older and newer
 * pages (molt_page_read does). `version` changes when this is not so any more. */
#ifndef MOLT_PAGE_H
#define MOLT_PAGE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_PAGE_MAGIC UINT64_C(0x65676170746c6f6d) /* "moltpage" on little-endian processors */
#define MOLT_PAGE_VERSION 1
#define MOLT_PAGE_CLASSES_MAX 512 /* that molt_page_read takes */

/* The parts, in the order of the table. All but the classes are one element. */
enum {
    MOLT_PAGE_STATE,
    MOLT_PAGE_STATS,
    MOLT_PAGE_PROFILE,
    MOLT_PAGE_CHANGES,
    MOLT_PAGE_CLASSES,
    MOLT_PAGE_PARTS,
};

struct molt_page_part {
    uint32_t offset; /* of its first element, in the page */
    uint32_t bytes;  /* of an element: a multiple of 8 */
    uint32_t count;  /* elements that there is room for */
    uint32_t unused;
};

/* Does not change while the page is in use, but for `sequence`. */
struct molt_page_head {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes;         /* of the page */
    uint32_t process;       /* its number in its own PID namespace */
    uint32_t parts;         /* in the table */
    uint64_t start_ticks;   /* when the process started, in clock ticks since boot */
    uint64_t image;         /* which program it runs: see above; 0: unknown */
    uint64_t pid_namespace; /* inode of /proc/<pid>/ns/pid; 0: unknown */
    char program[128];      /* the name of the program's file, NUL-terminated */
    char library[16];       /* molt's version, NUL-terminated */
    uint64_t sequence;      /* odd while the parts are written; grows by two with each refresh */
    struct molt_page_part part[MOLT_PAGE_PARTS];
};

/* Times are nanoseconds: `…_ns` of CLOCK_MONOTONIC, wall_ns of CLOCK_REALTIME. A refresh is made of
 * steps, so that no call of malloc or free takes long, and may be spread over some time when the
 * heap is large. A process that neither allocates nor frees does not refresh its page. */
struct molt_page_state {
    uint64_t refreshes;    /* so far */
    uint64_t wall_ns;      /* when the last one ended */
    uint64_t refreshed_ns; /* the same */
    uint64_t counted_ns;   /* when it began to count */
    uint64_t shared_ns;    /* when the page was made */
    uint64_t took_ns;      /* of a processor, that the last refresh took */
    uint64_t ended;        /* 1: the page is in use no longer */
    uint64_t classes;      /* elements of that part which are filled */
};

/* As struct molt_stats of molt.h. */
struct molt_page_stats {
    uint64_t live_blocks, live_bytes, pool_bytes, run_bytes, huge_bytes, huge_blocks;
    uint64_t free_bytes, dirty_bytes, cached_bytes;
    uint64_t committed_bytes, peak_bytes, metadata_bytes, purged_bytes;
    uint64_t arenas, heaps, parked_heaps;
};

/* The heap profile, if there is one. Estimates are sums of what samples stand for; all others are
 * of samples. */
struct molt_page_profile {
    uint64_t mean; /* one byte in so many is sampled; 0: there is no profile; 1: all blocks are */
    uint64_t sites;
    uint64_t live_count, live_bytes;   /* not freed yet */
    uint64_t total_count, total_bytes; /* … and those freed */
    uint64_t temporary_count;          /* freed before their thread's next sample */
    uint64_t missed_count, missed_estimate;
    uint64_t live_estimate;             /* bytes in use */
    uint64_t peak_estimate, peak_at_ns; /* … when most were, and when that was */
    uint64_t total_estimate;            /* bytes allocated since the profile began */
    uint64_t memory_bytes;              /* the profiler's own */
};

/* How much values have changed from one refresh to another, a second later or more: divided by
 * `period_ns` these are rates. malloc and free count nothing, so how much is allocated is known of
 * profiles only. */
struct molt_page_changes {
    uint64_t period_ns; /* between the two, of which the later is the last one or one of the last
                           second; 0: there are no two yet */
    int64_t live_blocks, live_bytes, committed_bytes, purged_bytes;
    int64_t sampled_count, allocated_estimate; /* of total_count and total_estimate */
};

/* A size class, as struct molt_class of molt.h; those without a pool are left out. */
struct molt_page_class {
    uint64_t block_bytes;
    uint64_t kind; /* 0: malloc's blocks; 1, 2: objects that can be in a cycle, and that cannot */
    uint64_t pools;
    uint64_t live_blocks;
    uint64_t free_blocks;     /* that have memory ("dirty") */
    uint64_t moving_blocks;   /* between two threads, or waiting for their first use */
    uint64_t hole_blocks;     /* free, without memory */
    uint64_t uncarved_blocks; /* not used yet */
};

/* What molt_page_read makes of a page. */
struct molt_page {
    struct molt_page_state state;
    struct molt_page_stats stats;
    struct molt_page_profile profile;
    struct molt_page_changes changes;
    struct molt_page_class classes[MOLT_PAGE_CLASSES_MAX]; /* state.classes of them */
};

/* ---- Reading ----------------------------------------------------------------------------------
 *
 * The sequence is a lock that readers look at and never take: the writer makes it odd, stores the
 * parts, and makes it even. A reader has a whole state if the sequence was even, and the same
 * before and after. In the terms of C's memory model all are atomic accesses to words of 8 bytes:
 *
 *     writer                                        reader
 *     sequence = n + 1   relaxed                    first  = sequence   acquire
 *     word = …           release, each              copy   = word       acquire, each
 *     sequence = n + 2   release                    second = sequence   relaxed
 *
 * If the reader has seen any word of this refresh, its acquire takes part in that word's release,
 * which comes after the store of n + 1; so `second`, which is read later, is n + 1 or more, and
 * differs from a `first` of n. If `first` is n + 2, all words of this refresh have been seen, since
 * they come before its release. So first == second, even, leaves no word of another refresh. */

/* Whether the first `bytes` bytes of a file are a page that this header describes: 0, or EINVAL: no
 * page, or cut off; ENOTSUP: of another version. */
static inline int molt_page_check(const struct molt_page_head *head, size_t bytes)
{
    if (bytes < sizeof *head || head->magic != MOLT_PAGE_MAGIC)
        return EINVAL;
    if (head->version != MOLT_PAGE_VERSION)
        return ENOTSUP;
    if (head->bytes > bytes)
        return EINVAL;
    for (unsigned i = 0; i < MOLT_PAGE_PARTS && i < head->parts; i++) {
        const struct molt_page_part *part = &head->part[i];
        uint64_t end = part->offset + (uint64_t)part->bytes * part->count;
        if (part->offset % 8 != 0 || part->bytes % 8 != 0 || part->count == 0 || end > head->bytes)
            return EINVAL;
    }
    return 0;
}

/* For molt_page_read: copies an element, at most `bytes` of it; what it lacks becomes 0. */
static inline void molt_page_copy(const struct molt_page_head *head, unsigned number,
                                  unsigned element, void *out, size_t bytes)
{
    const struct molt_page_part *part = &head->part[number];
    size_t known = number < head->parts ? part->bytes : 0;
    const char *start = (const char *)head + part->offset + known * element;
    const uint64_t *words = (const uint64_t *)(const void *)start;
    uint64_t *copy = (uint64_t *)out;
    for (size_t i = 0; i < bytes / 8; i++)
        copy[i] = i < known / 8 ? __atomic_load_n(&words[i], __ATOMIC_ACQUIRE) : 0;
}

/* Copies the state of one refresh. 0, or EINVAL, ENOTSUP: see molt_page_check; EAGAIN: the page is
 * being written, or its process has been stopped, or killed, while it wrote. Nothing of a page is
 * trusted but that it can be read: if somebody cuts the file off meanwhile, the reader gets SIGBUS
 * as with any file that is mapped. */
static inline int molt_page_read(const struct molt_page_head *head, size_t bytes,
                                 struct molt_page *out)
{
    int error = molt_page_check(head, bytes);
    if (error != 0)
        return error;
    for (unsigned tries = 0; tries < 10000; tries++) {
        uint64_t first = __atomic_load_n(&head->sequence, __ATOMIC_ACQUIRE);
        if (first % 2 != 0)
            continue;
        molt_page_copy(head, MOLT_PAGE_STATE, 0, &out->state, sizeof out->state);
        molt_page_copy(head, MOLT_PAGE_STATS, 0, &out->stats, sizeof out->stats);
        molt_page_copy(head, MOLT_PAGE_PROFILE, 0, &out->profile, sizeof out->profile);
        molt_page_copy(head, MOLT_PAGE_CHANGES, 0, &out->changes, sizeof out->changes);
        uint64_t room = head->parts > MOLT_PAGE_CLASSES ? head->part[MOLT_PAGE_CLASSES].count : 0;
        if (out->state.classes > room)
            out->state.classes = room;
        if (out->state.classes > MOLT_PAGE_CLASSES_MAX)
            out->state.classes = MOLT_PAGE_CLASSES_MAX;
        for (unsigned i = 0; i < out->state.classes; i++)
            molt_page_copy(head, MOLT_PAGE_CLASSES, i, &out->classes[i], sizeof out->classes[i]);
        if (__atomic_load_n(&head->sequence, __ATOMIC_RELAXED) == first)
            return 0;
    }
    return EAGAIN;
}

#ifdef __cplusplus
}
#endif

#endif
