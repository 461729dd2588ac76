/* validate.h: what the collector relies on, looked at between its phases. In debug builds, while
 * MOLT=validate is on; in others, also in the sanitized ones, these functions are empty.
 *
 *   collector stops the world ──► validate_tables      lists, records, ages
 *   gather                    ──► validate_candidates  white bits and their list
 *   subtract                  ──► validate_numbers     references told a second time
 *   mark                      ──► validate_marks       nothing reachable refers to garbage
 *   between slices            ──► validate_shadows     what the incremental cycle has noted
 *
 * What is wrong ends the program with a line that names the object, its type, and who has probably
 * caused it: most often the program, by a traverse callback or by a thread that changes fields
 * while it has said that it uses no objects. (That no more fields refer to an object than it has
 * references is looked at in every build: deduce.c.)
 *
 * Everything here under gc_table_lock, in a world that stands still. */
#ifndef GC_VALIDATE_H
#define GC_VALIDATE_H

#include "object/gc_table.h"

struct shadow;

#ifdef MOLT_VALIDATE

#define IN_VALIDATE 1 /* this build has the option `validate` */

/* Before a collection of that generation: the lists of tables, and the tables, where no collection
 * has left a note. The generation's objects are looked at one by one. */
void validate_tables(int generation);

/* Before a deduction: each table is in the list once, and no block is white that does not exist. */
void validate_candidates(struct gc_table *tables);

/* After subtract: what is white is an object, and its number is its count less the references that
 * candidates hold. */
void validate_numbers(struct gc_table *tables);

/* After mark, before what is left is white. */
void validate_marks(struct gc_table *tables);

/* All of a cycle, and those that are listed as gray. */
void validate_shadows(const struct shadow *all, const struct shadow *gray);

/* A collection was broken off: what it had condemned, or promoted in part, stays so. */
void validate_note_broken_off(void);

#else

#define IN_VALIDATE 0

static inline void validate_tables(int generation)
{
    (void)generation;
}

static inline void validate_candidates(struct gc_table *tables)
{
    (void)tables;
}

static inline void validate_numbers(struct gc_table *tables)
{
    (void)tables;
}

static inline void validate_marks(struct gc_table *tables)
{
    (void)tables;
}

static inline void validate_shadows(const struct shadow *all, const struct shadow *gray)
{
    (void)all;
    (void)gray;
}

static inline void validate_note_broken_off(void)
{
}

#endif

#endif
