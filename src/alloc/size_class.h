/* size_class.h: the sizes a pool can hold.
 *
 *   class      0   1   2  …  32   33   34  …   40    41  …     80
 *   size       8  16  32  … 512  576  640  … 1024  1152  …  32768
 *              |  step 16       |  eight a doubling               |
 *
 * Above 512 bytes at most 1/8 of a block is waste.
 *
 * Objects have classes of their own: free() must not take them, and the collector tells by the pool
 * which blocks are objects. Objects that can be part of a cycle (tracked) are apart from those that
 * cannot:
 *
 *   class     81  82  …  111   112  …   167     tracked
 *   class    168 169  …  198   199  …   254     untracked
 *   size      16  24  …  256   288  … 32768
 *             |  step 8   |  eight a doubling */
#ifndef ALLOC_SIZE_CLASS_H
#define ALLOC_SIZE_CLASS_H

#include "base/tunables.h" // BLOCK_MAX

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLASS_COUNT 81
#define LINEAR_MAX ((size_t)512) /* the largest size of the 16-byte steps */
#define LINEAR_CLASSES 33
#define STEPS_SHIFT 3 /* log2 of the classes a doubling */

#define OBJECT_CLASS_FIRST CLASS_COUNT
#define OBJECT_CLASSES 87 /* tracked, and as many untracked */
#define OBJECT_CLASS_COUNT (2 * OBJECT_CLASSES)
#define OBJECT_MIN ((size_t)16)
#define OBJECT_LINEAR_MAX ((size_t)256)
#define OBJECT_LINEAR_CLASSES 31

/* The number of the class of `size`, counted from the first one above 2^linear_shift. */
static inline unsigned size_class_step(size_t size, unsigned linear_shift)
{
    unsigned doubling = 63 - (unsigned)__builtin_clzl(size - 1); /* 2^doubling < size */
    unsigned step = (unsigned)((size - 1) >> (doubling - STEPS_SHIFT)) - (1u << STEPS_SHIFT);
    return ((doubling - linear_shift) << STEPS_SHIFT) + step;
}

static inline size_t size_class_step_bytes(unsigned step, unsigned linear_shift)
{
    unsigned doubling = linear_shift + (step >> STEPS_SHIFT);
    size_t eighths = (step & ((1u << STEPS_SHIFT) - 1)) + (1u << STEPS_SHIFT) + 1;
    return eighths << (doubling - STEPS_SHIFT);
}

/* The smallest class that holds `size` bytes; size <= BLOCK_MAX. */
static inline unsigned size_class_of(size_t size)
{
    if (size <= 8)
        return 0;
    if (size <= LINEAR_MAX)
        return (unsigned)((size + 15) / 16);
    return LINEAR_CLASSES + size_class_step(size, 9);
}

/* The same among the classes of objects. */
static inline unsigned object_class_of(size_t size, bool tracked)
{
    unsigned first = OBJECT_CLASS_FIRST + (tracked ? 0 : OBJECT_CLASSES);
    if (size <= OBJECT_MIN)
        return first;
    if (size <= OBJECT_LINEAR_MAX)
        return first + (unsigned)((size - OBJECT_MIN + 7) / 8);
    return first + OBJECT_LINEAR_CLASSES + size_class_step(size, 8);
}

static inline size_t object_class_bytes(unsigned size_class)
{
    unsigned number = (size_class - OBJECT_CLASS_FIRST) % OBJECT_CLASSES;
    if (number < OBJECT_LINEAR_CLASSES)
        return OBJECT_MIN + (size_t)number * 8;
    return size_class_step_bytes(number - OBJECT_LINEAR_CLASSES, 8);
}

/* The size of a class's blocks. */
static inline size_t size_class_bytes(unsigned size_class)
{
    if (size_class >= OBJECT_CLASS_FIRST)
        return object_class_bytes(size_class);
    if (size_class < LINEAR_CLASSES)
        return size_class == 0 ? 8 : (size_t)size_class * 16;
    return size_class_step_bytes(size_class - LINEAR_CLASSES, 9);
}

/* The smallest class whose block size is a multiple of the alignment, a power of two: its blocks
 * are aligned, since pools start at multiples of POOL_BYTES. */
static inline unsigned size_class_aligned(size_t size, size_t alignment)
{
    unsigned size_class = size_class_of(size);
    while ((size_class_bytes(size_class) & (alignment - 1)) != 0)
        size_class++;
    return size_class;
}

#endif
