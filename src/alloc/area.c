/* area.c: where the area lies, and its next place. */
#include "area.h"

#include "thp.h"

#include "base/tunables.h"
#include "os/os.h"

#include <stdint.h>

static NO_POINTERS uintptr_t area_start, area_end, area_next; /* under huge_lock */

/* The area lies a quarter of the way up to where the kernel puts mappings: above programs that are
 * linked to fixed addresses, and below all mappings, also where the kernel places these from a
 * third of the address space upwards. */
static void find_area(void)
{
    void *probe = os_map(os_page_bytes());
    if (probe == NULL)
        return;
    os_unmap(probe, os_page_bytes());
    area_start = area_next = thp_round_up((uintptr_t)probe / 4);
    area_end = area_start + (uintptr_t)probe / 16;
}

/* The next place in the area with `room` bytes behind it; 0 if the area has not so many. */
static uintptr_t next_area_place(size_t room, size_t alignment)
{
    if (area_start == 0)
        find_area();
    uintptr_t place = (area_next + alignment - 1) & ~(alignment - 1);
    if (place > area_end || room > area_end - place)
        place = (area_start + alignment - 1) & ~(alignment - 1);
    if (place > area_end || room > area_end - place)
        return 0;
    area_next = place + thp_round_up(room);
    return place;
}

/* Where a place is taken, by an older span or a mapping of the program's, it goes on by larger and
 * larger steps. */
void *area_map(area_map_at *map, size_t bytes, size_t room, size_t alignment)
{
    bool taken = true;
    void *mapped = NULL;
    for (unsigned i = 0; i < SPAN_PLACES_TRIED && taken; i++, room *= 2) {
        uintptr_t place = next_area_place(room, alignment);
        if (place == 0)
            break;
        mapped = map((void *)place, bytes, &taken);
    }
    return mapped;
}

void *area_map_outside(area_map_anywhere *map, size_t bytes, size_t alignment)
{
    size_t slack = alignment - os_page_bytes(); /* mapped for the alignment, then given back */
    char *start = bytes + slack < bytes ? NULL : map(bytes + slack);
    if (start == NULL || slack == 0)
        return start;
    char *aligned = (char *)(((uintptr_t)start + alignment - 1) & ~(alignment - 1));
    size_t before = (size_t)(aligned - start), behind = slack - before;
    if (before > 0)
        os_unmap(start, before);
    if (behind > 0)
        os_unmap(aligned + bytes, behind);
    return aligned;
}
