/* molt.h: the allocator's own interface.
 *
 * libmolt.so also defines the standard and the glibc names (malloc, free, memalign, mallinfo2,
 * operator new, …), so a program needs this header only for what those cannot say. Where the
 * program's malloc is molt's (molt_is_malloc) blocks of both families are the same blocks:
 * molt_free(malloc(1)) is fine.
 *
 * Unless a comment says otherwise every function may be called from any thread at any time, even
 * before main and after a thread's last destructor, but not from a signal handler.
 *
 * Errors: a function that cannot get memory returns NULL and sets errno to ENOMEM. A pointer that
 * is not a live block (freed twice, inside a block, never allocated) is a bug in the program: one
 * line on standard error says what is known of it, then the process aborts. So does a malloc that
 * comes to a free block whose first bytes have been written to.
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

/* "1.0.0". With libmolt loaded at run time, dlsym(RTLD_DEFAULT, "molt_version") tells that it is.
 */
MOLT_API const char *molt_version(void);

/* ---- Allocation ------------------------------------------------------------------------- */

/* At least `size` bytes, aligned to 16 (to 8 when size is 8 or less); content undefined.
 * size 0 gives a unique pointer. NULL and ENOMEM when there is no memory or size > PTRDIFF_MAX. */
MOLT_API void *molt_malloc(size_t size) MOLT_ALLOCATES __attribute__((alloc_size(1)));

/* An array of `count` elements of `size` bytes, all zero. NULL and ENOMEM also when count * size
 * overflows. Memory that is known to be zero is not touched. */
MOLT_API void *molt_calloc(size_t count, size_t size) MOLT_ALLOCATES
    __attribute__((alloc_size(1, 2)));

/* The block resized to `size` bytes, moved if need be; the common prefix is kept. A NULL block
 * is malloc(size); size 0 frees the block and returns NULL, as glibc does. On failure NULL and
 * ENOMEM, and the old block is intact. */
MOLT_API void *molt_realloc(void *block, size_t size)
    __attribute__((warn_unused_result, alloc_size(2)));

/* Gives a block back; NULL is allowed. errno is kept. Any thread may free any block. */
MOLT_API void molt_free(void *block);

/* C23: as molt_free; `size` must be what the block was asked for with. It is looked at with
 * MOLT=sized alone, as that of a sized operator delete: then the program aborts with a message when
 * the difference shows (another size class). */
MOLT_API void molt_free_sized(void *block, size_t size);

/* At least `size` bytes at a multiple of `alignment`, any power of two. NULL and EINVAL when
 * alignment is none; size need not be a multiple of it. */
MOLT_API void *molt_aligned_alloc(size_t alignment, size_t size) MOLT_ALLOCATES
    __attribute__((alloc_size(2)));

/* ---- Asking ----------------------------------------------------------------------------- */

/* The bytes that may be used in a live block, at least what was asked for; constant for the
 * block's life. 0 for NULL. */
MOLT_API size_t molt_usable_size(const void *block);

/* The usable size that a molt_malloc(size) would have: ask for this to waste nothing.
 * SIZE_MAX where that malloc would fail for its size alone. */
MOLT_API size_t molt_good_size(size_t size);

/* Whether `p` points into memory that molt manages (a live block or not). Never reads *p. */
MOLT_API bool molt_owns(const void *p);

/* Whether the program's malloc is molt's: whether it gives blocks of molt's. Not so in a program
 * whose plugin alone is linked with molt, nor where the program or another library has a malloc of
 * its own; a block of that one is to the functions here a pointer that molt never gave out. The
 * first call asks that malloc for a block, and the loader where it is (not under a lock that either
 * may want). False also while there is no memory for it. errno is kept. */
MOLT_API bool molt_is_malloc(void);

/* ---- Memory ----------------------------------------------------------------------------- */

/* Returns free memory to the OS at once: all but `keep_bytes` of it. 1 if any went back, else 0.
 * Also pages of partly used pools, and what threads hold that sleep in a system call; what running
 * threads hold stays with them. */
MOLT_API int molt_trim(size_t keep_bytes);

/* Sums over the whole process. Counted on demand: other threads' blocks may change meanwhile, so
 * with several threads running the sums are close, not exact. Everything in bytes or blocks. */
struct molt_stats {
    size_t live_blocks;     /* blocks in use */
    size_t live_bytes;      /* their usable sizes */
    size_t pool_bytes;      /* … of which in pools (up to 32 KiB each) */
    size_t run_bytes;       /* … of which in runs (up to 2 MiB each) */
    size_t huge_bytes;      /* … of which with a mapping of their own */
    size_t huge_blocks;     /* blocks with a mapping of their own */
    size_t free_bytes;      /* free blocks in pools, and free pages that were used before */
    size_t dirty_bytes;     /* … of which whole pages that could go back to the OS */
    size_t cached_bytes;    /* mappings of freed huge blocks, kept for the next one */
    size_t committed_bytes; /* memory taken from the OS: arenas, huge blocks, cache */
    size_t peak_bytes;      /* highest committed_bytes so far */
    size_t metadata_bytes;  /* molt's own tables */
    size_t purged_bytes;    /* returned to the OS so far */
    size_t arenas;          /* pieces of 4 MiB in use */
    size_t heaps;           /* thread heaps: of running threads and parked */
    size_t parked_heaps;    /* heaps whose thread has ended, waiting for a new one */
};

/* Fills *out, at most out_size bytes of it (pass sizeof *out: a program built with an older or a
 * newer header works). 0, or -1 and EINVAL for NULL. */
MOLT_API int molt_stats_get(struct molt_stats *out, size_t out_size);

enum molt_format { MOLT_TEXT, MOLT_JSON, MOLT_PROMETHEUS };

/* Writes the statistics to a file descriptor. 0, or -1 and errno (EINVAL: no such format; else
 * what write(2) said). */
MOLT_API int molt_stats_write(int fd, enum molt_format format);

/* Reads and sets an option by its name (`doc/options.md` lists them, with type and unit).
 * The value is the text as it would stand in $MOLT: "500ms", "64M", "1".
 * old: NULL, or a buffer of *old_len bytes that receives the present value, NUL-terminated;
 * *old_len becomes its length with the NUL. new_: NULL, or new_len bytes of the new value.
 * 0, or -1 and errno: ENOENT no such option, EINVAL not a value for it, ERANGE buffer too small,
 * EPERM the option is fixed once memory has been allocated. */
MOLT_API int molt_ctl(const char *name, void *old, size_t *old_len, const void *new_,
                      size_t new_len);

#ifdef __cplusplus
}
#endif

#endif
