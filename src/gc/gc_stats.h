/* gc_stats.h: statistics of all collections so far, by generation: molt_gc_get_stats. The collector
 * notes them, any thread may read them at any time. An error number: the collection was skipped. */
#ifndef GC_GC_STATS_H
#define GC_GC_STATS_H

#include "collect.h"

#include <stddef.h>
#include <stdint.h>

/* Counts a collection. */
void gc_stats_note(const struct collection *done, int error, uint64_t duration_ns);

/* An incremental cycle counts as one collection of all its candidates when it ends; what it has
 * freed, and its time, count by the slice. */
void gc_stats_note_slice(const struct collection *slice, int error, uint64_t duration_ns);
void gc_stats_note_cycle(size_t candidates);

/* Writes a line about the collection to standard error. */
void gc_stats_say(const struct collection *done, int error, uint64_t duration_ns);

#endif
