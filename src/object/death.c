/* death.c: retiring, releasing and finishing objects. */
#include "death.h"

#include "cascade.h"
#include "count.h"
#include "dying.h"
#include "error.h"
#include "find.h"
#include "gc_table.h"
#include "owner.h"
#include "type.h"
#include "weak.h"

#include "alloc/malloc.h"
#include "alloc/object_block.h"
#include "base/attributes.h"

#include <stddef.h>

THREAD_LOCAL struct dying dying;

/* ---- Finish ---- */

static COLD void free_large(void *object, const struct descriptor *type)
{
    struct large *large = large_of(object);
    if (type->tracked)
        owner_count_down(owner_self);
    gc_table_remove_large(large);
    void *block = large->block;
    large->block = NULL;
    header_set(object, (uint64_t)BLOCK_MARK << TAG_SHIFT); /* as a dead object's in a pool */
    free_fast(block);
}

static COLD void call_dispose(void *object, const struct descriptor *type)
{
    dying_set_link(object, header_of(object), 0);
    death_begin_defer();
    type->type->dispose(object);
    death_end_defer();
}

/* Frees the block of an object in a pool. The type's number stays readable in it, for messages. */
static ALWAYS_INLINE void free_block(void *object, const struct descriptor *type)
{
    struct owner *self = owner_self;
    uint64_t header = header_of(object);
    if (type->tracked)
        forget_tracked(object, header, self);
    struct pool *pool = map_pool(object);
    if (LIKELY(self != NULL && pool_heap(pool) == self->heap->number)) {
        cascade_push(object, header_type(header), pool);
        return;
    }
    dying_set_link(object, header, 0);
    atomic_signal_fence(memory_order_release);
    object_mark_dead(object, header_type(header));
    object_block_send(pool, object);
}

static ALWAYS_INLINE void free_any(void *object, const struct descriptor *type)
{
    if (UNLIKELY((header_of(object) & HEADER_LARGE) != 0))
        free_large(object, type);
    else
        free_block(object, type);
}

static void finish_object(void *object, const struct descriptor *type)
{
    if (type->type->dispose != NULL)
        call_dispose(object, type);
    free_any(object, type);
}

void death_finish(void *object)
{
    finish_object(object, type_of(object));
}

static void discard_references(void *object, const struct descriptor *type)
{
    if (type->has_traverse)
        type->type->clear(object);
    struct slots slots = type_slots(type, object, object_bytes(object));
    for (size_t i = 0; i < slots_count(&slots); i++) {
        void *target = *slots_at(&slots, i);
        *slots_at(&slots, i) = NULL;
        molt_release(target);
    }
}

static bool is_own_alone(const void *object)
{
    uint64_t header = header_of(object);
    _Atomic uint32_t *word = count_word_if_any(object, header);
    uint32_t others = word != NULL ? atomic_load_explicit(word, memory_order_acquire) : 0;
    return header - header_own_one() < HEADER_ONE && (others & ~SHARED_WEAK) == 0 &&
           (others == 0 || molt_weak_count(object) == 0);
}

void molt_discard(void *object)
{
    if (object == NULL)
        return;
    error_if_no_object("molt_discard", object);
    if (!is_own_alone(object))
        error_report("molt_discard", object, "it is not the calling thread's alone");
    const struct descriptor *type = type_of(object);
    discard_references(object, type);
    count_forget(object);
    free_any(object, type);
}

/* ---- Retire ---- */

/* After the finalizer: if that has revived the object, it becomes young again, as a new one. While
 * the caller still has its reference: afterwards other threads may let the object die. */
static void make_young(void *object)
{
    uint64_t header = header_of(object);
    if ((header & HEADER_OLD) == 0 || (count_of(object) == 1 && !weak_has(object)))
        return;
    header_set(object, header & ~HEADER_OLD);
    if (gc_table_forget_old(object, header, owner_self))
        gc_table_add_young(gc_table_of(object, header));
}

/* False: the finalizer has revived it. */
static bool finalize(void *object, const struct descriptor *type)
{
    uint64_t header = header_of(object);
    if (type->type->finalize == NULL || (header & HEADER_FINALIZED) != 0)
        return true;
    header_set(object, header | HEADER_FINALIZED);
    count_revive(object);
    type->type->finalize(object);
    make_young(object);
    return count_drop(object);
}

static bool retire_object(void *object, const struct descriptor *type)
{
    if (!finalize(object, type))
        return false;
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    if (word != NULL && (atomic_load_explicit(word, memory_order_acquire) & SHARED_WEAK) != 0) {
        dying_set_link(object, header_of(object), 0); /* a collection in a callback leaves it out */
        weak_tell(object);
    }
    count_forget(object);
    return true;
}

/* ---- Release ---- */

/* Releases the references from slot `next` on, until one of them was an object's last; returns that
 * object. NULL: all slots are done with, and the object is finished. */
static void *release_slots(void *object, const struct descriptor *type, const struct slots *slots,
                           size_t next)
{
    size_t count = slots_count(slots);
    while (next < count) {
        molt_slot *slot = slots_at(slots, next++);
        void *target = *slot;
        *slot = NULL;
        atomic_signal_fence(memory_order_release);
        if (target == NULL || !count_drop(target))
            continue;
        while (next < count && *slots_at(slots, next) == NULL)
            next++;
        if (next == count) {
            finish_object(object, type);
        } else {
            dying_push(object);
            atomic_signal_fence(memory_order_release);
            *slots_at(slots, 0) = cursor_mark(next);
        }
        return target;
    }
    finish_object(object, type);
    return NULL;
}

