/* new.c: C++'s operator new and delete, by their mangled names (Itanium ABI, 64 bits).
 *
 * Where the program replaces none of them, each form is malloc or free: the pool's record knows
 * size and alignment. Else the fast paths stay closed to operators, and from the slow paths a call
 * goes the way that operators.h shows. */
#include "export.h"
#include "new_failed.h"
#include "operators.h"

#include "alloc/malloc.h"

/* ---- new ---- */

/* Calls a definition that is not ours. A nothrow form must catch what that throws, and C cannot: so
 * the C++ library's nothrow form is called, which goes on to the same definition. Without a C++
 * library the exception passes. */
static void *new_elsewhere(struct new_form *form, enum operator_target target, size_t size,
                           size_t alignment, const void *caller)
{
    typedef void *two_sizes(size_t, size_t);
    two_sizes *seen = (two_sizes *)operator_table[target].seen;
    size_t wanted = size != 0 ? size : 1;
    void *block;
    if (target == TO_MALLOC) {
        block = seen(wanted, 0);
    } else if (target == TO_ALIGNED_ALLOC) {
        block = seen(alignment, (wanted + alignment - 1) & ~(alignment - 1));
    } else {
        const void *next = form->nothrow ? new_next_definition(form, caller) : NULL;
        return next != NULL ? new_call(next, form, size, alignment) : seen(size, alignment);
    }
    return LIKELY(block != NULL) ? block : new_failed(form, size, alignment, caller);
}

/* Entered by a jump, so the return address leads to the caller of the form. */
static NOINLINE void *new_slow(size_t size, struct new_form *form)
{
    enum operator_target target = form->target;
    void *block;
    if (LIKELY(thread_operators_open != 0))
        block = malloc_slow(size);
    else if (operator_is_replaced(&target))
        return new_elsewhere(form, target, size, 0, __builtin_return_address(0));
    else
        block = malloc_fast(size);
    return LIKELY(block != NULL) ? block : new_failed(form, size, 0, __builtin_return_address(0));
}

static NOINLINE void *new_aligned_slow(size_t size, size_t alignment, struct new_form *form)
{
    enum operator_target target = form->target;
    if (UNLIKELY(operator_is_replaced(&target)))
        return new_elsewhere(form, target, size, alignment, __builtin_return_address(0));
    void *block = malloc_aligned(alignment, size);
    return LIKELY(block != NULL) ? block
                                 : new_failed(form, size, alignment, __builtin_return_address(0));
}

