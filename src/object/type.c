/* type.c: registering types, and the references that lie outside the struct. */
#include "type.h"

#include "owner.h" // owner_begin_pause

#include "alloc/malloc.h"
#include "alloc/size_class.h"
#include "base/lock.h"

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

static bool is_alignment(unsigned alignment)
{
    return alignment == 0 || ((alignment & (alignment - 1)) == 0 && alignment <= 4096);
}

/* A reference field lies behind the header, inside the struct, at a multiple of 8. */
static bool is_field(const molt_type *type, size_t offset)
{
    return offset >= sizeof(molt_object) && offset % sizeof(void *) == 0 &&
           offset + sizeof(void *) <= type->size;
}

static bool bitmap_has(const molt_type *type, size_t word)
{
    return (type->ref_bitmap[word / 64] >> (word % 64) & 1) != 0;
}

static bool fields_are_valid(const molt_type *type)
{
    for (size_t i = 0; i < type->ref_count; i++)
        if (!is_field(type, type->refs[i]))
            return false;
    for (size_t word = 0; word < type->ref_bitmap_words * 64; word++)
        if (bitmap_has(type, word) && !is_field(type, word * 8))
            return false;
    return true;
}

static bool array_is_valid(const molt_type *type)
{
    unsigned bytes = type->array_length_bytes;
    if (bytes == 0)
        return true;
    return bytes <= 8 && (bytes & (bytes - 1)) == 0 && is_field(type, type->array) &&
           type->array_length >= sizeof(molt_object) && type->array_length % bytes == 0 &&
           (size_t)type->array_length + bytes <= type->size;
}

static bool is_valid(const molt_type *type)
{
    return type != NULL && type->name != NULL && type->size >= sizeof(molt_object) &&
           type->size <= UINT16_MAX * (size_t)8 && is_alignment(type->alignment) &&
           (type->ref_count == 0 || type->refs != NULL) &&
           (type->ref_bitmap_words == 0 || type->ref_bitmap != NULL) && fields_are_valid(type) &&
           array_is_valid(type) && (type->traverse == NULL) == (type->clear == NULL);
}

/* ---- Registering ---- */

static int compare_offsets(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* The offsets of list and bitmap in one list without doubles; NULL when there is no memory. */
static uint16_t *merge_fields(const molt_type *type, uint32_t *count)
{
    size_t words = type->ref_bitmap_words * 64, n = 0;
    size_t most = type->ref_count;
    for (size_t word = 0; word < words; word++)
        most += bitmap_has(type, word);
    uint16_t *fields = molt_malloc((most + 1) * sizeof *fields);
    if (fields == NULL)
        return NULL;
    for (size_t i = 0; i < type->ref_count; i++)
        fields[n++] = (uint16_t)(type->refs[i] / 8);
    for (size_t word = 0; word < words; word++)
        if (bitmap_has(type, word))
            fields[n++] = (uint16_t)word;
    /* In the order of the declaration, which is the order of dying; doubles would be counted twice.
     */
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t seen = 0;
        while (seen < kept && compare_offsets(&fields[seen], &fields[i]) != 0)
            seen++;
        if (seen == kept)
            fields[kept++] = fields[i];
    }
    *count = (uint32_t)kept;
    return fields;
}

/* The class for objects of `bytes` bytes at that alignment, or 0. */
static unsigned class_for(size_t bytes, size_t alignment, bool tracked)
{
    if (bytes > BLOCK_MAX)
        return 0;
    unsigned size_class = object_class_of(bytes, tracked);
    while ((size_class_bytes(size_class) & (alignment - 1)) != 0)
        size_class++;
    return size_class;
}

static struct descriptor *describe(const molt_type *type)
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
    descriptor->size_class =
        (uint16_t)class_for(descriptor->size, descriptor->alignment, descriptor->tracked);
    return descriptor;
}

unsigned type_class_for(const struct descriptor *type, size_t bytes)
{
    return class_for(bytes, type->alignment, type->tracked);
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

static struct descriptor *add(const molt_type *type)
{
    unsigned number = type_count() + 1;
    if (number > TYPE_MAX) {
        errno = EINVAL;
        return NULL;
    }
    struct descriptor *descriptor = describe(type);
    if (descriptor == NULL)
        return malloc_no_memory();
    atomic_store_explicit(&type_table[number], descriptor, memory_order_release);
    atomic_store_explicit(&numbers_given, number, memory_order_release);
    atomic_store_explicit(&type_cache(type)->number, number, memory_order_release);
    fill_cache(type_cache(type), descriptor);
    return descriptor;
}

const struct descriptor *type_register(const molt_type *type)
{
    if (type != NULL && type_number(type_cache(type)) != 0)
        return type_by_number(type_number(type_cache(type)));
    if (!is_valid(type)) {
        errno = EINVAL;
        return NULL;
    }
    lock_acquire(&type_lock);
    unsigned number = atomic_load_explicit(&type_cache(type)->number, memory_order_relaxed);
    const struct descriptor *descriptor = number != 0 ? type_by_number(number) : add(type);
    lock_release(&type_lock);
    return descriptor;
}

/* The last one may lack what molt_new takes from its cache. */
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

struct telling {
    molt_visit *visit;
    void *context;
};

static int tell(void *target, void *context)
{
    const struct telling *telling = context;
    return target != NULL ? telling->visit(target, telling->context) : 0;
}

int type_traverse(const struct descriptor *type, void *object, molt_visit *visit, void *context)
{
    struct telling telling = {visit, context};
    owner_begin_pause(&owner_pause.traverses);
    int result = type->type->traverse(object, tell, &telling);
    owner_end_pause(&owner_pause.traverses);
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
