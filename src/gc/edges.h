/* edges.h: a number for each block: its object's count less the references found so far.
 *
 * Each has one byte, from -128 to 127. What does not fit is carried, in units of 256, to a wide
 * number beside, and a bit says so. An immortal object's always is; else few objects have so many
 * references, and the wide numbers' memory is hardly touched. */
#ifndef GC_EDGES_H
#define GC_EDGES_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct edges {
    int8_t *numbers;
    uint64_t *carried; /* a bit a number: the wide one means something */
    int32_t *wide;
    size_t count; /* a multiple of 64 */
    bool any_carried;
};

extern HIDDEN struct edges edges;

/* Bytes for `count` numbers, a multiple of 64: those that must be 0 at first, and those that may be
 * anything. Both are multiples of a cache line. */
#define EDGES_BYTES(count) ((count) * sizeof(int8_t) + ((count) / 8 + 63) / 64 * 64)
#define EDGES_MORE_BYTES(count) ((count) * sizeof(int32_t))

void edges_begin(void *zeroed, void *more, size_t count);

void edges_carry(const int8_t *number, int32_t units);

static ALWAYS_INLINE void edges_add(int8_t *number, int32_t count)
{
    int32_t sum = *number + count;
    *number = (int8_t)sum;
    if (UNLIKELY(sum != (int8_t)sum))
        edges_carry(number, (sum - (int8_t)sum) / 256);
}

static ALWAYS_INLINE void edges_add_small(int8_t *number, int8_t count)
{
    if (UNLIKELY(__builtin_add_overflow(*number, count, number)))
        edges_carry(number, 1);
}

static ALWAYS_INLINE void edges_subtract_one(int8_t *number)
{
    if (UNLIKELY(__builtin_sub_overflow(*number, 1, number)))
        edges_carry(number, -1);
}

int64_t edges_value(const int8_t *number);

static ALWAYS_INLINE bool edges_is_negative(const int8_t *number)
{
    return LIKELY(!edges.any_carried) ? *number < 0 : edges_value(number) < 0;
}

/* Which of 64 wide numbers are not 0. */
uint64_t edges_nonzero_wide(const int8_t *numbers);

/* The highest bits of eight bytes, the first one's lowest. */
static ALWAYS_INLINE uint64_t edges_gather(uint64_t bytes)
{
    return (bytes >> 7 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

/* Which of 64 numbers are not 0. The first byte of a word is its lowest. */
static ALWAYS_INLINE uint64_t edges_nonzero(const int8_t *numbers)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t nonzero = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t bytes;
        memcpy(&bytes, numbers + i, sizeof bytes);
        nonzero |= edges_gather(((bytes & low) + low) | bytes) << i;
    }
    return LIKELY(!edges.any_carried) ? nonzero : nonzero | edges_nonzero_wide(numbers);
}

#endif
