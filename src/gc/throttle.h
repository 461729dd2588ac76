/* throttle.h: a thread that makes objects while another one collects waits for that: else many
 * threads could make garbage faster than one collector frees it.
 *
 * Finalizers and callbacks that the collector runs may in turn wait for the throttled thread. So it
 * goes on when the collector makes no progress, until it has made twice as many objects. */
#ifndef GC_THROTTLE_H
#define GC_THROTTLE_H

#include "object/owner.h"

#include <stdint.h>

/* Waits, at safepoints, until nobody collects, if the owner's count of new objects is several times
 * its limit. */
void throttle_wait(struct owner *owner, int32_t limit);

/* By the collector, for each object that it finalizes, clears or frees. */
void throttle_note_progress(void);

#endif
