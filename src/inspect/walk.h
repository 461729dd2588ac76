/* walk.h: the references of one object, each with its place, read with care.
 *
 * The world is stopped. A type may declare what is not there, and a field may hold any word: so a
 * walk reads no array that the system does not let it read, and its user follows no reference
 * before the snapshot has told that it leads to a live object (snapshot.h). What a traverse
 * callback reads is its own affair. */
#ifndef INSPECT_WALK_H
#define INSPECT_WALK_H

#include "molt_object.h"

#include "base/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- References ---- */

enum place_kind {
    PLACE_WORD,     /* a word of the struct or an extra word: `at` is its offset */
    PLACE_ARRAY,    /* an element of the array: `at` is its index */
    PLACE_TRAVERSE, /* a reference that the traverse callback tells */
};

struct place {
    enum place_kind kind;
    size_t at;
};

typedef int place_visit(void *target, struct place place, void *context);

/* Calls `visit` for each reference of a live object that is not NULL, wherever it leads. Ends early
 * when `visit` returns something other than 0, and returns that. */
int walk_references(void *object, place_visit *visit, void *context);

/* The same without the references that a traverse callback tells. */
int walk_declared_references(void *object, place_visit *visit, void *context);

/* Whether the object has an array of references that cannot be read. */
bool walk_array_is_wild(void *object);

/* Whether the type declares the word at that offset of an object to be a reference. */
bool walk_declares(const void *object, size_t offset);

/* ---- Lines ---- */

/* "+8", "[3]" or "traverse". */
void walk_append_place(struct report_line *line, struct place place);

/* The type's name, cut if it is very long; `for_dot`: for inside a quoted string of DOT. */
void walk_append_type(struct report_line *line, unsigned type_number, bool for_dot);

#endif
