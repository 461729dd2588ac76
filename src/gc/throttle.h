/* throttle.h: a thread that makes objects faster than a collection frees garbage waits for it.
 *
 * Code of the program that runs in the collection may wait for that thread in turn, so it goes on
 * as soon as the collection makes no progress. */
#ifndef GC_THROTTLE_H
#define GC_THROTTLE_H

#include "object/owner.h"

#include <stdint.h>

/* Somebody else collects: waits for the end of that if the count of the owner's new objects is
 * several times its limit. */
void throttle_wait(struct owner *owner, int32_t limit);

/* By who collects: some garbage has been dealt with. */
void throttle_note_progress(void);

#endif
