/* mark.c: near targets at once, far ones when they have been fetched. */
#include "mark.h"

#include "numbering.h"

#include "object/find.h" // object_bytes
#include "object/type.h"

#include <stdint.h>

/* A target in another table. Its bits are being fetched. */
struct reached {
    struct marks *marks;
    uint64_t bit;
    void *object;
};

#define REACHED_MAX 32u

static struct {
    void **stack; /* reachable objects that are to be looked at */
    size_t waiting;
    struct reached reached[REACHED_MAX]; /* a ring */
    unsigned reached_count;
    unsigned oldest; /* its number in the ring, above multiples of the ring's size */
} marking;

void mark_begin(void)
{
    marking.stack = numbering.stack;
    marking.waiting = 0;
    marking.reached_count = 0;
}

void mark_add(void *object)
{
    marking.stack[marking.waiting++] = object;
}

/* ---- Targets ---- */

/* A target is white no longer. What was, and refers to anything, for it is to be looked at: its
 * bit, else 0. */
static ALWAYS_INLINE uint64_t clear_white(struct marks *marks, uint64_t bit)
{
    uint64_t white = marks->white;
    marks->white = white & ~bit;
    return white & ~marks->leaf & bit;
}

static ALWAYS_INLINE bool reach(size_t number)
{
    return clear_white(&numbering.marks[number / 64], UINT64_C(1) << (number % 64)) != 0;
}

static ALWAYS_INLINE struct reached *take_oldest_reached(void)
{
    marking.reached_count--;
    return &marking.reached[marking.oldest++ % REACHED_MAX];
}

/* The oldest in the ring. Without a branch: where many wait nobody could foresee it. */
static ALWAYS_INLINE void settle_in_turn(void)
{
    const struct reached *reached = take_oldest_reached();
    marking.stack[marking.waiting] = reached->object;
    marking.waiting += clear_white(reached->marks, reached->bit) != 0;
}

/* The same with a branch, by which the processor can go on before the bits have come: where nothing
 * else is to be done, as in a chain through the whole heap, it mostly is one more link. */
static ALWAYS_INLINE void settle_early(void)
{
    const struct reached *reached = take_oldest_reached();
    if (LIKELY(clear_white(reached->marks, reached->bit) != 0))
        mark_add(reached->object);
}

static NOINLINE void reach_far(void *target)
{
    size_t number = numbering_of(target);
    if (number == NUMBER_NONE)
        return;
    struct marks *marks = &numbering.marks[number / 64];
    __builtin_prefetch(marks, 1);
    if (LIKELY(marking.reached_count == REACHED_MAX))
        settle_in_turn();
    unsigned next = (marking.oldest + marking.reached_count++) % REACHED_MAX;
    marking.reached[next] = (struct reached){marks, UINT64_C(1) << (number % 64), target};
}

/* ---- Objects ---- */

static int reach_told(void *target, void *unused)
{
    (void)unused;
    reach_far(target);
    return 0;
}

/* Slots table by table often lead to neighbours. */
static void reach_slots(molt_slot *slots, size_t count)
{
    struct numbered_pool span = {.start = 1};
    for (size_t i = 0; i < count; i++) {
        void *target = slots[i];
        if (target == NULL)
            continue;
        if (!numbered_pool_has(&span, target)) {
            reach_far(target);
            span = numbering_pool(target);
        } else if (reach(span.first + numbered_pool_index(&span, target))) {
            mark_add(target);
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
        type_traverse(type, object, reach_told, NULL);
}

/* What the object refers to is reached. What was white and lies near, one of it, comes next, the
 * rest waits: so a chain of objects is followed without looking back. */
static ALWAYS_INLINE void *follow(const struct numbered_pool *near, const struct descriptor *type,
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
        if (!reach(near->first + numbered_pool_index(near, target)))
            continue;
        if (next != NULL)
            mark_add(next);
        next = target;
    }
    if (UNLIKELY(!type->only_fields))
        reach_more(type, object);
    return next;
}

/* The object, and what it leads to in the same table. */
static NOINLINE void follow_near(void *object)
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
        void *next = follow(&near, type, object);
        if (next == NULL) {
            if (marking.waiting == 0)
                break;
            next = marking.stack[marking.waiting - 1];
            if (!numbered_pool_has(&near, next))
                break;
            marking.waiting--;
        }
        object = next;
    }
}

/* ---- Turns ---- */

/* An object of another table is fetched into the cache between the stack and its turn: its first
 * words, which may lie on two lines. */
#define FETCHED_BYTES 24u
#define FETCHED_MAX 16u

struct fetched {
    void *objects[FETCHED_MAX]; /* a ring */
    unsigned oldest, count;
};

static void fetch(struct fetched *fetched, char *object)
{
    __builtin_prefetch(object);
    __builtin_prefetch(object + FETCHED_BYTES - 8);
    fetched->objects[(fetched->oldest + fetched->count++) % FETCHED_MAX] = object;
}

static void *take_oldest(struct fetched *fetched)
{
    fetched->count--;
    return fetched->objects[fetched->oldest++ % FETCHED_MAX];
}

/* Only where there is nothing else to do is something looked at before its time. */
void mark_all(void)
{
    struct fetched fetched = {.count = 0};
    for (;;) {
        if (fetched.count == FETCHED_MAX)
            follow_near(take_oldest(&fetched));
        else if (marking.waiting != 0)
            fetch(&fetched, marking.stack[--marking.waiting]);
        else if (marking.reached_count != 0)
            settle_early();
        else if (fetched.count != 0)
            follow_near(take_oldest(&fetched));
        else
            break;
    }
}
