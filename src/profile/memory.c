/* memory.c: chunks from the OS, cut from the front. */
#include "memory.h"

#include "base/options.h" // options.prof_memory
#include "os/os.h"        // os_map

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ALIGNMENT = 16, CHUNK_BYTES = 256 << 10 };

struct chunk {
    size_t bytes;         /* with this head */
    _Atomic(size_t) used; /* of them */
} __attribute__((aligned(ALIGNMENT)));

static _Atomic(struct chunk *) cut; /* the chunk that memory is cut from; NULL: there is none yet */
static _Atomic(size_t) mapped;      /* bytes of all chunks */
static _Atomic(size_t) given;       /* bytes that profile_memory_take has returned */
static _Atomic(size_t) refused;
static _Atomic(unsigned) shares = 1; /* of what the option allows, that are allowed */

static void *chunk_take(struct chunk *chunk, size_t bytes)
{
    size_t used = atomic_load_explicit(&chunk->used, memory_order_relaxed);
    do
        if (chunk->bytes - used < bytes)
            return NULL;
    while (!atomic_compare_exchange_weak_explicit(&chunk->used, &used, used + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
    return (char *)chunk + used;
}

static uint64_t bytes_allowed(void)
{
    uint64_t allowed;
    unsigned times = atomic_load_explicit(&shares, memory_order_relaxed);
    return __builtin_mul_overflow(options.prof_memory, times, &allowed) ? UINT64_MAX : allowed;
}

/* Counts `bytes` as mapped if the option allows that many; `at_least` if it does not. Returns what
 * is counted; 0: not even those are allowed. */
static size_t reserve_budget(size_t at_least, size_t bytes)
{
    size_t now = atomic_load_explicit(&mapped, memory_order_relaxed);
    size_t granted;
    do {
        uint64_t allowed = bytes_allowed(), left = allowed > now ? allowed - now : 0;
        granted = left >= bytes ? bytes : left >= at_least ? at_least : 0;
    } while (granted != 0 &&
             !atomic_compare_exchange_weak_explicit(&mapped, &now, now + granted,
                                                    memory_order_relaxed, memory_order_relaxed));
    return granted;
}

/* Maps a chunk that has room for so many bytes. */
static struct chunk *chunk_map(size_t bytes)
{
    size_t least = os_round_to_pages(sizeof(struct chunk) + bytes);
    size_t granted = reserve_budget(least, least > CHUNK_BYTES ? least : CHUNK_BYTES);
    struct chunk *chunk = granted != 0 ? os_map(granted) : NULL;
    if (chunk == NULL) {
        atomic_fetch_sub_explicit(&mapped, granted, memory_order_relaxed);
        return NULL;
    }
    chunk->bytes = granted;
    atomic_store_explicit(&chunk->used, sizeof *chunk, memory_order_relaxed);
    return chunk;
}

/* A chunk that another thread, or a signal handler, was faster than. If it cannot be unmapped, it
 * is lost. */
static void chunk_unmap(struct chunk *chunk)
{
    size_t bytes = chunk->bytes;
    if (os_unmap(chunk, bytes))
        atomic_fetch_sub_explicit(&mapped, bytes, memory_order_relaxed);
}

static void *take(size_t bytes)
{
    struct chunk *chunk = atomic_load_explicit(&cut, memory_order_acquire);
    void *taken;
    while (chunk == NULL || (taken = chunk_take(chunk, bytes)) == NULL) {
        struct chunk *next = chunk_map(bytes);
        if (next == NULL)
            return NULL;
        if (atomic_compare_exchange_strong_explicit(&cut, &chunk, next, memory_order_acq_rel,
                                                    memory_order_acquire))
            chunk = next;
        else
            chunk_unmap(next);
    }
    return taken;
}

void *profile_memory_take(size_t bytes)
{
    size_t rounded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    void *taken = bytes <= PTRDIFF_MAX ? take(rounded) : NULL;
    if (taken == NULL)
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&given, rounded, memory_order_relaxed);
    return taken;
}

void profile_memory_allow(unsigned times)
{
    atomic_store_explicit(&shares, times, memory_order_relaxed);
}

size_t profile_memory_given(void)
{
    return atomic_load_explicit(&given, memory_order_relaxed);
}

size_t profile_memory_bytes(void)
{
    return atomic_load_explicit(&mapped, memory_order_relaxed);
}

size_t profile_memory_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
