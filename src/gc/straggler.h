/* straggler.h: stragglers: threads that come to no safepoint in time, so that an attempt to stop
 * the world for a collection fails.
 *
 * No cyclic garbage can be freed without such a thread, since it may be moving references that no
 * count tells of. So the collector backs off: each failed attempt in a row doubles the number of
 * new objects until the next one. Where memory has grown much meanwhile, one attempt is patient; a
 * thread that has not come then is stuck, and is not waited for like that again. A warning tells of
 * it, once.
 *
 * When the straggler comes to a safepoint it lingers there until another thread has collected, or
 * for 50 ms: so collections also happen beside a thread that is too late each time. */
#ifndef GC_STRAGGLER_H
#define GC_STRAGGLER_H

#include "base/report.h"
#include "object/owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Attempts to stop the world ---- */

/* The count of new objects above which an owner attempts to collect: t0, doubled by each failure.
 */
int32_t straggler_limit(unsigned t0);

/* An attempt is due in any case: a straggler has come, or the next attempt may be patient. */
bool straggler_is_pressing(void);

/* How many milliseconds an attempt in molt_new may wait for other threads. */
unsigned straggler_patience_ms(void);

/* The attempt of the calling thread has stopped the world; or threads are missing after `ms`. */
void straggler_note_still(void);
void straggler_note_missing(unsigned ms);

/* A collection has ended, done or not: stragglers need not linger for it. */
void straggler_note_attempt(bool is_done);

/* ---- Threads ---- */

/* The owner's thread, which was missing, is at a safepoint. */
void straggler_has_come(struct owner *owner);

/* Keeps it there until another thread has collected, or for LINGER_MS. */
void straggler_linger(struct owner *owner);

/* The id of a thread that is missing, and for how long it has come to no safepoint; 0: there is
 * none. */
unsigned straggler_missing_thread(uint64_t *ns);

/* Appends "thread 1234 (name) has come to no safepoint for 1.5 s". False: none is missing. */
bool straggler_append_missing(struct report_line *line);

#endif
