/* scratch.h: temporary memory for one collection: mapped for it, so that the heap is not touched. A
 * small mapping is kept for the next collection. By the collector alone. */
#ifndef GC_SCRATCH_H
#define GC_SCRATCH_H

#include <stddef.h>

/* `zeroed` bytes of zeroes, followed by `more` uninitialized bytes; NULL: no memory. Only one such
 * piece is in use at a time. */
void *scratch_take(size_t zeroed, size_t more);

/* Gives the piece back, if one is in use. */
void scratch_give(void);

#endif
