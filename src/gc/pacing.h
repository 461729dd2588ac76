/* pacing.h: what makes a collection due, and of which generation. The configuring names of
 * molt_object.h are here: thresholds, enable and disable, molt_gc_get_count. */
#ifndef GC_PACING_H
#define GC_PACING_H

#include "collect.h"

#include "object/owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- When ---- */

/* What an owner's count of new objects may be before it comes to its slow path. */
int32_t pacing_limit(void);

/* The owner makes an object. */
void pacing_count_new(struct owner *owner);

/* Whether a collection is due, and the generation of the one that is. */
bool pacing_is_due(const struct owner *owner);
int pacing_due_generation(void);
int pacing_due_young(void); /* 0 or 1: as if no full one were */

/* ---- By who collects ---- */

/* What molt_gc_get_count tells begins anew for a generation and the younger ones. */
void pacing_reset_counts(int generation);

/* How a collection ended: 0, or an error number. */
void pacing_note_sizes(const struct collection *done, int error);
void pacing_note_put_off(int generation, int error);

/* What a full collection that came by itself has found. */
void pacing_note_yield(size_t found, size_t candidates);

/* The end of an incremental full collection. */
void pacing_note_cycle(size_t survivors);

/* How many objects a slice looks at, and how many times `gc_slice` it may take: more when more
 * objects become old while a cycle is going on than were old before, else a program could make
 * garbage faster than slices find it. */
size_t pacing_slice_objects(void);
uint64_t pacing_slice_lengths(void);

#endif
