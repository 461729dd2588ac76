/* gc_refs.h: trial deletion's numbers: for each block its object's count less the references to it
 * that have been found so far.
 *
 *   gc_refs[n] = numbers[n] + (carried bit n ? 256 * wide[n] : 0)
 *
 * A sum that overflows its byte is carried, in units of 256. Only immortal objects and the few with
 * very many references need that, so the memory of `carried` and `wide` is hardly touched. */
#ifndef GC_GC_REFS_H
#define GC_GC_REFS_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gc_refs {
    int8_t *numbers;   /* the low byte of each gc_refs */
    uint64_t *carried; /* a bitmap of the blocks whose wide number is valid */
    int32_t *wide;     /* the multiples of 256; uninitialized where the bit is 0 */
    size_t count;      /* blocks, a multiple of 64 */
    bool any_carried;  /* `carried` has a bit that is 1 */
};

extern HIDDEN struct gc_refs gc_refs;

/* Zeroed memory for numbers and `carried`, and any for `wide`: multiples of a cache line. */
#define GC_REFS_ZEROED_BYTES(count) ((count) * sizeof(int8_t) + ((count) / 8 + 63) / 64 * 64)
#define GC_REFS_WIDE_BYTES(count) ((count) * sizeof(int32_t))

/* All gc_refs are 0. */
void gc_refs_begin(void *zeroed, void *wide, size_t count);

/* Adds 256 * units to the number's wide one. */
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

/* A bitmap of those of 64 numbers whose wide number is not 0. */
uint64_t gc_refs_nonzero_wide(const int8_t *numbers);

/* The top bits of eight bytes, the lowest byte's first. */
static ALWAYS_INLINE uint64_t gc_refs_top_bits(uint64_t bytes)
{
    return (bytes >> 7 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

/* A bitmap of those of 64 blocks whose gc_refs is not 0. Adding 0x7f to the low seven bits of a
 * byte sets its top bit unless they are 0. */
static ALWAYS_INLINE uint64_t gc_refs_nonzero(const int8_t *numbers)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t nonzero = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t bytes;
        memcpy(&bytes, numbers + i, sizeof bytes);
        nonzero |= gc_refs_top_bits(((bytes & low) + low) | bytes) << i;
    }
    return LIKELY(!gc_refs.any_carried) ? nonzero : nonzero | gc_refs_nonzero_wide(numbers);
}

#endif
