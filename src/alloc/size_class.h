/* size_class.h: the sizes a pool can hold.
 *
 *   class      0   1   2  …  32   33   34  …   40    41  …     80
 *   size       8  16  32  … 512  576  640  … 1024  1152  …  32768
 *              |  step 16       |  eight a doubling               |
 *
 * Above 512 bytes at most 1/8 of a block is waste. */
#ifndef ALLOC_SIZE_CLASS_H
#define ALLOC_SIZE_CLASS_H

#include "base/tunables.h" // BLOCK_MAX

#include <stddef.h>
#include <stdint.h>

#define CLASS_COUNT 81
#define LINEAR_MAX ((size_t)512) /* the largest size of the 16-byte steps */
#define LINEAR_CLASSES 33
#define STEPS_SHIFT 3 /* log2 of the classes a doubling */

/* The smallest class that holds `size` bytes; size <= BLOCK_MAX. */
static inline unsigned size_class_of(size_t size)
{
    if (size <= 8)
        return 0;
    if (size <= LINEAR_MAX)
        return (unsigned)((size + 15) / 16);
    unsigned doubling = 63 - (unsigned)__builtin_clzl(size - 1); /* 2^doubling < size */
    unsigned step = (unsigned)((size - 1) >> (doubling - STEPS_SHIFT)) - (1u << STEPS_SHIFT);
    return LINEAR_CLASSES + ((doubling - 9) << STEPS_SHIFT) + step;
}

/* The size of a class's blocks. */
static inline size_t size_class_bytes(unsigned size_class)
{
    if (size_class < LINEAR_CLASSES)
        return size_class == 0 ? 8 : (size_t)size_class * 16;
    unsigned above = size_class - LINEAR_CLASSES;
    unsigned doubling = 9 + (above >> STEPS_SHIFT);
    size_t eighths = (above & ((1u << STEPS_SHIFT) - 1)) + (1u << STEPS_SHIFT) + 1;
    return eighths << (doubling - STEPS_SHIFT);
}

#endif
