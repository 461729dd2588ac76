/* malloc.h: malloc and free. Start reading here.
 *
 * A malloc of up to TABLE_MAX bytes pops a block of the thread's list for the class; a free pushes
 * it back to the list its pool names. Everything else takes a slow path, in malloc.c:
 *
 *   malloc_fast ── list empty, larger ──> malloc_slow ──> heap_refill   (pools)
 *                                                    ──> run_alloc     (pages of an arena)
 *                                                    ──> huge_alloc    (own mapping)
 *   free_fast ──── full pool, not mine ─> free_slow ───> heap_free_slow, remote_free
 *             ──── no pool at all ──────>           ───> run_free, huge_free, misuse_report
 *             ──── pool's last block ───> free_drained
 *
 * The fast paths are inline so that the exported malloc and free are these few instructions. */
#ifndef ALLOC_MALLOC_H
#define ALLOC_MALLOC_H

#include "map.h"
#include "thread.h"

#include "base/attributes.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* These take every argument; NULL comes with ENOMEM. */
void *malloc_slow(size_t size);
void *calloc_slow(size_t size);
void *malloc_aligned(size_t alignment, size_t size); /* alignment: a power of two */
void *malloc_resize(void *block, size_t size);       /* realloc */
void free_slow(void *p);
void free_drained(struct pool *pool);
void free_checked(void *p, size_t size);
size_t malloc_block_bytes(const void *p, const char *operation); /* 0 for NULL */
size_t malloc_good_size(size_t size);
void *malloc_no_memory(void); /* NULL, errno ENOMEM */

static ALWAYS_INLINE void *malloc_fast(size_t size)
{
    struct heap *heap = thread_self.heap;
    if (UNLIKELY(size > TABLE_MAX))
        return malloc_slow(size);
    struct block **list = &heap->free[heap->class_of[size]];
    struct block *block = *list;
    if (UNLIKELY(block == NULL))
        return malloc_slow(size);
    *list = block_next(block);
    block->link = 0; /* neither the mark nor the secret may stay in a live block */
    return block;
}

/* A forked child sees each thread stopped at some instruction: the link must be there before the
 * block is in the list. */
static ALWAYS_INLINE void free_fast(void *p)
{
    struct pool *pool = map_pool(p);
    uint64_t offset = thread_self.cookie - pool->origin + (uintptr_t)p;
    if (UNLIKELY(offset * pool->magic >= pool->limit) || UNLIKELY(block_is_marked(p))) {
        free_slow(p);
        return;
    }
    struct block *block = p, **list = pool->list;
    block_set_next(block, *list);
    atomic_signal_fence(memory_order_release);
    *list = block;
    if (UNLIKELY(--pool->left == 0))
        free_drained(pool);
}

/* Zeroes a block of up to TABLE_MAX bytes whose first 8 are zero already. Blocks of more than 8
 * bytes are made of whole 16-byte pieces. */
static ALWAYS_INLINE void zero_block(void *block, size_t size)
{
    typedef unsigned long long piece
        __attribute__((vector_size(16), may_alias, aligned(8)));
    size_t bytes = (size + 15) & ~(size_t)15;
    char *first = block, *last = first + bytes - 16;
    if (size <= 8)
        return;
    if (bytes > 64) {
        memset(first, 0, bytes);
        return;
    }
    *(piece *)first = (piece){0};
    *(piece *)last = (piece){0};
    if (bytes > 32) {
        *(piece *)(first + 16) = (piece){0};
        *(piece *)(last - 16) = (piece){0};
    }
}

static ALWAYS_INLINE void *calloc_fast(size_t count, size_t size)
{
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return malloc_no_memory();
    if (UNLIKELY(bytes > TABLE_MAX))
        return calloc_slow(bytes);
    void *block = malloc_fast(bytes);
    if (LIKELY(block != NULL))
        zero_block(block, bytes);
    return block;
}

#endif
