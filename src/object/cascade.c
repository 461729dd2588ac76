/* cascade.c: the loop over a cascade. */
#include "cascade.h"

#include "count.h"
#include "dying.h"

struct cascade {
    const struct descriptor *type;
    const uint16_t *fields;
    uint32_t field_count;
    unsigned number; /* of the type */
    uint64_t alike;  /* header of an object of the cascade with one reference, but for HEADER_OLD */
    uint64_t top;    /* dying.top, which is not up to date meanwhile */
    uint64_t mark;   /* objects above it on the stack belong to the cascade */
    void *object;    /* the object that dies now */
    struct pool *pool; /* its pool */
    uint32_t next;     /* its next field */
};

static ALWAYS_INLINE void cascade_finish(const struct cascade *cascade)
{
    cascade_free(cascade->object, cascade->type, cascade->number, cascade->pool);
}

static ALWAYS_INLINE void *cascade_field(const struct cascade *cascade, uint32_t n)
{
    return type_field(cascade->fields, cascade->object, n);
}

/* Whether the target dies with this reference and belongs to the cascade. *pool: the target's. */
static ALWAYS_INLINE bool cascade_takes(const struct cascade *cascade, const void *target,
                                        struct pool **pool)
{
    *pool = map_pool(target);
    return ((header_of(target) ^ cascade->alike) & ~HEADER_OLD) == 0 &&
           LIKELY(shared_counts_are_none(*pool));
}

/* The cascade goes on with another object. This one is finished if no field is left; else it waits
 * on the stack. */
static ALWAYS_INLINE void cascade_leave(struct cascade *cascade)
{
    while (cascade->next < cascade->field_count && cascade_field(cascade, cascade->next) == NULL)
        cascade->next++;
    if (cascade->next == cascade->field_count) {
        cascade_finish(cascade);
        return;
    }
    dying_set_link(cascade->object, header_of(cascade->object), cascade->top);
    atomic_signal_fence(memory_order_release);
    *type_field_at(cascade->fields, cascade->object, 0) = cursor_mark(cascade->next);
    cascade->top = dying_link_to_small(cascade->object);
}

/* Goes on with the object on top of the stack, if that waits there and belongs to the cascade. */
static ALWAYS_INLINE bool cascade_resume(struct cascade *cascade)
{
    if (cascade->top == cascade->mark || cascade->field_count == 0)
        return false;
    void *object = dying_linked(cascade->top);
    uint64_t header = header_of(object);
    if ((header & (HEADER_LARGE | 0xffff)) != cascade->number)
        return false;
    cascade->next = (uint32_t)cursor_of(type_field(cascade->fields, object, 0));
    cascade->object = object;
    cascade->pool = map_pool(object);
    cascade->top = cascade->next != 0 ? header & LINK_BITS : cascade->top;
    return cascade->next != 0;
}

/* The field is cleared before its reference is dropped, since a forked child whose parent is in the
 * middle of this may collect. (The field of a target that belongs to the cascade is not: the target
 * keeps its count until the object is gone.) A reference to a dead object stays in its field, for
 * the line that is about to stop the program. */
static ALWAYS_INLINE void forget_field(const struct cascade *cascade, uint32_t n,
                                       const void *target)
{
    if (LIKELY(!block_is_marked(target)))
        *type_field_at(cascade->fields, cascade->object, n) = NULL;
    atomic_signal_fence(memory_order_release);
}

/* Releases references until one was the last to an object of another kind; returns that object.
 * NULL: the cascade has come to its end. */
static ALWAYS_INLINE void *cascade_release(struct cascade *cascade)
{
    for (;;) {
        if (cascade->next == cascade->field_count) {
            cascade_finish(cascade);
            if (!cascade_resume(cascade))
                return NULL;
            continue;
        }
        void *target = cascade_field(cascade, cascade->next++);
        struct pool *pool;
        if (target == NULL)
            continue;
        if (cascade_takes(cascade, target, &pool)) {
            cascade_leave(cascade);
            cascade->object = target;
            cascade->pool = pool;
            cascade->next = 0;
            continue;
        }
        forget_field(cascade, cascade->next - 1, target);
        if (count_drop(target)) {
            cascade_leave(cascade);
            return target;
        }
    }
}

void *cascade_run(void *object, const struct descriptor *type, uint32_t next, uint64_t mark)
{
    unsigned number = header_type(header_of(object));
    struct cascade cascade = {.type = type,
                              .fields = type->fields,
                              .field_count = type->field_count,
                              .number = number,
                              .alike = header_own_one() + number,
                              .top = dying.top,
                              .mark = mark,
                              .object = object,
                              .pool = map_pool(object),
                              .next = next};
    void *target = cascade_release(&cascade);
    dying.top = cascade.top;
    return target;
}
