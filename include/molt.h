/* molt.h: the allocator's own interface.
 *
 * libmolt.so also defines the standard and the glibc names (malloc, free, memalign, mallinfo2,
 * operator new, …), so a program needs this header only for what those cannot say. Where the
 * program's malloc is molt's (molt_is_malloc) blocks of both families are the same blocks:
 * molt_free(malloc(1)) is fine.
 *
 * What holds for every function, unless its comment says otherwise:
 *
 *   Sizes are in bytes.
 *   Threads: any thread may call it at any time, even before main and after the thread's last
 *   destructor, but a signal handler may not.
 *   Errors: a function that cannot get memory, or would exceed the option hard_limit, returns NULL
 *   and sets errno to ENOMEM. One that succeeds leaves errno alone.
 *   Misuse: a pointer that is not a live block (freed twice, inside a block, never allocated) is a
 *   bug in the program. Where molt can prove it, and where an allocation finds that a free block
 *   has been written to, one line on standard error says what is known, and the process aborts.
 *   Fork: a child may call it at once, whatever other threads of the parent were doing, and from
 *   Linux 4.14 on also a child of _Fork or clone. It has the parent's blocks and options. What one
 *   of those threads was just allocating or freeing may stay allocated in the child.
 */
#ifndef MOLT_H
#define MOLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_VERSION_MAJOR 1
#define MOLT_VERSION_MINOR 0
#define MOLT_VERSION_PATCH 0

#define MOLT_API __attribute__((visibility("default")))
#define MOLT_ALLOCATES __attribute__((malloc, warn_unused_result))

/* "1.0.0", a static string. A program that is not linked with molt finds out by
 * dlsym(RTLD_DEFAULT, "molt_version") whether the library is loaded. */
MOLT_API const char *molt_version(void);

/* ---- Allocation ------------------------------------------------------------------------- */

/* Returns a block of at least `size` bytes, aligned to 16 (to 8 if size is 8 or less), of undefined
 * content; for size 0 a block as well. NULL and ENOMEM: no memory, or size > PTRDIFF_MAX. */
MOLT_API void *molt_malloc(size_t size) MOLT_ALLOCATES __attribute__((alloc_size(1)));

/* Returns a block for `count` elements of `size` bytes, all zero. Memory that is known to be zero
 * is not touched. NULL and ENOMEM: as molt_malloc, and if count * size overflows. */
MOLT_API void *molt_calloc(size_t count, size_t size) MOLT_ALLOCATES
    __attribute__((alloc_size(1, 2)));

/* Resizes the block to `size` bytes and returns where it lies then; the content that fits is kept.
 * With block NULL it is molt_malloc; with size 0 it frees the block and returns NULL, as glibc
 * does. NULL and ENOMEM: as molt_malloc; the old block stays as it is. */
MOLT_API void *molt_realloc(void *block, size_t size)
    __attribute__((warn_unused_result, alloc_size(2)));

/* Gives a block back; NULL is allowed. Any thread may free any thread's block. An object of
 * molt_object.h is no block: molt_release gives it back. */
MOLT_API void molt_free(void *block);

/* As molt_free; `size` must be the size that the block was asked for with (C23's free_sized). The
 * library looks at it only with the option `sized`: then a size that the block cannot have, because
 * it is of another size class, is misuse. */
MOLT_API void molt_free_sized(void *block, size_t size);

/* Returns a block of at least `size` bytes at a multiple of `alignment`, a power of two; size need
 * not be a multiple of it. NULL and EINVAL: alignment is no power of two; ENOMEM as molt_malloc. */
MOLT_API void *molt_aligned_alloc(size_t alignment, size_t size) MOLT_ALLOCATES
    __attribute__((alloc_size(2)));

/* ---- Asking ----------------------------------------------------------------------------- */

/* Returns how many bytes of a live block may be used: what was asked for or more, the same for the
 * block's whole life. 0 for NULL. */
MOLT_API size_t molt_usable_size(const void *block);

