/* mark.c: near targets are marked at once, far ones when they have been prefetched. */
#include "mark.h"

#include "numbering.h"

#include "object/find.h" // object_bytes
#include "object/type.h"

#include <stdint.h>

/* A far target, whose marks are being prefetched. */
struct reached {
    struct marks *marks;
    uint64_t bit;
    void *object;
};

#define REACHED_MAX 32u

static struct {
    void **stack;                        /* the mark stack: reachable objects to traverse */
    size_t depth;                        /* objects on the stack */
    struct reached reached[REACHED_MAX]; /* a ring of far targets */
    unsigned reached_count;
    unsigned oldest; /* the first one's index in the ring, modulo its size */
} marking;

void mark_begin(void)
{
    marking.stack = numbering.stack;
    marking.depth = 0;
    marking.reached_count = 0;
}

void mark_push(void *object)
{
    marking.stack[marking.depth++] = object;
}

/* ---- Targets ---- */

/* Clears a target's white bit. Returns it if it was set and the target is no leaf, else 0. */
static ALWAYS_INLINE uint64_t clear_white(struct marks *marks, uint64_t bit)
{
    uint64_t white = marks->white;
    marks->white = white & ~bit;
    return white & ~marks->leaf & bit;
}

/* Marks a target. True: it is to be traversed. */
static ALWAYS_INLINE bool reach_near(size_t number)
{
    return clear_white(&numbering.marks[number / 64], UINT64_C(1) << (number % 64)) != 0;
}

static ALWAYS_INLINE struct reached *take_oldest_reached(void)
{
    marking.reached_count--;
    return &marking.reached[marking.oldest++ % REACHED_MAX];
}

/* Marks the oldest far target of a full ring. Without a branch, which could not be predicted. */
static ALWAYS_INLINE void mark_oldest_of_many(void)
{
    const struct reached *reached = take_oldest_reached();
    marking.stack[marking.depth] = reached->object;
    marking.depth += clear_white(reached->marks, reached->bit) != 0;
}

/* Marks the oldest far target where nothing else is left to do, as in a chain through the heap. It
 * mostly is white: with a branch the processor goes on before the marks have come. */
static ALWAYS_INLINE void mark_oldest_of_few(void)
{
    const struct reached *reached = take_oldest_reached();
    if (LIKELY(clear_white(reached->marks, reached->bit) != 0))
        mark_push(reached->object);
}

/* For a target in any pool. */
static NOINLINE void reach_far(void *target)
{
    size_t number = numbering_of(target);
    if (number == NUMBER_NONE)
        return;
    struct marks *marks = &numbering.marks[number / 64];
    __builtin_prefetch(marks, 1);
    if (LIKELY(marking.reached_count == REACHED_MAX))
        mark_oldest_of_many();
    unsigned next = (marking.oldest + marking.reached_count++) % REACHED_MAX;
    marking.reached[next] = (struct reached){marks, UINT64_C(1) << (number % 64), target};
}

/* ---- Objects ---- */

static int reach_visited(void *target, void *unused)
{
    (void)unused;
    reach_far(target);
    return 0;
}

/* Slots often lead to neighbours of each other: near is the pool of the last far target. */
static void reach_slots(molt_slot *slots, size_t count)
{
    struct numbered_pool near = {.start = 1};
    for (size_t i = 0; i < count; i++) {
        void *target = slots[i];
        if (target == NULL)
            continue;
        if (!numbered_pool_has(&near, target)) {
            reach_far(target);
            near = numbering_pool(target);
        } else if (reach_near(near.first + numbered_pool_index(&near, target))) {
            mark_push(target);
        }
    }
}

/* References outside the struct. */
static NOINLINE void reach_more(const struct descriptor *type, void *object)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    reach_slots(slots.array, slots.array_count);
    reach_slots(slots.extra, slots.extra_count);
    if (type->has_traverse)
        type_traverse(type, object, reach_visited, NULL);
}

/* Traverses one object. Returns a near target to traverse next, past the stack, or NULL. */
static ALWAYS_INLINE void *traverse(const struct numbered_pool *near, const struct descriptor *type,
                                    void *object)
{
    void *next = NULL;
    const uint16_t *fields = type->fields;
    uint32_t count = type->field_count;
    for (uint32_t n = 0; n < count; n++) {
        void *target = type_field(fields, object, n);
        if (UNLIKELY(!numbered_pool_has(near, target))) {
            if (target != NULL)
                reach_far(target);
            continue;
        }
        if (!reach_near(near->first + numbered_pool_index(near, target)))
            continue;
        if (next != NULL)
            mark_push(next);
        next = target;
    }
    if (UNLIKELY(!type->only_fields))
        reach_more(type, object);
    return next;
}

/* Traverses the object, and what it reaches in the same pool. */
static NOINLINE void traverse_near(void *object)
{
    const struct numbered_pool near = numbering_pool(object);
    unsigned number = 0;
    const struct descriptor *type = NULL;
    for (;;) {
        uint64_t header = header_of(object);
        if (UNLIKELY(header_type(header) != number)) {
            number = header_type(header);
            type = type_by_number(number);
        }
        void *next = traverse(&near, type, object);
        if (next == NULL) {
            if (marking.depth == 0)
                break;
            next = marking.stack[marking.depth - 1];
            if (!numbered_pool_has(&near, next))
                break;
            marking.depth--;
        }
        object = next;
    }
}

/* ---- The loop ---- */

/* Bytes of an object that are prefetched: its first words, which may lie on two cache lines. */
#define PREFETCHED_BYTES 24u
#define PREFETCHED_MAX 16u

/* A ring of objects from the stack whose fields are being prefetched. */
struct prefetched {
    void *objects[PREFETCHED_MAX];
    unsigned oldest, count;
};

static void prefetch(struct prefetched *prefetched, char *object)
{
    __builtin_prefetch(object);
    __builtin_prefetch(object + PREFETCHED_BYTES - 8);
    prefetched->objects[(prefetched->oldest + prefetched->count++) % PREFETCHED_MAX] = object;
}

static void *take_oldest_prefetched(struct prefetched *prefetched)
{
    prefetched->count--;
    return prefetched->objects[prefetched->oldest++ % PREFETCHED_MAX];
}

/* Keeps the ring of prefetched objects full as long as the stack has any, and the ring of far
 * targets as well: an object is used before its prefetch is done only where nothing else is left.
 */
void mark_all(void)
{
    struct prefetched prefetched = {.count = 0};
    for (;;) {
        if (prefetched.count == PREFETCHED_MAX)
            traverse_near(take_oldest_prefetched(&prefetched));
        else if (marking.depth != 0)
            prefetch(&prefetched, marking.stack[--marking.depth]);
        else if (marking.reached_count != 0)
            mark_oldest_of_few();
        else if (prefetched.count != 0)
            traverse_near(take_oldest_prefetched(&prefetched));
        else
            break;
    }
}
