/* death.c: retiring, releasing, finishing. */
#include "death.h"

#include "count.h"
#include "object.h"
#include "owner.h"
#include "side.h"
#include "type.h"
#include "weak.h"

#include "alloc/malloc.h"
#include "alloc/object_block.h"
#include "base/attributes.h"

#include <stddef.h>

#define DYING_BITS ((uint64_t)TAG_DYING << TAG_SHIFT)
#define LINK_SHIFT 20
#define LINK_IS_LARGE HEADER_UNTRACKED /* the flag of the link: a dying object needs no more */
#define KEPT_BITS (HEADER_OLD | HEADER_FINALIZED | HEADER_LARGE | 0xffff)

/* The calling thread's. */
static THREAD_LOCAL struct {
    void *top;   /* dying objects that wait */
    void *first; /* put off: to go on the stack, in this order */
    void *last;
    unsigned put_off; /* whatever dies is put off */
    unsigned depth;   /* drains inside one another */
} dying;

/* ---- The stack ---- */

/* 41 bits for an address: objects in pools as a distance from the window's base, at multiples of 8;
 * large objects as they are, at multiples of 64. */
static uint64_t link_to(const void *object)
{
    if (object == NULL)
        return 0;
    if (UNLIKELY((header_of(object) & HEADER_LARGE) != 0))
        return ((uintptr_t)object >> 6) << LINK_SHIFT | LINK_IS_LARGE;
    return ((((uintptr_t)object - map.base) >> 3) + 1) << LINK_SHIFT;
}

static void *linked(uint64_t header)
{
    uint64_t link = (header & ~(UINT64_C(7) << 61)) >> LINK_SHIFT;
    if ((header & LINK_IS_LARGE) != 0)
        return (void *)(link << 6);
    return link == 0 ? NULL : (void *)(map.base + ((link - 1) << 3));
}

static void set_link(void *object, const void *next)
{
    header_set(object, DYING_BITS | link_to(next) | (header_of(object) & KEPT_BITS));
}

static void stack_push(void *object)
{
    set_link(object, dying.top);
    dying.top = object;
}

static void *stack_pop(void)
{
    void *object = dying.top;
    dying.top = linked(header_of(object));
    return object;
}

/* An object in the middle of its slots has the next one's number in the first, odd as no address
 * is.
 */
static void *cursor_mark(size_t next)
{
    return (void *)(next << 1 | 1);
}

static size_t cursor_of(const void *mark)
{
    return ((uintptr_t)mark & 1) != 0 ? (uintptr_t)mark >> 1 : 0;
}

/* ---- Finish ---- */

static void forget_generation(void *object, uint64_t header, const struct owner *self)
{
    struct side *side = side_of(object, header);
    if (side->owner == self)
        side_forget(side, side_index(side, object));
}

static void free_large(void *object)
{
    struct large *large = large_of(object);
    side_remove_large(large);
    free_fast(large->block);
}

/* The type's number stays readable in the dead block, for messages. */
static void free_block(void *object, uint64_t header, const struct owner *self)
{
    ((uint64_t *)object)[1] = object_dead_word(header_type(header));
    object_block_free(self != NULL ? self->heap : NULL, map_pool(object), object);
}

static ALWAYS_INLINE void finish(void *object, const struct descriptor *type)
{
    struct owner *self = owner_self;
    uint64_t header = header_of(object);
    if (UNLIKELY(type->type->dispose != NULL)) {
        set_link(object, NULL);
        death_begin_defer();
        type->type->dispose(object);
        death_end_defer();
    }
    if (type->tracked) {
        if (UNLIKELY((header & HEADER_OLD) != 0))
            forget_generation(object, header, self);
        if (LIKELY(self != NULL && self->count > 0))
            self->count--;
    }
    if (UNLIKELY((header & HEADER_LARGE) != 0)) {
        free_large(object);
        return;
    }
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (UNLIKELY(word != NULL))
        atomic_store_explicit(word, 0, memory_order_relaxed);
    free_block(object, header, self);
}

void death_finish(void *object)
{
    finish(object, type_by_number(header_type(header_of(object))));
}

