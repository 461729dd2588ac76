/* new_failed.h: what operator new does when memory has run out, and where C cannot do its work: C
 * neither throws nor catches. Both are left to the C++ library's form of the operator. */
#ifndef PRELOAD_NEW_FAILED_H
#define PRELOAD_NEW_FAILED_H

#include "operators.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* One of the eight forms of operator new. An array form that fails leaves the rest to the C++
 * library's plain form: the library's array form would only call that, by a jump that hides who
 * called. */
struct new_form {
    const char *cxx_name;        /* mangled name of the C++ library's form that takes over */
    enum operator_target target; /* what the form calls (operators.h) */
    bool aligned;                /* the form has an argument for the alignment */
    bool nothrow;                /* the form returns NULL instead of throwing */
    _Atomic(const void *) next;  /* the definition behind ours in the program, once found */
};

/* Returns the C++ library's definition, which stands behind ours, for the caller at this return
 * address; NULL: there is none. */
const void *new_next_definition(struct new_form *form, const void *caller);

/* Calls a definition with the arguments of this form. */
void *new_call(const void *definition, const struct new_form *form, size_t size, size_t alignment);

/* Does what is left to do without memory: runs the new-handler as often as that likes, then throws
 * bad_alloc or returns NULL. */
void *new_failed(struct new_form *form, size_t size, size_t alignment, const void *caller);

#endif
