/* edges.h: a number for each block: its object's count less the references found so far.
 *
 * Each has one byte, from -128 to 127, that is 0 at first. What does not fit is carried, in units
 * of 256, to a wide number beside: memory that is not touched as long as no object has so many
 * references. */
#ifndef OBJECT_EDGES_H
#define OBJECT_EDGES_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct edges {
    int8_t *numbers;
    int32_t *wide; /* as many; they hold something as soon as any_wide */
    size_t count;  /* a multiple of 64 */
    bool any_wide;
};

extern HIDDEN struct edges edges;

/* Bytes for `count` numbers: some that must be 0 at first, and some that may be anything. */
#define EDGES_BYTES(count) ((count) * sizeof(int8_t))
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

/* Which of 64 wide numbers are not 0. */
uint64_t edges_nonzero_wide(const int8_t *numbers);

static inline int64_t edges_value(const int8_t *number)
{
    int64_t wide = edges.any_wide ? edges.wide[number - edges.numbers] : 0;
    return wide * 256 + *number;
}

static ALWAYS_INLINE bool edges_is_negative(const int8_t *number)
{
    return LIKELY(!edges.any_wide) ? *number < 0 : edges_value(number) < 0;
}

/* The highest bits of eight bytes, the first one's lowest. */
static ALWAYS_INLINE uint64_t edges_gather(uint64_t bytes)
{
    return (bytes >> 7 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

/* Which of 64 numbers are not 0. */
static ALWAYS_INLINE uint64_t edges_nonzero(const int8_t *numbers)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t nonzero = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t bytes;
        memcpy(&bytes, numbers + i, sizeof bytes);
        nonzero |= edges_gather(((bytes & low) + low) | bytes) << i;
    }
    return LIKELY(!edges.any_wide) ? nonzero : nonzero | edges_nonzero_wide(numbers);
}

#endif
