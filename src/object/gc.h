/* gc.h: when to collect. collect.h is how. */
#ifndef OBJECT_GC_H
#define OBJECT_GC_H

#include "owner.h"
#include "type.h"

#include <stddef.h>
#include <stdint.h>

/* What a thread's count of new objects may be before it comes to its slow path. */
int32_t gc_limit(void);

/* The owner is about to make an object: collects if that is due. */
void gc_note_new(struct owner *owner, const struct descriptor *type);

/* The collection that is due by now: the unreachable objects, or -1 and errno. */
long gc_collect_due(void);

/* All owners take their limits anew. */
void gc_tell_limit(void);

/* It could not be made. */
void gc_take_back_new(struct owner *owner, const struct descriptor *type);

/* Large objects that take part in collections have been made or have died. */
void gc_note_large(ptrdiff_t bytes);

/* What molt_gc_get_count tells begins anew for a generation and the younger ones. */
void gc_reset_counts(int generation);

/* While a forked child is repaired. */
void gc_repair(void);

/* Finalizes cyclic garbage; then, if that is wanted, says what is left. */
void gc_at_exit(void);

#endif
