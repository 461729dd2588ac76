/* straggler.h: threads that come to no safepoint in time, and so keep a collection from being done.
 *
 * Nothing can be freed without such a thread, since it may be moving references that no count tells
 * of. So each attempt that has waited for it in vain makes the next come after twice as many
 * objects. When memory has grown much meanwhile one attempt has more patience; a thread that has
 * not come then is stuck, and is not waited for like that again. A warning tells of it, once.
 *
 * As soon as the thread comes to a safepoint it stays there until what was put off is done, for a
 * little while at most: so a thread that comes too late each time lets collections happen, too. */
#ifndef GC_STRAGGLER_H
#define GC_STRAGGLER_H

#include "base/report.h"
#include "object/owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Attempts ---- */

/* What the count of an owner's new objects may be, if the threshold is t0. */
int32_t straggler_limit(unsigned t0);

/* An attempt is due whatever the counts are. */
bool straggler_is_pressing(void);

/* How many milliseconds an attempt in a molt_new may wait for other threads. */
unsigned straggler_patience_ms(void);

/* The world stands still; or some did not come within `ms`. By who has tried. */
void straggler_note_still(void);
void straggler_note_missing(unsigned ms);

/* A collection is done, or has been given up; the threads may go on. */
void straggler_note_attempt(bool is_done);

/* ---- Threads ---- */

/* A thread that was missing is at a safepoint. */
void straggler_has_come(struct owner *owner);
/* … and stays there, until what others want to be collected is, or for LINGER_MS. */
void straggler_linger(struct owner *owner);

/* The thread that is waited for in vain: 0, if there is none, or its id, and for how long it has
 * come to no safepoint. */
unsigned straggler_missing_thread(uint64_t *ns);

/* "thread 1234 (name) has come to no safepoint for 1.5 s", if there is such a thread. */
bool straggler_append_missing(struct report_line *line);

#endif
