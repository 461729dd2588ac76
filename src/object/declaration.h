/* declaration.h: checks what a type declares of its objects, before it is registered. */
#ifndef OBJECT_DECLARATION_H
#define OBJECT_DECLARATION_H

#include "molt_object.h"

#include "base/attributes.h"
#include "base/report.h"

#include <stdbool.h>

/* False: the declaration cannot be true. The line says why; it begins with the type's name, if it
 * has one. */
COLD bool declaration_is_valid(const molt_type *type, struct report_line *why);

/* Whether the type's bitmap declares that word of 8 bytes to be a reference. */
static inline bool declaration_has_word(const molt_type *type, size_t word)
{
    return (type->ref_bitmap[word / 64] >> (word % 64) & 1) != 0;
}

#endif
