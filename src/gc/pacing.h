/* pacing.h: when a collection is due, and of which generation: all reasons in one place.
 *
 * A thread asks before it makes a tracked object. A collection is due (pacing_is_due) if
 *
 *   new objects   the thread's count of them, made less died, is above threshold 0, which doubles
 *                 with each failed attempt in a row (straggler_limit)
 *   large bytes   large objects take more than 16 MiB, and more than twice what they took after
 *                 the last full collection
 *   pressing      a straggler has come, or memory has grown much while attempts failed
 *                 (straggler_is_pressing)
 *
 * but never if threshold 0 is 0, after molt_gc_disable, or while one that is due is deferred
 * (deferral.h). Its generation is the oldest that there is a reason for (pacing_due_generation):
 *
 *   2 old         large bytes, as above
 *                 growth: survivors of middle collections since the last full one are at least 1/4
 *                 of the old objects (2/4, then 3/4 while full ones find next to nothing); and
 *                 they are more than 10,000, or middle collections were more than threshold 2
 *                 put off: a full collection was due, but a thread came to no safepoint
 *   1 middle      young collections since the last older one were more than threshold 1; put off
 *   0 young       otherwise
 *
 * With MOLT=gc=incremental a full collection that is due is a cycle of slices instead, one after
 * each younger collection (slice.h).
 *
 * Configured here: the thresholds (at first 700, 10, 10), and whether anything is due at all
 * (molt_gc_enable, molt_gc_disable). molt_gc_get_count tells the counts. */
#ifndef GC_PACING_H
#define GC_PACING_H

#include "collect.h"

#include "object/owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- What is due ---- */

/* The count of new objects above which the owner asks again: its limit. */
int32_t pacing_limit(void);

/* The owner makes a tracked object. */
void pacing_count_new(struct owner *owner);

bool pacing_is_due(const struct owner *owner);
int pacing_due_generation(void);
int pacing_due_young(void); /* pacing_due_generation as if there were no reason for 2 */

/* ---- What collections note ---- */

/* A collection of that generation begins: new objects and younger collections are counted anew. */
void pacing_reset_counts(int generation);

/* A collection has ended: 0, or an error number. */
void pacing_note_sizes(const struct collection *done, int error);
void pacing_note_put_off(int generation, int error);

/* A full collection that was due has found so many unreachable objects. */
void pacing_note_yield(size_t found, size_t candidates);

/* An incremental cycle has ended. */
void pacing_note_cycle(size_t survivors);

/* The objects that a slice works on, and the multiple of `gc_slice` that it may take: more if,
 * while the cycle goes on, more objects become old than were old before. Else a program could make
 * garbage faster than slices find it. */
size_t pacing_slice_objects(void);
uint64_t pacing_slice_lengths(void);

#endif
