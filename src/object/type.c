/* type.c: registering types, and walking over references outside the struct. */
#include "type.h"

#include "declaration.h"
#include "owner.h" // owner_suspend

#include "alloc/malloc.h"
#include "alloc/size_class.h"
#include "base/lock.h"
#include "base/report.h"

#include <errno.h>
#include <string.h>

_Atomic(struct descriptor *) type_table[1 << 16];

static struct lock type_lock = LOCK_INIT(RANK_TYPE);
static _Atomic unsigned numbers_given;

unsigned type_count(void)
{
    return atomic_load_explicit(&numbers_given, memory_order_acquire);
}

/* ---- Is the type in order? ---- */

/* False: all numbers are given out. The line says so. */
static bool has_number_left(const molt_type *type, struct report_line *why)
{
    if (type_count() < TYPE_MAX)
        return true;
    report_append(why, "%s: there are %u types already, and no more can be", type->name, TYPE_MAX);
    return false;
}

static bool can_register(const molt_type *type, struct report_line *why)
{
    return declaration_is_valid(type, why) && has_number_left(type, why);
}

static bool is_registered(const molt_type *type)
{
    return type != NULL && type_number(type_cache(type)) != 0;
}

int molt_type_check(const molt_type *type, char *reason, size_t size)
{
    struct report_line why = {.length = 0};
    bool is_valid = is_registered(type) || can_register(type, &why);
    size_t length = why.length < size ? why.length : size - 1;
    if (reason != NULL && size != 0) {
        memcpy(reason, why.text, length);
        reason[length] = '\0';
    }
    if (is_valid)
        return 0;
    errno = EINVAL;
    return -1;
}

/* Writes why a type cannot be registered, the first time that this is tried. */
static COLD void say_why(const molt_type *type, struct report_line *why)
{
    static _Atomic uint16_t null_is_told;
    _Atomic uint16_t *is_told = type != NULL ? &type_cache(type)->is_refused : &null_is_told;
    if (atomic_exchange(is_told, 1) != 0)
        return;
    if (why->length == sizeof why->text)
        why->length--;
    why->text[why->length] = '\0';
    report_warning("molt_new: %s", why->text);
}

/* ---- Registering ---- */

/* The offsets of list and bitmap in one list, in the order of the declaration, in which an object
 * releases them when it dies. NULL: no memory. */
static uint16_t *merge_fields(const molt_type *type, uint32_t *count)
{
    size_t words = type->ref_bitmap_words * 64, n = 0;
    size_t most = type->ref_count;
    for (size_t word = 0; word < words; word++)
        most += declaration_has_word(type, word);
    uint16_t *fields = molt_malloc((most + 1) * sizeof *fields);
    if (fields == NULL)
        return NULL;
    for (size_t i = 0; i < type->ref_count; i++)
        fields[n++] = (uint16_t)(type->refs[i] / 8);
    for (size_t word = 0; word < words; word++)
        if (declaration_has_word(type, word))
            fields[n++] = (uint16_t)word;
    *count = (uint32_t)n;
    return fields;
}

unsigned type_class_for(const struct descriptor *type, size_t bytes)
{
    if (bytes > BLOCK_MAX)
        return 0;
    unsigned size_class = object_class_of(bytes, type->tracked);
    while ((size_class_bytes(size_class) & (type->alignment - 1u)) != 0)
        size_class++;
    return size_class;
}

static struct descriptor *describe_type(const molt_type *type)
{
    struct descriptor *descriptor = molt_malloc(sizeof *descriptor);
    if (descriptor == NULL)
        return NULL;
    *descriptor = (struct descriptor){
        .type = type,
        .size = (uint32_t)((type->size + 7) / 8 * 8),
        .alignment = (uint16_t)(type->alignment < 8 ? 8 : type->alignment),
    };
    if ((type->flags & MOLT_LEAF) == 0) {
        descriptor->fields = merge_fields(type, &descriptor->field_count);
        if (descriptor->fields == NULL) {
            molt_free(descriptor);
            return NULL;
        }
        descriptor->has_more =
            type->array_length_bytes != 0 || (type->flags & MOLT_TRAILING_REFS) != 0;
        descriptor->has_traverse = type->traverse != NULL;
    }
    descriptor->only_fields = !descriptor->has_more && !descriptor->has_traverse;
    bool has_refs = descriptor->field_count != 0 || !descriptor->only_fields;
    descriptor->tracked = has_refs && (type->flags & MOLT_ACYCLIC) == 0;
    descriptor->is_plain =
        type->finalize == NULL && type->dispose == NULL && !descriptor->has_traverse;
    descriptor->is_simple = descriptor->is_plain && !descriptor->has_more;
    descriptor->is_bare = descriptor->is_plain && !has_refs;
    descriptor->size_class = (uint16_t)type_class_for(descriptor, descriptor->size);
    return descriptor;
}