/* Returns the usable size that a block of molt_malloc(size) would have: who asks for that many
 * bytes wastes none. SIZE_MAX where molt_malloc would fail because of the size. */
MOLT_API size_t molt_good_size(size_t size);

/* Whether `p`, any address, points into memory that molt manages, be it a live block or not. Never
 * reads *p. With other threads at work the answer is of that moment. */
MOLT_API bool molt_owns(const void *p);

/* Whether the program's malloc gives blocks of molt's. It does not in a program of which only a
 * plugin is linked with molt, nor where the program or another library has a malloc of its own: for
 * the functions here a block of that malloc is a pointer that molt never gave out. The first call
 * asks the loader for the program's malloc and that for a block, so it must not be made under a
 * lock that either of them takes. False also if there is no memory for the block. */
MOLT_API bool molt_is_malloc(void);

/* ---- Memory ----------------------------------------------------------------------------- */

/* Returns free memory to the OS at once, also free pages of partly used pools and what threads hold
 * that sleep in a system call; what other running threads hold stays with them. Of the free pages
 * in arenas `keep_bytes` stay; if that is not 0, freed huge blocks that are kept for the next ones
 * stay too. 1 if any memory went back, else 0; also in a signal handler that interrupted one of
 * molt's functions. */
MOLT_API int molt_trim(size_t keep_bytes);

/* Sums over the whole process, counted when they are asked for: while other threads allocate and
 * free they are close, not exact. A forked child begins with its parent's. */
struct molt_stats {
    size_t live_blocks;     /* blocks in use */
    size_t live_bytes;      /* their usable sizes */
    size_t pool_bytes;      /* … of which in pools (up to 32 KiB each) */
    size_t run_bytes;       /* … of which in runs (up to 2 MiB each) */
    size_t huge_bytes;      /* … of which with a mapping of their own */
    size_t huge_blocks;     /* blocks with a mapping of their own */
    size_t free_bytes;      /* free blocks in pools, and free pages that were used before */
    size_t dirty_bytes;     /* … of which whole pages that could go back to the OS */
    size_t cached_bytes;    /* freed huge blocks and runs, kept for the next ones */
    size_t committed_bytes; /* memory taken from the OS: arenas, huge blocks, cache */
    size_t peak_bytes;      /* highest committed_bytes so far */
    size_t metadata_bytes;  /* molt's own tables */
    size_t purged_bytes;    /* returned to the OS so far */
    size_t arenas;          /* pieces of 4 MiB that have been used so far */
    size_t heaps;           /* heaps: those of running threads, and parked ones */
    size_t parked_heaps;    /* heaps whose thread has ended, which wait for a new one */
};

/* Fills *out, at most `out_size` bytes of it: pass sizeof *out, and a program that was built with
 * an older or a newer header works; fields that the library does not know become 0. 0, or -1 and
 * EINVAL: out is NULL. */
MOLT_API int molt_stats_get(struct molt_stats *out, size_t out_size);

enum molt_format { MOLT_TEXT, MOLT_JSON, MOLT_PROMETHEUS };

/* Writes the statistics as text to a file descriptor. 0, or -1 and errno: EINVAL: no such format;
 * else what write(2) said. */
MOLT_API int molt_stats_write(int fd, enum molt_format format);

/* Where the process's memory is: what is resident, as the kernel counts it. All other fields add up
 * to rss_bytes, exactly while no other thread allocates, frees or touches memory (and on Linux
 * below 6.7 no page of molt's was only read). GC tables and the like are blocks among others. */
