/* scratch.h: memory for the time of one collection. A little is kept for the next. */
#ifndef GC_SCRATCH_H
#define GC_SCRATCH_H

#include <stddef.h>

/* `zeroed` bytes that are 0, and `more` behind them that may be anything: all that is taken at a
 * time. NULL when there is no memory. */
void *scratch_take(size_t zeroed, size_t more);

/* Gives them back. */
void scratch_give(void);

#endif
