/* fit.c: the best fit, arena by arena. */
#include "fit.h"

#include "map.h"

#include "base/bits.h"

#include <stdbool.h>

struct fit {
    unsigned length; /* of the free range it lies in: pages */
    unsigned at;     /* the first page of the run in it */
};

/* The smallest free range of the arena in which `pages` fit at the alignment; of equal ones the
 * lowest. Sets the arena's longest[] to the true value on the way. */
static bool find_in_arena(uint32_t number, unsigned pages, unsigned alignment, struct fit *fit)
{
    const struct arena *arena = map_arena(number);
    unsigned count = arena_pages(), longest = 0;
    fit->length = UINT32_MAX;
    for (unsigned end, first = bits_find(arena->used, false, 0, count); first < count;
         first = bits_find(arena->used, false, end, count)) {
        end = bits_find(arena->used, true, first, count);
        unsigned length = end - first;
        unsigned at = (first + alignment - 1) & ~(alignment - 1);
        if (at + pages <= end && length < fit->length)
            *fit = (struct fit){length, at};
        if (length > longest)
            longest = length;
    }
    map.longest[number] = (uint16_t)longest;
    return fit->length != UINT32_MAX;
}

/* The arena whose longest free range is the shortest that has `pages`. */
static uint32_t tightest_arena(unsigned pages)
{
    uint32_t best = UINT32_MAX;
    unsigned best_longest = UINT32_MAX;
    for (uint32_t number = 0, end = map_arena_end(); number < end; number++) {
        unsigned longest = map.longest[number];
        if (longest >= pages && longest < best_longest) {
            best = number;
            best_longest = longest;
        }
    }
    return best;
}

/* longest[] is an upper bound, and a range may be long enough but badly aligned: each failure
 * lowers the bound or raises what is asked for. */
uint32_t fit_find(unsigned pages, unsigned alignment, unsigned *first)
{
    unsigned wanted = pages;
    for (;;) {
        struct fit fit;
        uint32_t number = tightest_arena(wanted);
        if (number == UINT32_MAX)
            return UINT32_MAX;
        if (find_in_arena(number, pages, alignment, &fit)) {
            *first = fit.at;
            return number;
        }
        if (map.longest[number] >= wanted)
            wanted = map.longest[number] + 1u;
    }
}
