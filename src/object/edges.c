/* edges.c: numbers that do not fit into a byte. */
#include "edges.h"

#include "scratch.h"

struct edges edges;

void edges_begin(void *zeroed, void *more, size_t count)
{
    edges = (struct edges){.numbers = zeroed, .wide = more, .count = count};
}

void edges_carry(const int8_t *number, int32_t units)
{
    if (!edges.any_wide)
        scratch_clear(edges.wide, EDGES_MORE_BYTES(edges.count));
    edges.any_wide = true;
    edges.wide[number - edges.numbers] += units;
}

uint64_t edges_nonzero_wide(const int8_t *numbers)
{
    const int32_t *wide = &edges.wide[numbers - edges.numbers];
    uint64_t nonzero = 0;
    for (unsigned i = 0; i < 64; i++)
        nonzero |= (uint64_t)(wide[i] != 0) << i;
    return nonzero;
}
