/* misuse.h: reports of wrong pointers: what p is, in one line, and then abort. */
#ifndef ALLOC_MISUSE_H
#define ALLOC_MISUSE_H

#include "base/attributes.h"

#include <stddef.h>

/* p is no live block: finds out what it is. `operation` is "free", "realloc", …:
 *   molt: error: double free of 0x… (64 bytes)
 *   molt: error: invalid free of 0x…: 16 bytes inside a block of 64 bytes at 0x… */
COLD _Noreturn void misuse_report(const char *operation, const void *p);

/* The size of a sized free is not the block's. */
COLD _Noreturn void misuse_report_size(const char *operation, const void *p, size_t size,
                                       size_t block_bytes);

/* The program has overwritten the link of a free block. */
COLD _Noreturn void misuse_report_written(const void *block, size_t bytes);

/* p is an object, which free and realloc must not take. */
COLD _Noreturn void misuse_report_object(const char *operation, const void *p);

#endif