/* ---- Retire ---- */

/* False: the finalizer has revived it. */
static bool finalize(void *object, const struct descriptor *type)
{
    uint64_t header = header_of(object);
    if (type->type->finalize == NULL || (header & HEADER_FINALIZED) != 0)
        return true;
    header_set(object, header | HEADER_FINALIZED);
    count_revive(object);
    type->type->finalize(object);
    return count_drop(object);
}

static bool retire(void *object, const struct descriptor *type)
{
    if (!finalize(object, type))
        return false;
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    if (word != NULL && (atomic_load_explicit(word, memory_order_acquire) & SHARED_WEAK) != 0)
        weak_tell(object);
    return true;
}

/* ---- Release ---- */

/* Releases the references from slot `next` on, until one of them was an object's last: that object.
 * NULL when all are gone, and the object with them. */
static ALWAYS_INLINE void *release_slots(void *object, const struct descriptor *type,
                                         const struct slots *slots, size_t next)
{
    size_t count = slots_count(slots);
    while (next < count) {
        molt_slot *slot = slots_at(slots, next++);
        void *target = *slot;
        *slot = NULL;
        if (target == NULL || !count_drop(target))
            continue;
        while (next < count && *slots_at(slots, next) == NULL)
            next++;
        if (next == count) {
            finish(object, type);
        } else {
            *slots_at(slots, 0) = cursor_mark(next);
            stack_push(object);
        }
        return target;
    }
    finish(object, type);
    return NULL;
}

static COLD void call_clear(void *object, const struct descriptor *type)
{
    set_link(object, NULL);
    death_begin_defer();
    type->type->clear(object);
    death_end_defer();
}

/* An object that has no reference left: the next that dies of it, or NULL. */
static void *begin(void *object)
{
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    if (UNLIKELY(!type->is_plain || count_word_if_any(object, header) != NULL) &&
        !retire(object, type))
        return NULL;
    if (UNLIKELY(type->has_traverse))
        call_clear(object, type);
    if (UNLIKELY(type->has_more)) {
        struct slots slots = type_slots(type, object, object_bytes(object));
        return release_slots(object, type, &slots, 0);
    }
    struct slots slots = {
        .object = object, .fields = type->fields, .field_count = type->field_count};
    return release_slots(object, type, &slots, 0);
}

/* The next object of the stack goes on where it stopped, or begins. */
static void *resume(void)
{
    void *object = stack_pop();
    const struct descriptor *type = type_by_number(header_type(header_of(object)));
    struct slots slots = type_slots(type, object, object_bytes(object));
    molt_slot *first = slots_count(&slots) != 0 ? slots_at(&slots, 0) : NULL;
    size_t next = first != NULL ? cursor_of(*first) : 0;
    if (next == 0)
        return begin(object);
    *first = NULL;
    return release_slots(object, type, &slots, next);
}

/* What was put off goes on the stack, the first on top. */
static void stack_push_deferred(void)
{
    set_link(dying.last, dying.top);
    dying.top = dying.first;
    dying.first = dying.last = NULL;
}

/* Brings `object`, which may be NULL, and all above `mark` on the stack to their end. */
static void drain(void *object, const void *mark)
{
    dying.depth++;
    for (;;) {
        if (UNLIKELY(dying.first != NULL))
            stack_push_deferred();
        if (object == NULL && dying.top == mark)
            break;
        object = object != NULL ? begin(object) : resume();
    }
    dying.depth--;
}

void death_defer(void *object)
{
    set_link(object, NULL);
    if (dying.last == NULL)
        dying.first = object;
    else
        set_link(dying.last, object);
    dying.last = object;
}

void death_of(void *object)
{
    if (LIKELY(dying.put_off == 0 && dying.depth < DEATH_NESTING))
        drain(object, dying.top);
    else
        death_defer(object);
}

void death_begin_defer(void)
{
    dying.put_off++;
}

void death_end_defer(void)
{
    if (--dying.put_off == 0 && dying.depth == 0 && dying.first != NULL)
        drain(NULL, dying.top);
}
