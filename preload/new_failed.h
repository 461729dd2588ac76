/* new_failed.h: operator new where memory has run out, and where C cannot do it: C neither throws
 * nor catches. Both are left to a form of the C++ library's. */
#ifndef PRELOAD_NEW_FAILED_H
#define PRELOAD_NEW_FAILED_H

#include "operators.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* One of the eight forms of operator new. What fails in an array form is left to the plain one: the
 * library's array form would only call that, by a jump which hides who asks. */
struct new_form {
    const char *cxx_name;        /* of the C++ library's form that it is left to */
    enum operator_target target; /* what it goes on to */
    bool aligned;                /* has an argument for the alignment */
    bool nothrow;                /* returns NULL instead of an exception */
    _Atomic(const void *) next;  /* the definition behind ours in the program, once found */
};

/* The library's definition, behind ours, for the caller at this return address; NULL if there is
 * none. */
const void *new_next_definition(struct new_form *form, const void *caller);

/* Calls a definition as this form is called. */
void *new_call(const void *definition, const struct new_form *form, size_t size, size_t alignment);

/* There is no memory: runs the new-handler as often as it likes, then throws bad_alloc or returns
 * NULL. */
void *new_failed(struct new_form *form, size_t size, size_t alignment, const void *caller);

#endif
