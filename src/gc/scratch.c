/* scratch.c: the mapping that is kept, and those of large collections. */
#include "scratch.h"

#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

#define KEPT_BYTES ((size_t)320 << 10)

static void *kept;         /* the mapping for small collections, or NULL: not mapped yet */
static void *taken;        /* the mapping for a large collection, or NULL: none is in use */
static size_t taken_bytes; /* the size of `taken` */

void *scratch_take(size_t zeroed, size_t more)
{
    if (zeroed + more <= KEPT_BYTES) {
        if (kept == NULL)
            return kept = os_map(KEPT_BYTES);
        return memset(kept, 0, zeroed);
    }
    taken_bytes = os_round_to_pages(zeroed + more); /* first: a forked child may have to unmap it */
    taken = os_map(taken_bytes);
    if (taken != NULL && zeroed >= THP_BYTES)
        os_allow_thp(taken, zeroed & ~(THP_BYTES - 1));
    return taken;
}

void scratch_give(void)
{
    void *given = taken;
    if (given == NULL)
        return;
    /* Forgotten first: a forked child that found it here after it was unmapped would unmap what
     * another thread has mapped at that address since. */
    __atomic_store_n(&taken, NULL, __ATOMIC_RELAXED);
    os_unmap(given, taken_bytes);
}
