/* forms.h: the forms of operator new and delete, and what each calls when the program does not
 * define it, by [new.delete] and in libstdc++. For cases that define some of them. */
#ifndef FORMS_H
#define FORMS_H

#include "case.h"
#include <new>

enum form {
    NEW,
    NEW_ARRAY,
    NEW_NOTHROW,
    NEW_ARRAY_NOTHROW,
    NEW_ALIGNED,
    NEW_ARRAY_ALIGNED,
    NEW_ALIGNED_NOTHROW,
    NEW_ARRAY_ALIGNED_NOTHROW,
    DELETE,
    DELETE_ARRAY,
    DELETE_SIZED,
    DELETE_ARRAY_SIZED,
    DELETE_NOTHROW,
    DELETE_ARRAY_NOTHROW,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
    DELETE_SIZED_ALIGNED,
    DELETE_ARRAY_SIZED_ALIGNED,
    DELETE_ALIGNED_NOTHROW,
    DELETE_ARRAY_ALIGNED_NOTHROW,
    FORMS,
    /* malloc's family below them */
    MALLOC = FORMS,
    ALIGNED_ALLOC,
    FREE,
    FUNCTIONS
};

enum { NEW_FORMS = DELETE };

static const enum form form_calls_next[FORMS] = {
    /* new */ MALLOC,
    NEW,
    NEW,
    NEW_ARRAY,
    ALIGNED_ALLOC,
    NEW_ALIGNED,
    NEW_ALIGNED,
    NEW_ARRAY_ALIGNED,
    /* delete */ FREE,
    DELETE,
    DELETE,
    DELETE_ARRAY,
    DELETE,
    DELETE_ARRAY,
    FREE,
    DELETE_ALIGNED,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
};

/* How often each definition of the case's own has been called. */
extern "C" int form_calls[FUNCTIONS];

static const std::align_val_t form_alignment = std::align_val_t(64);

static inline void *call_new(enum form form, std::size_t size)
{
    switch (form) {
    case NEW:
        return ::operator new(size);
    case NEW_ARRAY:
        return ::operator new[](size);
    case NEW_NOTHROW:
        return ::operator new(size, std::nothrow);
    case NEW_ARRAY_NOTHROW:
        return ::operator new[](size, std::nothrow);
    case NEW_ALIGNED:
        return ::operator new(size, form_alignment);
    case NEW_ARRAY_ALIGNED:
        return ::operator new[](size, form_alignment);
    case NEW_ALIGNED_NOTHROW:
        return ::operator new(size, form_alignment, std::nothrow);
    default:
        return ::operator new[](size, form_alignment, std::nothrow);
    }
}

static inline void call_delete(enum form form, void *p, std::size_t size)
{
    switch (form) {
    case DELETE:
        return ::operator delete(p);
    case DELETE_ARRAY:
        return ::operator delete[](p);
    case DELETE_SIZED:
        return ::operator delete(p, size);
    case DELETE_ARRAY_SIZED:
        return ::operator delete[](p, size);
    case DELETE_NOTHROW:
        return ::operator delete(p, std::nothrow);
    case DELETE_ARRAY_NOTHROW:
        return ::operator delete[](p, std::nothrow);
    case DELETE_ALIGNED:
        return ::operator delete(p, form_alignment);
    case DELETE_ARRAY_ALIGNED:
        return ::operator delete[](p, form_alignment);
    case DELETE_SIZED_ALIGNED:
        return ::operator delete(p, size, form_alignment);
    case DELETE_ARRAY_SIZED_ALIGNED:
        return ::operator delete[](p, size, form_alignment);
    case DELETE_ALIGNED_NOTHROW:
        return ::operator delete(p, form_alignment, std::nothrow);
    default:
        return ::operator delete[](p, form_alignment, std::nothrow);
    }
}

/* Whether the case defines the form or function. */
static inline bool form_in(unsigned mask, unsigned form)
{
    return mask >> form & 1;
}

/* A call of `form` must have reached the first definition on the way down, and the last one, which
 * definitions of the case's own call by themselves. */
static inline void check_form_calls(unsigned mask, unsigned form)
{
    int expected[FUNCTIONS] = {0};
    bool reached = false;
    for (unsigned at = form; at < FORMS; at = form_calls_next[at]) {
        if (form_in(mask, at) && !reached) {
            expected[at] = 1;
            reached = true;
        }
        form = form_calls_next[at];
    }
    expected[form] = form_in(mask, form);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        CHECK_MSG(form_calls[i] == expected[i],
                  "definitions %06x, %d calls of %u where %d were expected", mask, form_calls[i], i,
                  expected[i]);
        form_calls[i] = 0;
    }
}

/* Every form of new with every form of delete, for sizes of pools, runs and mappings. */
static inline void check_forms(unsigned mask)
{
    static const std::size_t sizes[] = {0, 1, 24, 700, 5000, 100000, 3 * MIB};
    for (std::size_t size : sizes) {
        for (unsigned i = 0; i < NEW_FORMS; i++) {
            bool aligned = i >= NEW_ALIGNED;
            unsigned first = aligned ? DELETE_ALIGNED : DELETE;
            unsigned end = aligned ? unsigned(FORMS) : unsigned(DELETE_ALIGNED);
            for (unsigned j = first; j < end; j++) {
                memset(form_calls, 0, sizeof form_calls);
                void *p = opaque(call_new(form(i), size));
                check_form_calls(mask, i);
                REQUIRE(p && (!aligned || is_aligned(p, std::size_t(form_alignment))));
                fill_bytes(p, size, i);
                CHECK(has_bytes(p, size, i));
                call_delete(form(j), p, size);
                check_form_calls(mask, j);
            }
        }
    }
}

/* Out of memory: every form throws, or returns NULL, whichever of them are the case's own. */
static inline void check_forms_without_memory()
{
    std::size_t size = opaque_size(std::size_t(1) << 62);
    for (unsigned i = 0; i < NEW_FORMS; i++) {
        bool nothrow = i == NEW_NOTHROW || i == NEW_ARRAY_NOTHROW || i == NEW_ALIGNED_NOTHROW ||
                       i == NEW_ARRAY_ALIGNED_NOTHROW;
        bool thrown = false;
        void *p = nullptr;
        try {
            p = opaque(call_new(form(i), size));
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        CHECK_MSG(p == nullptr && thrown == !nothrow, "form %u", i);
    }
}

#endif
