/* footprint.h: how much memory molt has from the OS, now and at the peak. Changes are rare (an
 * arena, a huge block's mapping), so two atomics do. */
#ifndef ALLOC_FOOTPRINT_H
#define ALLOC_FOOTPRINT_H

#include <stddef.h>

void footprint_grow(size_t bytes);
void footprint_shrink(size_t bytes);

size_t footprint_now(void);
size_t footprint_peak(void);

#endif