static void fill_cache(struct type_cache *cache, const struct descriptor *descriptor)
{
    unsigned size_class = descriptor->size_class;
    cache->tracked = descriptor->tracked;
    if (size_class == 0 || (descriptor->type->flags & MOLT_IMMORTAL) != 0)
        return;
    cache->bytes = (uint32_t)size_class_bytes(size_class);
    uint32_t list = (uint32_t)(offsetof(struct heap, objects.free) +
                               (size_class - OBJECT_CLASS_FIRST) * sizeof(struct block_list));
    atomic_store_explicit(&cache->list, list, memory_order_release);
}

static struct descriptor *add_type(const molt_type *type)
{
    unsigned number = type_count() + 1;
    struct descriptor *descriptor = describe_type(type);
    if (descriptor == NULL)
        return malloc_no_memory();
    atomic_store_explicit(&type_table[number], descriptor, memory_order_release);
    atomic_store_explicit(&numbers_given, number, memory_order_release);
    atomic_store_explicit(&type_cache(type)->number, number, memory_order_release);
    fill_cache(type_cache(type), descriptor);
    return descriptor;
}

/* Under type_lock. */
static const struct descriptor *register_locked(const molt_type *type, struct report_line *why)
{
    if (is_registered(type))
        return type_by_number(type_number(type_cache(type)));
    return has_number_left(type, why) ? add_type(type) : NULL;
}

static COLD const struct descriptor *register_checked(const molt_type *type)
{
    struct report_line why = {.length = 0};
    const struct descriptor *descriptor = NULL;
    if (declaration_is_valid(type, &why)) {
        lock_acquire(&type_lock);
        descriptor = register_locked(type, &why);
        lock_release(&type_lock);
    }
    if (why.length != 0) {
        say_why(type, &why);
        errno = EINVAL;
    }
    return descriptor;
}

const struct descriptor *type_register(const molt_type *type)
{
    return is_registered(type) ? type_by_number(type_number(type_cache(type)))
                               : register_checked(type);
}

/* A vanished thread may not have filled the last type's cache yet. */
void type_repair(void)
{
    if (lock_is_left(&type_lock)) {
        const struct descriptor *last = type_by_number(type_count());
        if (last != NULL && type_number(type_cache(last->type)) == type_count())
            fill_cache(type_cache(last->type), last);
    }
    lock_free_left(&type_lock);
}

/* ---- References outside the struct ---- */

static size_t array_length(const molt_type *type, const char *object)
{
    uint64_t length = 0;
    const char *field = object + type->array_length;
    switch (type->array_length_bytes) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        memcpy(&length, field, sizeof length);
        return length;
    }
}

struct slots type_slots(const struct descriptor *type, void *object, size_t bytes)
{
    struct slots slots = {
        .object = object, .fields = type->fields, .field_count = type->field_count};
    if (LIKELY(!type->has_more))
        return slots;
    const molt_type *declared = type->type;
    if (declared->array_length_bytes != 0) {
        slots.array = *(molt_slot *)(slots.object + declared->array);
        slots.array_count = slots.array != NULL ? array_length(declared, object) : 0;
    }
    if ((declared->flags & MOLT_TRAILING_REFS) != 0) {
        slots.extra = (molt_slot *)(slots.object + type->size);
        slots.extra_count = (bytes - type->size) / sizeof(void *);
    }
    return slots;
}

struct traversal {
    molt_visit *visit;
    void *context;
};

static int visit_told(void *target, void *context)
{
    const struct traversal *traversal = context;
    return target != NULL ? traversal->visit(target, traversal->context) : 0;
}

int type_traverse(const struct descriptor *type, void *object, molt_visit *visit, void *context)
{
    struct traversal traversal = {visit, context};
    owner_suspend(&owner_suspension.traverses);
    int result = type->type->traverse(object, visit_told, &traversal);
    owner_resume(&owner_suspension.traverses);
    return result;
}

int type_visit_more(const struct descriptor *type, void *object, size_t bytes, molt_visit *visit,
                    void *context)
{
    struct slots slots = type_slots(type, object, bytes);
    size_t count = slots_count(&slots);
    for (size_t i = slots.field_count; i < count; i++) {
        void *target = *slots_at(&slots, i);
        int result = target == NULL ? 0 : visit(target, context);
        if (result != 0)
            return result;
    }
    return type->has_traverse ? type_traverse(type, object, visit, context) : 0;
}
