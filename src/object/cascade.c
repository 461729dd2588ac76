/* cascade.c: one object after the other. */
#include "cascade.h"

#include "count.h"
#include "dying.h"

struct cascade {
    const struct descriptor *type;
    const uint16_t *fields;
    uint32_t field_count;
    unsigned number; /* of the type */
    uint64_t alike;  /* the header of such an object with its last reference, but for HEADER_OLD */
    uint64_t top;    /* dying.top is not up to date meanwhile … */
    uint64_t mark;   /* … and what lies above this is for this cascade */
    void *object;    /* that dies now */
    struct pool *pool; /* its */
    uint32_t next;     /* of its fields */
};

static ALWAYS_INLINE void finish(const struct cascade *cascade)
{
    cascade_free(cascade->object, cascade->type, cascade->number, cascade->pool);
}

static ALWAYS_INLINE void *field(const struct cascade *cascade, uint32_t n)
{
    return type_field(cascade->fields, cascade->object, n);
}

/* Whether the target had its last reference here and goes on with the cascade. Its pool. */
static ALWAYS_INLINE bool takes(const struct cascade *cascade, const void *target,
                                struct pool **pool)
{
    *pool = map_pool(target);
    return ((header_of(target) ^ cascade->alike) & ~HEADER_OLD) == 0 &&
           LIKELY(shared_counts_are_none(*pool));
}

/* The object is done with, or waits on the stack until the fields before the next are. */
static ALWAYS_INLINE void leave(struct cascade *cascade)
{
    while (cascade->next < cascade->field_count && field(cascade, cascade->next) == NULL)
        cascade->next++;
    if (cascade->next == cascade->field_count) {
        finish(cascade);
        return;
    }
    set_link(cascade->object, header_of(cascade->object), cascade->top);
    atomic_signal_fence(memory_order_release);
    *type_field_at(cascade->fields, cascade->object, 0) = cursor_mark(cascade->next);
    cascade->top = link_to_small(cascade->object);
}

/* The object on top of the stack goes on if it is of the cascade, in the middle of its fields. */
static ALWAYS_INLINE bool resume(struct cascade *cascade)
{
    if (cascade->top == cascade->mark || cascade->field_count == 0)
        return false;
    void *object = linked(cascade->top);
    uint64_t header = header_of(object);
    if ((header & (HEADER_LARGE | 0xffff)) != cascade->number)
        return false;
    cascade->next = (uint32_t)cursor_of(type_field(cascade->fields, object, 0));
    cascade->object = object;
    cascade->pool = map_pool(object);
    cascade->top = cascade->next != 0 ? header & LINK_BITS : cascade->top;
    return cascade->next != 0;
}

/* A reference is no longer in its field when it is given up: a forked child whose parent is in the
 * middle of this may collect. (A target that goes on with the cascade keeps its count until the
 * object has gone.) One to a dead object stays, for the line that is about to stop the program. */
static ALWAYS_INLINE void forget_field(const struct cascade *cascade, uint32_t n,
                                       const void *target)
{
    if (LIKELY(!block_is_marked(target)))
        *type_field_at(cascade->fields, cascade->object, n) = NULL;
    atomic_signal_fence(memory_order_release);
}

/* Releases the references from `next` on, until one of them was an object's last and that is of
 * another kind: that object. NULL when the cascade has come to its end. */
static ALWAYS_INLINE void *release(struct cascade *cascade)
{
    for (;;) {
        if (cascade->next == cascade->field_count) {
            finish(cascade);
            if (!resume(cascade))
                return NULL;
            continue;
        }
        void *target = field(cascade, cascade->next++);
        struct pool *pool;
        if (target == NULL)
            continue;
        if (takes(cascade, target, &pool)) {
            leave(cascade);
            cascade->object = target;
            cascade->pool = pool;
            cascade->next = 0;
            continue;
        }
        forget_field(cascade, cascade->next - 1, target);
        if (count_drop(target)) {
            leave(cascade);
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
    void *target = release(&cascade);
    dying.top = cascade.top;
    return target;
}
