/* arena_record.h: what is known of an arena's pages.
 *
 * An arena is 4 MiB of the window. Four bits describe each page:
 *
 *   used    part of a pool or of a run
 *   dirty   handed out since it last read as zero, or filled in advance
 *   old     idle (free and dirty) at the last sweep: the next sweep returns it to the OS (purge.h)
 *   filled  part of a THP that was filled in advance (thp.h), and not handed out yet
 *
 * These bits are the truth. All else follows from them, and arena_repair derives it again:
 *
 *   slot s is in free_slots   ⇔  no page of it is used, and the arena is not dropped
 *   slot s is in dirty_slots  ⇔  it is in free_slots, and some page of it is dirty
 *   longest[arena]            >=  the pages of the arena's longest free range (map.h) */
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
    uint64_t free_slots;                    /* a bit for each 64 KiB that a pool may have */
    uint64_t dirty_slots;                   /* … and in which some page is dirty */
    bool dropped;                           /* its memory was given up: no page can be taken */
    _Atomic uint16_t runs[ARENA_PAGES_MAX]; /* at a run's first page: its pages, with RUN_RETIRED if
                                               the run is retired; else 0 */
};

/* The run is freed, but keeps its pages (run.h). */
#define RUN_RETIRED 0x8000u

static inline unsigned arena_pages(void)
{
    return (unsigned)(ARENA_BYTES >> os_page_shift);
}

#endif