struct molt_account {
    size_t rss_bytes;       /* the whole process */
    size_t live_pool_bytes; /* blocks in use, rounding included: in pools, */
    size_t live_run_bytes;  /* … in runs, */
    size_t live_huge_bytes; /* … in mappings of their own */
    size_t free_bytes;      /* free blocks of pools */
    size_t moving_bytes;    /* blocks on the way from the thread that freed them to the one that may
                               give them out; and a thread's first blocks that wait for it */
    size_t uncarved_bytes;  /* pages and ends of pages of pools that are no blocks yet */
    size_t idle_bytes;      /* free pages of the arenas */
    size_t cached_bytes;    /* freed runs and huge blocks that are kept for the next ones */
    size_t slack_bytes;     /* behind huge blocks, to the end of their mappings */
    size_t lost_bytes;      /* pages that belong to nothing: a forked child has them of threads that
                               were just taking or freeing them */
    size_t table_bytes;     /* molt's tables: pools, arenas, heaps, huge blocks */
    size_t profiler_bytes;  /* the heap profiler's; 0 without one */
    size_t other_bytes;     /* not malloc's: programs, libraries and their data, stacks, mappings of
                               the program's own; the notes of a collection of objects, of which
                               320 KiB or less stay */
};

/* Fills *out, at most `out_size` bytes of it, as molt_stats_get does. Asks the kernel for each
 * page, which takes about a millisecond for 100 MiB. 0, or -1 and EINVAL: out is NULL. */
MOLT_API int molt_account_get(struct molt_account *out, size_t out_size);

enum molt_class_kind { MOLT_CLASS_BLOCKS, MOLT_CLASS_TRACKED, MOLT_CLASS_UNTRACKED };

/* The blocks of one size: exact while other threads neither allocate nor free. */
struct molt_class {
    size_t block_bytes;
    size_t kind;            /* enum molt_class_kind: of malloc's blocks; of objects that can be in
                               a cycle, and of those that cannot */
    size_t pools;           /* of 64 KiB each */
    size_t live_blocks;     /* in use */
    size_t free_blocks;     /* in lists */
    size_t moving_blocks;   /* see molt_account */
    size_t hole_blocks;     /* free, and without memory */
    size_t uncarved_blocks; /* that the pools have room for beside these */
};

/* Fills out[0] to out[count - 1], at most, for one size class each, of which each has `class_size`
 * bytes, as for molt_stats_get. Returns how many classes there are; 0 and EINVAL: out is NULL, but
 * not count, or class_size is 0. */
MOLT_API size_t molt_classes_get(struct molt_class *out, size_t class_size, size_t count);

/* Writes the account as text to a file descriptor, and the classes that have pools. 0, or -1 and
 * errno, as molt_stats_write. */
MOLT_API int molt_account_write(int fd, enum molt_format format);

/* ---- Leaks ------------------------------------------------------------------------------ */

/* Looks for blocks that can no longer be reached, and writes a report to the file descriptor: lines
 * that tell how many bytes in how many blocks, and where they were allocated. It tells of blocks
 * that are recorded: of all since MOLT=trace or MOLT=leaks began, else of the samples of a heap
 * profile (molt_profile_start). doc/options.md, `leaks`, says what counts as reachable, and what
 * the lines mean. Also told are suspects: see molt_leaks_mark.
 *
 * The other threads stand still meanwhile: some seconds for ten million live blocks. Garbage that
 * molt_gc_collect would free counts as unreachable: call that first. The same on standard error:
 * molt_ctl with "leaks" and "check", and the option `leaks_signal`.
 *
 * Returns how many unreachable blocks the report tells of, those apart that suppressions fit; or -1
 * and errno: ENODATA: nothing is recorded; ENOMEM; EDEADLK: the calling thread has interrupted the
 * library in a signal handler; ENXIO: /proc does not tell where the stacks are, since it is not
 * there or no descriptor is left; else what write(2) said. */
MOLT_API long molt_leaks_check(int fd);

/* Marks this moment; so does molt_ctl with "leaks" and "mark". Of what is allocated from now on, a
 * later molt_leaks_check lists as suspects the reachable blocks that have lived for as long as half
 * of the time since the mark: in a program that has come to a steady state, what is allocated after
 * that and stays may be a leak, although something still leads to it. */
MOLT_API void molt_leaks_mark(void);

