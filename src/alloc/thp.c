/* thp.c: whether the kernel puts a THP behind a range of an arena. */
#include "thp.h"

#include "map.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/options.h"
#include "os/os.h"

/* How often in a row the kernel has refused: it has no free THP, or the range has been used and
 * given back, and still has page tables. After REFUSED_MAX refusals no more are asked for. */
static unsigned refused;
#define REFUSED_MAX 16u

static unsigned thp_pages(void)
{
    return (unsigned)(THP_BYTES >> os_page_shift);
}

bool thp_is_wanted(const struct arena *arena, unsigned page, size_t used_bytes, size_t from)
{
    unsigned end = page + thp_pages();
    return options.thp && refused < REFUSED_MAX && page % thp_pages() == 0 &&
           used_bytes >= from * map.heap_end && bits_find(arena->used, true, page, end) == end &&
           bits_find(arena->dirty, true, page, end) == end;
}

bool thp_fill(void *start, struct lock *held)
{
    lock_release(held);
    bool filled = os_fill_thp(start, THP_BYTES);
    lock_acquire(held);
    refused = filled ? 0 : refused + 1;
    return filled;
}
