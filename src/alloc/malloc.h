/* malloc.h: malloc and free. Start reading here.
 *
 * A malloc of up to TABLE_MAX bytes pops a block of the thread's list for the class; a free pushes
 * it back to the list its pool names. Everything else takes a slow path, in malloc.c and realloc.c:
 *
 *   malloc_fast ── list empty, larger ──> malloc_slow ──> refill_block  (pools)
 *                                                    ──> run_alloc     (pages of an arena)
 *                                                    ──> huge_alloc    (a mapping of its own)
 *   free_fast ──── another thread's ───> free_to_outbox   (a chain that waits in the outbox)
 *             ──── no such chain ──────> free_slow ────> heap_free_slow, remote_free
 *             ──── no pool at all ──────>          ────> run_release, huge_free, misuse_report
 *             ──── `left` is 0 ────────> free_drained ──> heap_pool_drained
 *
 * The fast paths are inline, so that the exported malloc and free are these few instructions. */
#ifndef ALLOC_MALLOC_H
#define ALLOC_MALLOC_H

#include "map.h"
#include "misuse.h" // misuse_report_written
#include "remote.h"
#include "thread.h"

#include "base/assert.h" // IN_DEBUG
#include "base/attributes.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The slow paths serve every argument; where they return NULL, errno is ENOMEM. */
void *malloc_slow(size_t size);
void *calloc_slow(size_t size);
void *malloc_aligned(size_t alignment, size_t size); /* alignment: a power of two */
void *malloc_resize(void *block, size_t size);       /* realloc */
void free_slow(void *p);
void free_drained(struct pool *pool);
/* Serves free_sized and its like, whose name is `operation`; checks the size if an option asks for
 * that. `aligned`: the block may be larger than its size needs. */
void free_sized_as(const char *operation, void *p, size_t size, bool aligned);
size_t malloc_block_bytes(const void *p, const char *operation); /* 0 for NULL */
bool malloc_has_block(const void *p); /* p is the start of a block, live or not */
size_t malloc_good_size(size_t size);
void malloc_set_perturb(int value); /* perturb_set; the caller's fast paths follow at once */
void *malloc_no_memory(void);       /* NULL, errno ENOMEM */

/* limit_tell, and what is to be done if it is the hard limit's fault. */
void malloc_tell_failure(size_t size);

/* ---- For realloc.c ---- */

void malloc_check_peak(void); /* peak_check for a caller that has not entered its heap */

/* A block is given that is much larger than its size: from now on a size far below the block's
 * proves nothing. */
void malloc_note_larger(void);

/* While calls are watched: looks at a new block. Those of pools are sampled where they are made. */
void malloc_watch_new(void *block, size_t size, bool zero);

/* Whether a block of `bytes` may serve `size` as it stands: it fits and at least half is used. */
static inline bool malloc_still_fits(size_t bytes, size_t size)
{
    return size <= bytes && size >= bytes / 2;
}

/* block_list_pop notices only some of the links that a program has overwritten (block.h); debug
 * builds notice all that do not lead to a block of the pool. */
static ALWAYS_INLINE struct block *pop(struct block_list *list)
{
    struct block *block = block_list_pop(list);
    if (IN_DEBUG && block != NULL && !pool_has_link(map_pool(block), block))
        misuse_report_written(block, pool_block_bytes(map_pool(block)));
    return block;
}

/* A block of the thread's list for a size below the limit; NULL sends the caller to the slow path.
 * The limit is one of thread_self's, which are 0 without a heap. It is read first: a signal handler
 * that interrupts here may give the thread its heap. */
static ALWAYS_INLINE struct block *pop_below(size_t limit, size_t size)
{
    if (UNLIKELY(size >= limit))
        return NULL;
    atomic_signal_fence(memory_order_acquire);
    struct heap *heap = thread_self.heap;
    return pop(&heap->free[heap->class_of[size]]);
}

static ALWAYS_INLINE void *malloc_fast(size_t size)
{
    struct block *block = pop_below(thread_self.small_limit, size);
    if (UNLIKELY(block == NULL))
        return malloc_slow(size);
    block->link = 0; /* neither the mark nor the secret may stay in a live block */
    return block;
}