/* Reads an option of the process, then sets it. `doc/options.md` lists the options, with types and
 * units; a value is the text that would stand in $MOLT: "500ms", "64M", "1".
 *
 *   old, old_len   the present value is stored in the *old_len bytes at `old`, NUL-terminated;
 *                  *old_len becomes its length with the NUL. old NULL: only the length is told;
 *                  both NULL: nothing is
 *   new_, new_len  the new value, with its NUL or without; new_ NULL: the option stays as it is
 *
 * Two values of "leaks" are commands and set nothing: "check" and "mark" (molt_leaks_check,
 * molt_leaks_mark), with the errors of these.
 *
 * 0, or -1, and nothing is set, and errno: ENOENT: no such option; EINVAL: no value for this
 * option, name is NULL, or old without old_len; ERANGE: no room at `old`, *old_len is what it
 * takes; EPERM: the option is fixed once memory has been allocated; ENOMEM. If two threads set an
 * option at once either value stays. That `background` is set does not say that its thread could be
 * made. */
MOLT_API int molt_ctl(const char *name, void *old, size_t *old_len, const void *new_,
                      size_t new_len);

/* ---- Heap profiles ---------------------------------------------------------------------- */

/* Begins to sample allocations: each byte with a probability of 1 / mean_bytes, so that a block of
 * S bytes is sampled with 1 - e^(-S / mean_bytes); 0 stands for 512 KiB, 1 for all blocks. Each
 * sampled block is recorded with the stack that allocated it, until it is freed. What was recorded
 * before is kept if mean_bytes is as it was, else forgotten. The calling thread is sampled at once,
 * each other one from its next free on, or when it needs new memory. The same as molt_ctl with
 * "prof"; `doc/options.md` tells what it costs. 0, or -1 and ENOMEM. Any thread; not in a signal
 * handler. */
MOLT_API int molt_profile_start(size_t mean_bytes);

/* Ends sampling. What is recorded stays, and blocks that are freed are still taken out. Does
 * nothing if no profile is being taken. Any thread; not in a signal handler. */
MOLT_API void molt_profile_stop(void);

/* Writes a heap profile, of all samples up to now, as `go tool pprof` and google-pprof read it. The
 * file is new or replaces one of that name, mode 0600, and is there as a whole or not at all;
 * nothing is allocated.
 *
 *   path   the file; NULL: named by the option `prof_out`
 *
 * 0, or -1 and errno: ENODATA: no profile has begun, as with `leaks` alone; EEXIST: path is
 * something else than a file; EFBIG: RLIMIT_FSIZE; EBUSY: in a signal handler that has interrupted
 * a profile's writing; else what the kernel said of the file or its directory. A signal handler may
 * call it. Calls of several threads wait for each other. */
MOLT_API int molt_profile_dump(const char *path);

/* Writes a report to the file descriptor on what keeps memory in pools that is free: a pool serves
 * other sizes, or goes back to the system, only when none of its blocks lives, so each live block
 * holds a share of its pool's free bytes. The report lists the stacks whose blocks hold 80 % of all
 * such bytes, the ages of these blocks, and what is held by others. It is exact where all blocks
 * are recorded (MOLT=trace), else estimated from the samples. doc/options.md, "Who holds free
 * memory", explains it. 0, or -1 and errno: ENODATA: nothing is recorded; ENOMEM; else what
 * write(2) said. Any thread; not in a signal handler. */
MOLT_API int molt_profile_holders(int fd);

/* Until the pop that belongs to this push, blocks that the calling thread allocates bear the tag
 * `name` in heap profiles, whoever calls malloc: so they can be told apart by what they are for.
 * Tags nest, the innermost one counts; NULL is for blocks without a tag. The name is copied, at
 * most 127 bytes of it. Names stay for good: they should be kinds ("cache"), not single things (a
 * request's number). A tag is left out where the memory that the option prof_memory allows is used
 * up, and deeper than 64 tags; pushes and pops still belong together then. It works whether or not
 * anything is sampled at the moment. A signal handler may call it if it pops what it has pushed. */
MOLT_API void molt_tag_push(const char *name);

/* Ends the calling thread's innermost tag; does nothing if it has none. */
MOLT_API void molt_tag_pop(void);

#ifdef __cplusplus
}
#endif

#endif