#define DEFINE_NEW(mangled, goes_to, library, is_nothrow)                    \
    static struct new_form form_##mangled = {                                \
        .cxx_name = #library, .target = (goes_to), .nothrow = (is_nothrow)}; \
    EXPORT void *mangled(size_t size);                                       \
    EXPORT void *mangled(size_t size)                                        \
    {                                                                        \
        struct block *block = pop_below(thread_self.operator_limit, size);   \
        if (UNLIKELY(block == NULL))                                         \
            return new_slow(size, &form_##mangled);                          \
        block->link = 0;                                                     \
        return block;                                                        \
    }

#define DEFINE_NEW_ALIGNED(mangled, goes_to, library, is_nothrow)                             \
    static struct new_form form_##mangled = {                                                 \
        .cxx_name = #library, .target = (goes_to), .aligned = true, .nothrow = (is_nothrow)}; \
    EXPORT void *mangled(size_t size, size_t alignment);                                      \
    EXPORT void *mangled(size_t size, size_t alignment)                                       \
    {                                                                                         \
        size_t fitting = aligned_size(alignment, size);                                       \
        struct block *block = pop_below(thread_self.operator_limit, fitting);                 \
        if (UNLIKELY(block == NULL))                                                          \
            return new_aligned_slow(size, alignment, &form_##mangled);                        \
        block->link = 0;                                                                      \
        return block;                                                                         \
    }

/* new(size), new[](size); the same with nothrow */
DEFINE_NEW(_Znwm, TO_MALLOC, _Znwm, false)
DEFINE_NEW(_Znam, TO_NEW, _Znwm, false)
DEFINE_NEW(_ZnwmRKSt9nothrow_t, TO_NEW, _ZnwmRKSt9nothrow_t, true)
DEFINE_NEW(_ZnamRKSt9nothrow_t, TO_NEW_ARRAY, _ZnamRKSt9nothrow_t, true)

/* new(size, align), new[](size, align); the same with nothrow */
DEFINE_NEW_ALIGNED(_ZnwmSt11align_val_t, TO_ALIGNED_ALLOC, _ZnwmSt11align_val_t, false)
DEFINE_NEW_ALIGNED(_ZnamSt11align_val_t, TO_NEW_ALIGNED, _ZnwmSt11align_val_t, false)
DEFINE_NEW_ALIGNED(_ZnwmSt11align_val_tRKSt9nothrow_t, TO_NEW_ALIGNED,
                   _ZnwmSt11align_val_tRKSt9nothrow_t, true)
DEFINE_NEW_ALIGNED(_ZnamSt11align_val_tRKSt9nothrow_t, TO_NEW_ARRAY_ALIGNED,
                   _ZnamSt11align_val_tRKSt9nothrow_t, true)

/* ---- delete ---- */

static NOINLINE void delete_slow(void *p, size_t alignment, enum operator_target target)
{
    typedef void delete_function(void *, size_t);
    if (LIKELY(thread_operators_open != 0))
        free_slow(p);
    else if (operator_is_replaced(&target))
        ((delete_function *)operator_table[target].seen)(p, alignment);
    else
        free_fast(p);
}

static NOINLINE void delete_sized_slow(void *p, size_t size, size_t alignment,
                                       enum operator_target target)
{
    if (thread_operators_open == 0 && !operator_is_replaced(&target))
        free_sized_as("sized delete", p, size, alignment != 0);
    else
        delete_slow(p, alignment, target);
}

#define DEFINE_DELETE(mangled, target)   \
    EXPORT void mangled(void *p);        \
    EXPORT void mangled(void *p)         \
    {                                    \
        if (!delete_fast(p))             \
            delete_slow(p, 0, (target)); \
    }

#define DEFINE_DELETE_SIZED(mangled, target)         \
    EXPORT void mangled(void *p, size_t size);       \
    EXPORT void mangled(void *p, size_t size)        \
    {                                                \
        if (!delete_fast(p))                         \
            delete_sized_slow(p, size, 0, (target)); \
    }

#define DEFINE_DELETE_ALIGNED(mangled, target)      \
    EXPORT void mangled(void *p, size_t alignment); \
    EXPORT void mangled(void *p, size_t alignment)  \
    {                                               \
        if (!delete_fast(p))                        \
            delete_slow(p, alignment, (target));    \
    }

#define DEFINE_DELETE_SIZED_ALIGNED(mangled, target)             \
    EXPORT void mangled(void *p, size_t size, size_t alignment); \
    EXPORT void mangled(void *p, size_t size, size_t alignment)  \
    {                                                            \
        if (!delete_fast(p))                                     \
            delete_sized_slow(p, size, alignment, (target));     \
    }

DEFINE_DELETE(_ZdlPv, TO_FREE)                       /* delete(p) */
DEFINE_DELETE(_ZdaPv, TO_DELETE)                     /* delete[](p) */
DEFINE_DELETE(_ZdaPvRKSt9nothrow_t, TO_DELETE_ARRAY) /* delete[](p, nothrow) */
DEFINE_DELETE_SIZED(_ZdlPvm, TO_DELETE)              /* delete(p, size) */
DEFINE_DELETE_SIZED(_ZdaPvm, TO_DELETE_ARRAY)        /* delete[](p, size) */

DEFINE_DELETE_ALIGNED(_ZdlPvSt11align_val_t, TO_FREE)           /* delete(p, align) */
DEFINE_DELETE_ALIGNED(_ZdaPvSt11align_val_t, TO_DELETE_ALIGNED) /* delete[](p, align) */
/* delete[](p, align, nothrow), delete(p, size, align), delete[](p, size, align) */
DEFINE_DELETE_ALIGNED(_ZdaPvSt11align_val_tRKSt9nothrow_t, TO_DELETE_ARRAY_ALIGNED)
DEFINE_DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t, TO_DELETE_ALIGNED)
DEFINE_DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t, TO_DELETE_ARRAY_ALIGNED)

/* The remaining forms go on to the same definition as one of those above. */
SECOND_NAME(_ZdlPvRKSt9nothrow_t, _ZdaPv); /* delete(p, nothrow) */
SECOND_NAME(_ZdlPvSt11align_val_tRKSt9nothrow_t,
            _ZdaPvSt11align_val_t); /* delete(p, align, nothrow) */

/* ---- The names of which the program may see other definitions ---- */

OWN_NAME(_Znwm);
OWN_NAME(_Znam);
OWN_NAME(_ZnwmSt11align_val_t);
OWN_NAME(_ZnamSt11align_val_t);
OWN_NAME(_ZdlPv);
OWN_NAME(_ZdaPv);
OWN_NAME(_ZdlPvSt11align_val_t);
OWN_NAME(_ZdaPvSt11align_val_t);
