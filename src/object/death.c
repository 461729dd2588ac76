/* death.c: retiring, releasing, finishing. */
#include "death.h"

#include "count.h"
#include "gc.h"
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
#define LINK_BITS (((UINT64_C(1) << 41) - 1) << LINK_SHIFT | LINK_IS_LARGE)
#define LINK_IS_LARGE HEADER_UNTRACKED /* the flag of the link: a dying object needs no more */
#define KEPT_BITS (HEADER_OLD | HEADER_FINALIZED | HEADER_LARGE | 0xffff)

/* The calling thread's. */
static THREAD_LOCAL struct {
    uint64_t top; /* link to the dying objects that wait */
    void *first;  /* put off: to go on the stack, in this order */
    void *last;
    unsigned put_off; /* whatever dies is put off */
    unsigned depth;   /* drains inside one another */
} dying;

/* ---- The stack ---- */

/* 41 bits for an address: objects in pools as a distance from the window's base, at multiples of 8;
 * large objects as they are, at multiples of 64. 0 is none. */
static ALWAYS_INLINE uint64_t link_to(const void *object, uint64_t header)
{
    if (UNLIKELY((header & HEADER_LARGE) != 0))
        return ((uintptr_t)object >> 6) << LINK_SHIFT | LINK_IS_LARGE;
    return ((((uintptr_t)object - map.base) >> 3) + 1) << LINK_SHIFT;
}

static ALWAYS_INLINE void *linked(uint64_t link)
{
    if (UNLIKELY((link & LINK_IS_LARGE) != 0))
        return (void *)(link >> LINK_SHIFT << 6);
    return (void *)(map.base + (((link >> LINK_SHIFT) - 1) << 3));
}

/* The object is dying, and linked so. */
static ALWAYS_INLINE void set_link(void *object, uint64_t header, uint64_t link)
{
    header_set(object, DYING_BITS | link | (header & KEPT_BITS));
}

static ALWAYS_INLINE void stack_push(void *object)
{
    uint64_t header = header_of(object);
    set_link(object, header, dying.top);
    dying.top = link_to(object, header);
}

static ALWAYS_INLINE void *stack_pop(void)
{
    void *object = linked(dying.top);
    dying.top = header_of(object) & LINK_BITS;
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

static COLD void free_large(void *object, const struct descriptor *type)
{
    struct large *large = large_of(object);
    struct owner *self = owner_self;
    if (type->tracked) {
        gc_note_large(-(ptrdiff_t)large->side.block_bytes);
        if (self != NULL && self->count > 0)
            self->count--;
    }
    side_remove_large(large);
    free_fast(large->block);
}

static COLD void call_dispose(void *object, const struct descriptor *type)
{
    set_link(object, header_of(object), 0);
    death_begin_defer();
    type->type->dispose(object);
    death_end_defer();
}

/* The block of an object in a pool goes back. Its type's number stays readable, for messages. */
static ALWAYS_INLINE void free_block(void *object, const struct descriptor *type)
{
    struct owner *self = owner_self;
    uint64_t header = header_of(object);
    if (type->tracked) {
        if (UNLIKELY((header & HEADER_OLD) != 0))
            forget_generation(object, header, self);
        if (LIKELY(self != NULL && self->count > 0))
            self->count--;
    }
    object_mark_dead(object, header_type(header));
    object_block_free(self != NULL ? self->heap : NULL, map_pool(object), object);
}

static void finish(void *object, const struct descriptor *type)
{
    if (type->type->dispose != NULL)
        call_dispose(object, type);
    if (UNLIKELY((header_of(object) & HEADER_LARGE) != 0))
        free_large(object, type);
    else
        free_block(object, type);
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
    if (word != NULL && (atomic_load_explicit(word, memory_order_acquire) & SHARED_WEAK) != 0) {
        set_link(object, header_of(object), 0); /* no collection in a callback takes it for alive */
        weak_tell(object);
    }
    count_forget(object);
    return true;
}

/* ---- Release ---- */

/* Releases the references from slot `next` on, until one of them was an object's last: that object.
 * NULL when all are gone, and the object with them. */
static void *release_slots(void *object, const struct descriptor *type, const struct slots *slots,
                           size_t next)
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
    set_link(object, header_of(object), 0);
    death_begin_defer();
    type->type->clear(object);
    death_end_defer();
}

