/* walk.h: what all that looks at objects has in common: a world that stands still, and references
 * that may be wrong.
 *
 * A type may declare what is not there, and a field may hold anything: who looks follows no
 * reference before the heap's records have said that it leads to a live object (snapshot.h), and
 * reads no array that is not there. What a traverse callback reads is its own affair. */
#ifndef INSPECT_WALK_H
#define INSPECT_WALK_H

#include "molt_object.h"

#include "base/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- References ---- */

enum place_kind {
    PLACE_WORD,     /* in the struct or the extra words: `at` is the offset */
    PLACE_ARRAY,    /* `at` is the index */
    PLACE_TRAVERSE, /* told by the callback */
};

struct place {
    enum place_kind kind;
    size_t at;
};

typedef int place_visit(void *target, struct place place, void *context);

/* Calls `visit` for every reference of a live object that is not NULL, whatever it is; ends early,
 * with its result, when that is not 0. */
int walk_references(void *object, place_visit *visit, void *context);

/* The same without those that a traverse callback tells. */
int walk_declared_references(void *object, place_visit *visit, void *context);

/* Whether the object has an array of references that cannot be read. */
bool walk_array_is_wild(void *object);

/* Whether the type declares the word at that offset of an object to be a reference. */
bool walk_declares(const void *object, size_t offset);

/* ---- Lines ---- */

/* "+8", "[3]" or "traverse". */
void walk_append_place(struct report_line *line, struct place place);

/* The type's name, cut if it is very long; `for_dot`: as part of a quoted text of that language. */
void walk_append_type(struct report_line *line, unsigned type_number, bool for_dot);

#endif
