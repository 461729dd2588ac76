/* look.h: what all that looks at objects has in common: a world that stands still, and references
 * that may be wrong.
 *
 * A type may declare what is not there, and a field may hold anything: who looks follows no
 * reference before the heap's records have said that it leads to a live object (roster.h), and
 * reads no array that is not there. What a traverse callback reads is its own affair. */
#ifndef OBJECT_LOOK_H
#define OBJECT_LOOK_H

#include "molt_object.h"

#include "base/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct look {
    bool is_still; /* all other threads stand still */
    bool collects; /* what look_end undoes … */
    bool stops;
    bool locks;
};

/* Nobody else collects, side_lock is held, and as far as they let themselves be stopped the others
 * stand still. Inside a visitor, a finalizer or another callback it is so already in part. 0, or an
 * error number: ENOMEM, or EBUSY in a traverse callback or a blocking region. */
int look_begin(struct look *look);

/* The same for those who read objects' fields: EBUSY also if a thread does not stand still. */
int look_begin_still(struct look *look);

/* The same without waiting for a collection or for long; EBUSY also for a thread that does not use
 * objects. */
int look_try_begin(struct look *look);

void look_end(const struct look *look);

/* Sets errno: -1. */
int look_fail(int error);

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
int look_references(void *object, place_visit *visit, void *context);

/* The same without those that a traverse callback tells. */
int look_declared_references(void *object, place_visit *visit, void *context);

/* Whether the object has an array of references that cannot be read. */
bool look_array_is_wild(void *object);

/* Whether the type declares the word at that offset of an object to be a reference. */
bool look_declares(const void *object, size_t offset);

/* ---- Lines ---- */

/* "+8", "[3]" or "traverse". */
void look_append_place(struct report_line *line, struct place place);

/* The type's name, cut if it is very long; `for_dot`: as part of a quoted text of that language. */
void look_append_type(struct report_line *line, unsigned type_number, bool for_dot);

#endif
