/* gc_refs.h: a number for each block: its object's count less the references found so far.
 *
 * Each has one byte, from -128 to 127. What does not fit is carried, in units of 256, to a wide
 * number beside, and a bit says so. An immortal object's always is; else few objects have so many
 * references, and the wide numbers' memory is hardly touched. */
#ifndef GC_GC_REFS_H
#define GC_GC_REFS_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gc_refs {
    int8_t *numbers;
    uint64_t *carried; /* a bit a number: the wide one means something */
    int32_t *wide;
    size_t count; /* a multiple of 64 */
    bool any_carried;
};

extern HIDDEN struct gc_refs gc_refs;

/* Bytes for `count` numbers, a multiple of 64: those that must be 0 at first, and those that may be
 * anything. Both are multiples of a cache line. */
#define GC_REFS_BYTES(count) ((count) * sizeof(int8_t) + ((count) / 8 + 63) / 64 * 64)
#define GC_REFS_MORE_BYTES(count) ((count) * sizeof(int32_t))

void gc_refs_begin(void *zeroed, void *more, size_t count);

void gc_refs_carry(const int8_t *number, int32_t units);

static ALWAYS_INLINE void gc_refs_add(int8_t *number, int32_t count)
{
    int32_t sum = *number + count;
    *number = (int8_t)sum;
    if (UNLIKELY(sum != (int8_t)sum))
        gc_refs_carry(number, (sum - (int8_t)sum) / 256);
}

static ALWAYS_INLINE void gc_refs_add_small(int8_t *number, int8_t count)
{
    if (UNLIKELY(__builtin_add_overflow(*number, count, number)))
        gc_refs_carry(number, 1);
}

static ALWAYS_INLINE void gc_refs_subtract_one(int8_t *number)
{
    if (UNLIKELY(__builtin_sub_overflow(*number, 1, number)))
        gc_refs_carry(number, -1);
}

int64_t gc_refs_value(const int8_t *number);

static ALWAYS_INLINE bool gc_refs_is_negative(const int8_t *number)
{
    return LIKELY(!gc_refs.any_carried) ? *number < 0 : gc_refs_value(number) < 0;
}

/* Which of 64 wide numbers are not 0. */
uint64_t gc_refs_nonzero_wide(const int8_t *numbers);

/* The highest bits of eight bytes, the first one's lowest. */
static ALWAYS_INLINE uint64_t gc_refs_gather(uint64_t bytes)
{
    return (bytes >> 7 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

/* Which of 64 numbers are not 0. The first byte of a word is its lowest. */
static ALWAYS_INLINE uint64_t gc_refs_nonzero(const int8_t *numbers)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t nonzero = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t bytes;
        memcpy(&bytes, numbers + i, sizeof bytes);
        nonzero |= gc_refs_gather(((bytes & low) + low) | bytes) << i;
    }
    return LIKELY(!gc_refs.any_carried) ? nonzero : nonzero | gc_refs_nonzero_wide(numbers);
}

#endif
