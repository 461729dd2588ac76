/* gc_stats.h: what collections have done, by generation: molt_gc_get_stats. Noted by who collects,
 * read by anybody at any time. */
#ifndef GC_GC_STATS_H
#define GC_GC_STATS_H

#include "collect.h"

#include <stddef.h>
#include <stdint.h>

/* A collection has come to its end, or was skipped (an error number). */
void gc_stats_note(const struct collection *done, int error, uint64_t duration_ns);

/* A slice of an incremental collection; the last one with the cycle's candidates, others with 0. */
void gc_stats_note_slice(const struct collection *slice, int error, uint64_t duration_ns);
void gc_stats_note_cycle(size_t candidates);

/* A line on standard error. */
void gc_stats_say(const struct collection *done, int error, uint64_t duration_ns);

#endif