/* The size to ask for so that the block is aligned; SIZE_MAX if the table does not serve it. Up to
 * TABLE_MAX there is a class for every multiple of 64 and for smaller ones of 16 (or 8), so a size
 * that is a multiple of the alignment finds a class that is. */
static ALWAYS_INLINE size_t aligned_size(size_t alignment, size_t size)
{
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    return LIKELY(size - 1 < TABLE_MAX) ? rounded : SIZE_MAX;
}

/* The pool of p, if p is a live block that the calling thread owns and may free by a push; NULL
 * sends the caller to the slow path, which finds out why. The cookie is one of thread_self's. */
static ALWAYS_INLINE struct pool *pool_of_cookie(const void *p, uintptr_t cookie)
{
    struct pool *pool = map_pool(p);
    uint64_t offset = (uintptr_t)p - pool->origin;
    KEEP_ORDER(offset); /* one instruction less */
    offset += cookie;
    if (UNLIKELY(offset * pool->magic >= pool->limit) || UNLIKELY(block_is_marked(p)))
        return NULL;
    return pool;
}

static ALWAYS_INLINE struct pool *pool_of_mine(const void *p)
{
    return pool_of_cookie(p, thread_self.cookie);
}

static ALWAYS_INLINE void push(struct pool *pool, void *p)
{
    block_list_push(pool->list, p);
    if (UNLIKELY(--pool->left == 0))
        free_drained(pool);
}

/* Adds a block of another thread's pool to the chain that waits in the outbox (thread_self's, or
 * NULL); false if no chain accepts it. While the chain changes, thread_self.outbox is NULL, so that
 * a signal handler leaves the outbox alone; the other fast paths stay open to the handler. A thread
 * that vanishes here (fork) loses at most the blocks of the chain. */
static ALWAYS_INLINE bool free_to_outbox(struct outbox_slot *outbox, void *p)
{
    if (UNLIKELY(outbox == NULL) || UNLIKELY(!outbox_accepts(&outbox[outbox_number(p)], p)))
        return false;
    thread_self.outbox = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    outbox_push(&outbox[outbox_number(p)], p);
    atomic_signal_fence(memory_order_seq_cst);
    thread_self.outbox = outbox;
    return true;
}

static ALWAYS_INLINE void free_fast(void *p)
{
    struct pool *pool = pool_of_mine(p);
    if (LIKELY(pool != NULL))
        push(pool, p);
    else if (!free_to_outbox(thread_self.outbox, p))
        free_slow(p);
}

/* free_fast for operator delete, whose cookie and outbox are 0 until it is known that all its forms
 * lead here (thread_operators_open). False: the block is not freed, the caller takes the slow path.
 */
static ALWAYS_INLINE bool delete_fast(void *p)
{
    struct pool *pool = pool_of_cookie(p, thread_self.operator_cookie);
    if (LIKELY(pool != NULL)) {
        push(pool, p);
        return true;
    }
    uintptr_t outbox = (uintptr_t)thread_self.outbox & thread_operators_open;
    return free_to_outbox((struct outbox_slot *)outbox, p);
}

/* Zeroes the first `size` bytes of a block, which has 8 bytes or whole 16-byte pieces. */
static ALWAYS_INLINE void *zero_block(void *block, size_t size)
{
    typedef unsigned long long piece __attribute__((vector_size(16), may_alias, aligned(1)));
    char *first = block;
    if (LIKELY(size - 33 < 32)) { /* 33 to 64 */
        *(piece *)first = (piece){0};
        *(piece *)(first + 16) = (piece){0};
        *(piece *)(first + size - 32) = (piece){0};
        *(piece *)(first + size - 16) = (piece){0};
    } else if (size > 64) {
        return memset(block, 0, size);
    } else if (size > 8) {
        *(piece *)first = (piece){0};
        if (size > 16)
            *(piece *)(first + 16) = (piece){0};
    } else {
        ((struct block *)block)->link = 0;
    }
    return block;
}

static ALWAYS_INLINE void *calloc_fast(size_t count, size_t size)
{
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return malloc_no_memory();
    struct block *block = pop_below(thread_self.small_limit, bytes);
    if (UNLIKELY(block == NULL))
        return calloc_slow(bytes);
    return zero_block(block, bytes);
}

#endif
