/* scratch.h: memory for the time of one collection. A little is kept for the next. */
#ifndef OBJECT_SCRATCH_H
#define OBJECT_SCRATCH_H

#include <stddef.h>

/* `bytes` zeroed bytes, all there are at a time; NULL when there is no memory. */
void *scratch_take(size_t bytes);

/* Gives them back. */
void scratch_give(void);

#endif
