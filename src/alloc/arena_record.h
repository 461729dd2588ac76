/* arena_record.h: what is known of an arena's pages.
 *
 * An arena is 4 MiB of the window. Four bits describe each page:
 *
 *   used    part of a pool or of a run
 *   dirty   handed out since it last read as zero, or filled
 *   old     free and dirty already at the last sweep: the next one returns it to the OS
 *   filled  part of a huge page that was put there in advance, and not handed out yet
 */
#ifndef ALLOC_ARENA_RECORD_H
#define ALLOC_ARENA_RECORD_H

#include "base/tunables.h"
#include "os/os.h" // os_page_shift

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct arena {
    uint64_t used[ARENA_PAGES_MAX / 64];
    uint64_t dirty[ARENA_PAGES_MAX / 64];
    uint64_t old[ARENA_PAGES_MAX / 64];
    uint64_t filled[ARENA_PAGES_MAX / 64];
    uint64_t free_slots;                    /* pool slots with no used page */
    uint64_t dirty_slots;                   /* … of which some page is dirty */
    bool dropped;                           /* its memory was given back: no page can be taken */
    _Atomic uint16_t runs[ARENA_PAGES_MAX]; /* at a run's first page: its pages, of a retired one
                                               with RUN_RETIRED in it; else 0 */
};

/* A freed run that keeps its pages. */
#define RUN_RETIRED 0x8000u

static inline unsigned arena_pages(void)
{
    return (unsigned)(ARENA_BYTES >> os_page_shift);
}

#endif
