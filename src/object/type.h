/* type.h: what the library knows of a type: a descriptor for each of its numbers.
 *
 * A type is registered at its first molt_new. Its declared references become one list of slots,
 * numbered from 0: the fields in the struct, then the array's elements, then the extra words. All
 * that walks over references (collecting, releasing, telling) walks over slots; only what a
 * traverse callback tells has none. */
#ifndef OBJECT_TYPE_H
#define OBJECT_TYPE_H

#include "find.h" // object_bytes
#include "header.h"

#include "molt_object.h"

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TYPE_MAX 65000u

struct descriptor {
    const molt_type *type;
    const uint16_t *fields; /* offsets / 8 of the reference fields in the struct */
    uint32_t field_count;
    uint32_t size;       /* of the struct, in multiples of 8 */
    uint16_t size_class; /* of an object without extra bytes; 0: it is large */
    uint16_t alignment;
    bool tracked;      /* collections look at its objects */
    bool has_more;     /* slots beyond the fields: an array or extra words */
    bool has_traverse; /* references that have no slot */
    bool only_fields;  /* neither: all references are fields */
    bool is_plain;     /* no finalizer, dispose or clear: dying is no more than its slots … */
    bool is_simple;    /* … which are fields all … */
    bool is_bare;      /* … and there are none */
};

/* Descriptors by type number; number 0 is none. */
extern HIDDEN _Atomic(struct descriptor *) type_table[1 << 16];

/* A type's descriptor, registering it if need be; NULL and ENOMEM, or EINVAL, whose reason has been
 * written to standard error then. */
const struct descriptor *type_register(const molt_type *type);

/* The size class for an object of `bytes` bytes, or 0: it is large. */
unsigned type_class_for(const struct descriptor *type, size_t bytes);

/* While a forked child is repaired. */
void type_repair(void);

/* How many numbers are given out. */
unsigned type_count(void);

/* What the library keeps in a type: the number, and the small things that molt_new needs. */
struct type_cache {
    _Atomic uint32_t number; /* 0: not registered */
    uint32_t bytes;          /* of the size class */
    _Atomic uint32_t list; /* where in a heap the class's free blocks hang, told last of all; 0: ask
                              the descriptor */
    uint16_t tracked;
    _Atomic uint16_t is_refused; /* and why has been said */
};

_Static_assert(sizeof(struct type_cache) == sizeof(((molt_type *)0)->molt_private),
               "molt_type has room for the cache");

static ALWAYS_INLINE struct type_cache *type_cache(const molt_type *type)
{
    return (struct type_cache *)(uintptr_t)type->molt_private;
}

static ALWAYS_INLINE unsigned type_number(const struct type_cache *cache)
{
    return atomic_load_explicit(&cache->number, memory_order_relaxed);
}

/* The descriptor of a number of 16 bits, or NULL. */
static ALWAYS_INLINE const struct descriptor *type_by_number(unsigned number)
{
    return atomic_load_explicit(&type_table[number], memory_order_acquire);
}

static ALWAYS_INLINE const struct descriptor *type_of(const void *object)
{
    return type_by_number(header_type(header_of(object)));
}

/* Whether the header of a block for objects is that of a live object. */
static ALWAYS_INLINE bool header_is_live(uint64_t header)
{
    return tag_is_live(header_tag(header)) && type_by_number(header_type(header)) != NULL;
}

/* ---- Slots ---- */

/* An object's reference fields. */
struct slots {
    char *object;
    const uint16_t *fields;
    molt_slot *array, *extra;
    size_t field_count, array_count, extra_count;
};

/* `bytes`: object_bytes(object). */
struct slots type_slots(const struct descriptor *type, void *object, size_t bytes);

static inline size_t slots_count(const struct slots *slots)
{
    return slots->field_count + slots->array_count + slots->extra_count;
}

static inline molt_slot *slots_at(const struct slots *slots, size_t number)
{
    if (LIKELY(number < slots->field_count))
        return (molt_slot *)(slots->object + (size_t)slots->fields[number] * 8);
    number -= slots->field_count;
    if (number < slots->array_count)
        return &slots->array[number];
    return &slots->extra[number - slots->array_count];
}

/* The nth reference field of an object whose type has that list of fields, and what is in it. */
static ALWAYS_INLINE molt_slot *type_field_at(const uint16_t *fields, const void *object,
                                              uint32_t n)
{
    return (molt_slot *)((char *)(uintptr_t)object + (size_t)fields[n] * 8);
}

static ALWAYS_INLINE void *type_field(const uint16_t *fields, const void *object, uint32_t n)
{
    return *type_field_at(fields, object, n);
}

/* Calls `visit` for every reference of an object that is not NULL and lies outside the struct; ends
 * early, with its result, when that is not 0. */
int type_visit_more(const struct descriptor *type, void *object, size_t bytes, molt_visit *visit,
                    void *context);

/* The same for what the type's traverse callback tells, but for NULL; it must have one. */
int type_traverse(const struct descriptor *type, void *object, molt_visit *visit, void *context);

/* The same for all references. Inlined, so that `visit` is a plain function for the compiler. */
static ALWAYS_INLINE int type_visit(const struct descriptor *type, void *object, molt_visit *visit,
                                    void *context)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        void *target = type_field(type->fields, object, i);
        int result = target == NULL ? 0 : visit(target, context);
        if (result != 0)
            return result;
    }
    if (UNLIKELY(!type->only_fields))
        return type_visit_more(type, object, object_bytes(object), visit, context);
    return 0;
}

#endif
