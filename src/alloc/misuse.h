/* misuse.h: what is said of a pointer that is no live block. */
#ifndef ALLOC_MISUSE_H
#define ALLOC_MISUSE_H

#include "base/attributes.h"

#include <stddef.h>

/* Finds out what p is, says it in one line and aborts. `operation` is "free", "realloc", …:
 *   molt: error: double free of 0x… (64 bytes)
 *   molt: error: invalid free of 0x…: 16 bytes inside a block of 64 bytes at 0x… */
COLD _Noreturn void misuse_report(const char *operation, const void *p);

/* A sized free whose size is not the block's. */
COLD _Noreturn void misuse_report_size(const char *operation, const void *p, size_t size,
                                       size_t block_bytes);

/* A free block whose link has been overwritten. */
COLD _Noreturn void misuse_report_written(const void *block, size_t bytes);

/* free or realloc of an object. */
COLD _Noreturn void misuse_report_object(const char *operation, const void *p);

#endif
