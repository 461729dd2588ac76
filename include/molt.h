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
 *   Errors: a function that cannot get memory returns NULL and sets errno to ENOMEM. One that
 *   succeeds leaves errno alone.
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

/* Reads an option of the process, then sets it. `doc/options.md` lists the options, with types and
 * units; a value is the text that would stand in $MOLT: "500ms", "64M", "1".
 *
 *   old, old_len   the present value is stored in the *old_len bytes at `old`, NUL-terminated;
 *                  *old_len becomes its length with the NUL. old NULL: only the length is told;
 *                  both NULL: nothing is
 *   new_, new_len  the new value, with its NUL or without; new_ NULL: the option stays as it is
 *
 * 0, or -1, and nothing is set, and errno: ENOENT: no such option; EINVAL: no value for this
 * option, name is NULL, or old without old_len; ERANGE: no room at `old`, *old_len is what it
 * takes; EPERM: the option is fixed once memory has been allocated; ENOMEM. If two threads set an
 * option at once either value stays. That `background` is set does not say that its thread could be
 * made. */
MOLT_API int molt_ctl(const char *name, void *old, size_t *old_len, const void *new_,
                      size_t new_len);

/* ---- Heap profiles ---------------------------------------------------------------------- */

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
