/* gc_refs.c: the numbers that do not fit into a byte. */
#include "gc_refs.h"

struct gc_refs gc_refs;

void gc_refs_begin(void *zeroed, void *wide, size_t count)
{
    int8_t *numbers = zeroed;
    gc_refs = (struct gc_refs){.numbers = numbers,
                               .carried = (uint64_t *)(void *)(numbers + count),
                               .wide = wide,
                               .count = count};
}

void gc_refs_carry(const int8_t *number, int32_t units)
{
    size_t n = (size_t)(number - gc_refs.numbers);
    uint64_t *word = &gc_refs.carried[n / 64], bit = UINT64_C(1) << (n % 64);
    gc_refs.wide[n] = ((*word & bit) != 0 ? gc_refs.wide[n] : 0) + units;
    *word |= bit;
    gc_refs.any_carried = true;
}

int64_t gc_refs_value(const int8_t *number)
{
    size_t n = (size_t)(number - gc_refs.numbers);
    bool is_carried = (gc_refs.carried[n / 64] >> (n % 64) & 1) != 0;
    return (is_carried ? (int64_t)gc_refs.wide[n] * 256 : 0) + *number;
}

uint64_t gc_refs_nonzero_wide(const int8_t *numbers)
{
    size_t first = (size_t)(numbers - gc_refs.numbers);
    uint64_t nonzero = 0;
    for (uint64_t left = gc_refs.carried[first / 64]; left != 0; left &= left - 1)
        if (gc_refs.wide[first + (unsigned)__builtin_ctzll(left)] != 0)
            nonzero |= left & -left;
    return nonzero;
}
