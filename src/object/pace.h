/* pace.h: what is done when collections and the threads that make objects do not keep step.
 *
 * A thread that comes to no safepoint keeps every collection from being done: nothing can be freed
 * without it, since it may be moving references that no count tells of. So each attempt that has
 * waited for it in vain makes the next come after twice as many objects. When memory has grown much
 * meanwhile one attempt has more patience; a thread that has not come then is stuck, and is not
 * waited for like that again. A warning tells of it, once.
 *
 * As soon as the thread comes to a safepoint it stays there until what was put off is done, for a
 * little while at most: then also one that comes too late each time lets collections happen.
 *
 * Who makes objects faster than a collection frees garbage waits for it. Code of the program that
 * runs in the collection may wait for that thread in turn, so it goes on as soon as no progress is
 * seen. */
#ifndef OBJECT_PACE_H
#define OBJECT_PACE_H

#include "owner.h"

#include "base/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Attempts ---- */

/* What the count of an owner's new objects may be, if the threshold is t0. */
int32_t pace_limit(unsigned t0);

/* An attempt is due whatever the counts are. */
bool pace_is_pressing(void);

/* How many milliseconds an attempt in a molt_new may wait for other threads. */
unsigned pace_patience_ms(void);

/* Memory for tracked objects has been taken into use: a page, or a large object. */
void pace_note_memory(size_t bytes);

/* The world stands still; or some did not come within `ms`. By who has tried. */
void pace_note_still(void);
void pace_note_missing(unsigned ms);

/* A collection is done, or has been given up; the threads may go on. */
void pace_note_attempt(bool is_done);

/* ---- Threads ---- */

/* The calling thread's owner is at a safepoint: from now on, where it has stood still there, or has
 * left objects alone. Whether it was missing. */
bool pace_arrive(struct owner *owner);
/* … then it stays there, until what others want to be collected is. */
void pace_linger(struct owner *owner);

/* The thread that is waited for in vain: 0, if there is none, or its id, and for how long it has
 * come to no safepoint. */
unsigned pace_missing_thread(uint64_t *ns);

/* "thread 1234 (name) has come to no safepoint for 1.5 s", if there is such a thread. */
bool pace_append_missing(struct report_line *line);

/* ---- Those who make objects, and who collects ---- */

/* Somebody else collects: waits for the end of that if the count of the owner's new objects is
 * several times its limit. */
void pace_wait(struct owner *owner, int32_t limit);

/* By who collects: some garbage has been dealt with. */
void pace_note_progress(void);

#endif