/* The same for an object whose references are all fields, and that has no callbacks: nobody will
 * look at its fields again. */
static ALWAYS_INLINE void *release_fields(void *object, const struct descriptor *type,
                                          uint32_t next)
{
    uint32_t count = type->field_count;
    while (next < count) {
        void *target = type_field(type, object, next++);
        if (target == NULL || !count_drop(target))
            continue;
        while (next < count && type_field(type, object, next) == NULL)
            next++;
        if (next < count) {
            *type_field_at(type, object, 0) = cursor_mark(next);
            stack_push(object);
        } else {
            free_block(object, type);
        }
        return target;
    }
    free_block(object, type);
    return NULL;
}

static NOINLINE void *begin_slow(void *object, const struct descriptor *type)
{
    if (!retire(object, type))
        return NULL;
    if (type->has_traverse)
        call_clear(object, type);
    struct slots slots = type_slots(type, object, object_bytes(object));
    return release_slots(object, type, &slots, 0);
}

/* An object that has no reference left: the next that dies of it, or NULL. One that still has an
 * owner's tag has neither shares that count nor weak references. */
static ALWAYS_INLINE void *begin(void *object)
{
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    if (LIKELY(type->is_simple && header < (uint64_t)TAG_OWNER_END << TAG_SHIFT &&
               (header & HEADER_LARGE) == 0))
        return release_fields(object, type, 0);
    return begin_slow(object, type);
}

static NOINLINE void *resume_slow(void *object, const struct descriptor *type)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    molt_slot *first = slots_count(&slots) != 0 ? slots_at(&slots, 0) : NULL;
    size_t next = first != NULL ? cursor_of(*first) : 0;
    if (next == 0)
        return begin_slow(object, type);
    *first = NULL;
    return release_slots(object, type, &slots, next);
}

/* The next object of the stack goes on where it stopped, or begins. */
static ALWAYS_INLINE void *resume(void)
{
    void *object = stack_pop();
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    size_t next = 0;
    if (LIKELY(type->is_simple && type->field_count != 0 && (header & HEADER_LARGE) == 0))
        next = cursor_of(type_field(type, object, 0));
    return LIKELY(next != 0) ? release_fields(object, type, (uint32_t)next)
                             : resume_slow(object, type);
}

/* What was put off goes on the stack, the first on top. */
static COLD void stack_push_deferred(void)
{
    set_link(dying.last, header_of(dying.last), dying.top);
    dying.top = link_to(dying.first, header_of(dying.first));
    dying.first = dying.last = NULL;
}

/* Brings `object`, which may be NULL, and all above `mark` on the stack to their end. */
static void drain(void *object, uint64_t mark)
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
    set_link(object, header_of(object), 0);
    if (dying.last == NULL)
        dying.first = object;
    else
        set_link(dying.last, header_of(dying.last), link_to(object, header_of(object)));
    dying.last = object;
}

static NOINLINE void release_more(void *object)
{
    if (UNLIKELY(molt_self == SELF_NONE))
        count_attach("release", object);
    if (count_drop(object))
        death_of(object);
}

/* Most that comes here is an own object with its last reference. One without flags, references and
 * callbacks is no more than its block. */
void molt_release_slow(void *object)
{
    uint64_t number = header_of(object) - header_own_one();
    if (LIKELY(number < 0x10000)) {
        struct pool *pool = map_pool(object);
        if (type_by_number((unsigned)number)->is_bare && LIKELY(pool->shares == NULL)) {
            object_mark_dead(object, (unsigned)number);
            push(pool, object);
            return;
        }
    }
    release_more(object);
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
