/* edges.c: numbers that do not fit into a byte. */
#include "edges.h"

struct edges edges;

void edges_begin(void *zeroed, void *more, size_t count)
{
    int8_t *numbers = zeroed;
    edges = (struct edges){.numbers = numbers,
                           .carried = (uint64_t *)(void *)(numbers + count),
                           .wide = more,
                           .count = count};
}

void edges_carry(const int8_t *number, int32_t units)
{
    size_t n = (size_t)(number - edges.numbers);
    uint64_t *word = &edges.carried[n / 64], bit = UINT64_C(1) << (n % 64);
    edges.wide[n] = ((*word & bit) != 0 ? edges.wide[n] : 0) + units;
    *word |= bit;
    edges.any_carried = true;
}

int64_t edges_value(const int8_t *number)
{
    size_t n = (size_t)(number - edges.numbers);
    bool is_carried = (edges.carried[n / 64] >> (n % 64) & 1) != 0;
    return (is_carried ? (int64_t)edges.wide[n] * 256 : 0) + *number;
}

uint64_t edges_nonzero_wide(const int8_t *numbers)
{
    size_t first = (size_t)(numbers - edges.numbers);
    uint64_t nonzero = 0;
    for (uint64_t left = edges.carried[first / 64]; left != 0; left &= left - 1)
        if (edges.wide[first + (unsigned)__builtin_ctzll(left)] != 0)
            nonzero |= left & -left;
    return nonzero;
}