static COLD void call_clear(void *object, const struct descriptor *type)
{
    dying_set_link(object, header_of(object), 0);
    death_begin_defer();
    type->type->clear(object);
    death_end_defer();
}

static NOINLINE void *begin_death_slow(void *object, const struct descriptor *type)
{
    if (UNLIKELY(type == NULL))
        error_if_no_object("release", object);
    if (!retire_object(object, type))
        return NULL;
    if (type->has_traverse)
        call_clear(object, type);
    struct slots slots = type_slots(type, object, object_bytes(object));
    return release_slots(object, type, &slots, 0);
}

/* Begins with an object that has no reference left; returns the next one that dies of it, or NULL.
 * With an owner's tag it has no weak references and no others' part that counts. */
static ALWAYS_INLINE void *begin_death(void *object, uint64_t mark)
{
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    if (LIKELY(type != NULL && type->is_simple && header < (uint64_t)TAG_OWNER_END << TAG_SHIFT &&
               (header & HEADER_LARGE) == 0))
        return cascade_run(object, type, 0, mark);
    return begin_death_slow(object, type);
}

static NOINLINE void *resume_death_slow(void *object, const struct descriptor *type)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    molt_slot *first = slots_count(&slots) != 0 ? slots_at(&slots, 0) : NULL;
    size_t next = first != NULL ? cursor_of(*first) : 0;
    if (next == 0)
        return begin_death_slow(object, type);
    *first = NULL;
    return release_slots(object, type, &slots, next);
}

/* Takes the object on top of the stack, and goes on where it stopped, or begins with it. */
static ALWAYS_INLINE void *resume_death(uint64_t mark)
{
    void *object = dying_pop();
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    size_t next = 0;
    if (LIKELY(type->is_simple && type->field_count != 0 && (header & HEADER_LARGE) == 0))
        next = cursor_of(type_field(type->fields, object, 0));
    return LIKELY(next != 0) ? cascade_run(object, type, (uint32_t)next, mark)
                             : resume_death_slow(object, type);
}

/* Deferred objects go on the stack, the first one on top. */
static COLD void dying_push_deferred(void)
{
    dying_set_link(dying.last, header_of(dying.last), dying.top);
    dying.top = dying_link_to(dying.first, header_of(dying.first));
    dying.first = dying.last = NULL;
}

/* Brings `object`, which may be NULL, and all objects above `mark` on the stack to their end. */
static void drain_stack(void *object, uint64_t mark)
{
    dying.depth++;
    for (;;) {
        if (UNLIKELY(dying.first != NULL))
            dying_push_deferred();
        if (object == NULL && dying.top == mark)
            break;
        object = object != NULL ? begin_death(object, mark) : resume_death(mark);
    }
    dying.depth--;
}

static ALWAYS_INLINE bool dies_at_once(void)
{
    return dying.deferrals == 0 && dying.depth < DEATH_NESTING;
}

void death_defer(void *object)
{
    dying_set_link(object, header_of(object), 0);
    if (dying.last == NULL)
        dying.first = object;
    else
        dying_set_link(dying.last, header_of(dying.last), dying_link_to(object, header_of(object)));
    dying.last = object;
}

static NOINLINE void release_any(void *object)
{
    if (UNLIKELY(molt_self == SELF_NONE))
        count_attach("release", object);
    if (count_drop(object))
        death_of(object);
}

static ALWAYS_INLINE bool has_references(const struct descriptor *type, const void *object)
{
    for (uint32_t n = 0; n < type->field_count; n++)
        if (type_field(type->fields, object, n) != NULL)
            return true;
    return false;
}

static NOINLINE void release_cascade(void *object, const struct descriptor *type)
{
    uint64_t mark = dying.top;
    void *next = cascade_run(object, type, 0, mark);
    if (UNLIKELY(next != NULL))
        drain_stack(next, mark);
}

/* The last reference to an object of the thread without flags, shared counts and callbacks. */
static NOINLINE void release_simple(void *object, const struct descriptor *type, struct pool *pool)
{
    if (!has_references(type, object))
        cascade_free(object, type, header_type(header_of(object)), pool);
    else if (LIKELY(dies_at_once()))
        release_cascade(object, type);
    else
        release_any(object);
}

/* Mostly this is the last reference to an object that the thread owns. Without flags, references
 * and callbacks the object is no more than its block. */
void molt_release_slow(void *object)
{
    uint64_t number = header_of(object) - header_own_one();
    if (LIKELY(number < 0x10000)) {
        struct pool *pool = map_pool(object);
        const struct descriptor *type = type_by_number((unsigned)number);
        if (LIKELY(type != NULL && shared_counts_are_none(pool))) {
            if (LIKELY(type->is_bare)) {
                object_mark_dead(object, (unsigned)number);
                push(pool, object); /* no field of it is a reference */
                return;
            }
            if (type->is_simple) {
                release_simple(object, type, pool);
                return;
            }
        }
    }
    release_any(object);
}

void death_of(void *object)
{
    if (LIKELY(dies_at_once()))
        drain_stack(object, dying.top);
    else
        death_defer(object);
}

void death_begin_defer(void)
{
    dying.deferrals++;
}

void death_end_defer(void)
{
    if (--dying.deferrals == 0 && dying.depth == 0 && dying.first != NULL)
        drain_stack(NULL, dying.top);
}

void death_end_all(void)
{
    dying.deferrals = dying.depth = 0;
    if (dying.first != NULL || dying.top != 0)
        drain_stack(NULL, 0);
}
