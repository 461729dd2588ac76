/* type.h: types, and the references that their objects hold.
 *
 * A type is registered at its first molt_new: it gets a number, which its objects' headers hold,
 * and a descriptor. Descriptors are never freed or changed, so they are read without a lock;
 * type_lock orders registrations.
 *
 * The declared references of an object are its slots, numbered from 0: the fields of the struct,
 * then the elements of the array, then the extra words. Collecting, releasing and inspecting walk
 * over slots. References that a traverse callback tells have none. */
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
    uint32_t size;       /* bytes of the struct, rounded up to 8 */
    uint16_t size_class; /* of an object without extra bytes; 0: such an object is large */
    uint16_t alignment;
    bool tracked;      /* objects can be in a cycle, so collections visit them */
    bool has_more;     /* slots beyond the fields: an array, or extra words */
    bool has_traverse; /* references that have no slot */
    bool only_fields;  /* !has_more && !has_traverse */
    bool is_plain;     /* no finalizer, dispose or clear: death only releases the slots */
    bool is_simple;    /* is_plain, and all slots are fields */
    bool is_bare;      /* is_plain, and there are no references */
};

/* Descriptors by type number; no type has the number 0. */
extern HIDDEN _Atomic(struct descriptor *) type_table[1 << 16];

/* A type's descriptor; registers the type if need be. NULL with ENOMEM, or with EINVAL: the reason
 * is written to standard error, once for each type. */
const struct descriptor *type_register(const molt_type *type);

/* The size class for an object of `bytes` bytes; 0: such an object is large. */
unsigned type_class_for(const struct descriptor *type, size_t bytes);

/* While a forked child is repaired. */
COLD void type_repair(void);

/* The number of types, and the highest type number. */
unsigned type_count(void);

/* What the library keeps in a molt_type: what molt_new needs on its fast path. */
struct type_cache {
    _Atomic uint32_t number; /* 0: not registered */
    uint32_t bytes;          /* of a block of the size class */
    _Atomic uint32_t
        list;         /* offset in a heap of the class's free list, stored last; 0: slow path */
    uint16_t tracked; /* the descriptor's */
    _Atomic uint16_t is_refused; /* the reason has been written */
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

/* The descriptor of a type number, which has 16 bits; or NULL. */
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

/* All slots of an object. */
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

/* The nth reference field of an object whose type has that list of fields; and its value. */
static ALWAYS_INLINE molt_slot *type_field_at(const uint16_t *fields, const void *object,
                                              uint32_t n)
{
    return (molt_slot *)((char *)(uintptr_t)object + (size_t)fields[n] * 8);
}

static ALWAYS_INLINE void *type_field(const uint16_t *fields, const void *object, uint32_t n)
{
    return *type_field_at(fields, object, n);
}

/* Calls `visit` for each reference of an object that is not NULL and is no field of the struct.
 * Ends early when `visit` returns something other than 0, and returns that. */
int type_visit_more(const struct descriptor *type, void *object, size_t bytes, molt_visit *visit,
                    void *context);

/* The same for the references that the type's traverse callback tells; the type must have one. */
int type_traverse(const struct descriptor *type, void *object, molt_visit *visit, void *context);

/* The same for all references. Inlined, so that the compiler inlines `visit` as well. */
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
