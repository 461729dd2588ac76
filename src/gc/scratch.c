/* scratch.c: mappings, so that nothing of the heap is touched. Only who collects comes here. */
#include "scratch.h"

#include "os/os.h"

#include <string.h>

#define KEPT_BYTES ((size_t)320 << 10)
#define HUGE_FROM ((size_t)2 << 20)

static void *kept;  /* KEPT_BYTES, or NULL */
static void *taken; /* a mapping of its own for a large collection, or NULL */
static size_t taken_bytes;

void *scratch_take(size_t zeroed, size_t more)
{
    if (zeroed + more <= KEPT_BYTES) {
        if (kept == NULL)
            return kept = os_map(KEPT_BYTES);
        return memset(kept, 0, zeroed);
    }
    taken_bytes = os_round_to_pages(zeroed + more);
    taken = os_map(taken_bytes); /* a known size with it, in a forked child, too */
    if (taken != NULL && zeroed >= HUGE_FROM)
        os_allow_huge_pages(taken, zeroed & ~(HUGE_FROM - 1));
    return taken;
}

void scratch_give(void)
{
    void *given = taken;
    if (given == NULL)
        return;
    /* A forked child shall not unmap it once more: somebody else may have mapped there. */
    __atomic_store_n(&taken, NULL, __ATOMIC_RELAXED);
    os_unmap(given, taken_bytes);
}
