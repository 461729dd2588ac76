/* operators.h: what C++'s forms of operator new and delete go on to.
 *
 * A program may replace any of the twenty forms, and malloc's family as well. The forms that it
 * does not replace must reach those that it does, as libstdc++'s would (LWG 206, [new.delete]):
 *
 *   new[]  new(nothrow)  ──> new ──> malloc            delete[]  delete(size, nothrow) ──> delete
 *   new[](nothrow)  ──> new[] ──> new                  delete[](size, nothrow) ──> delete[]
 *   the same among the aligned forms, down to          delete, delete(align) ──> free
 *   new(align) ──> aligned_alloc
 *
 * The loader binds each of these names in the program's order when it relocates this library; the
 * table holds what it has found, beside our own definition. So nothing has to be looked up later.
 * Where all are ours, the operators' fast paths are opened (thread_operators_open) and the table is
 * not looked at again. */
#ifndef PRELOAD_OPERATORS_H
#define PRELOAD_OPERATORS_H

#include "base/attributes.h"

#include <stdbool.h>

/* What a form may go on to: X(its constant, its mangled name, what ours goes on to in turn). */
#define OPERATOR_TARGETS(X)                                       \
    X(TO_MALLOC, malloc, TO_MALLOC)                               \
    X(TO_NEW, _Znwm, TO_MALLOC)                                   \
    X(TO_NEW_ARRAY, _Znam, TO_NEW)                                \
    X(TO_ALIGNED_ALLOC, aligned_alloc, TO_ALIGNED_ALLOC)          \
    X(TO_NEW_ALIGNED, _ZnwmSt11align_val_t, TO_ALIGNED_ALLOC)     \
    X(TO_NEW_ARRAY_ALIGNED, _ZnamSt11align_val_t, TO_NEW_ALIGNED) \
    X(TO_FREE, free, TO_FREE)                                     \
    X(TO_DELETE, _ZdlPv, TO_FREE)                                 \
    X(TO_DELETE_ARRAY, _ZdaPv, TO_DELETE)                         \
    X(TO_DELETE_ALIGNED, _ZdlPvSt11align_val_t, TO_FREE)          \
    X(TO_DELETE_ARRAY_ALIGNED, _ZdaPvSt11align_val_t, TO_DELETE_ALIGNED)

#define OPERATOR_TARGET(target, name, next) target,
enum operator_target { OPERATOR_TARGETS(OPERATOR_TARGET) };

struct operator_definition {
    const void *seen;          /* the definition that the program sees under the name */
    const void *own;           /* this library's */
    enum operator_target next; /* what this library's goes on to; itself at the end */
};

extern HIDDEN const struct operator_definition operator_table[];

/* Moves *target down to the first target whose definition is not ours. False if all the way down
 * are ours: then the caller may use the heap itself. */
bool operator_is_replaced(enum operator_target *target);

#endif
