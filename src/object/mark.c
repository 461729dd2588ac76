/* mark.c: near targets at once, far ones when they have been fetched. */
#include "mark.h"

#include "numbering.h"
#include "object.h" // object_bytes
#include "type.h"

#include <stdint.h>

/* A target in another side. Its bits are being fetched. */
struct reached {
    struct marks *marks;
    uint64_t bit;
    void *object;
};

#define REACHED_MAX 32u

static struct {
    void **stack; /* reachable objects that are to be looked at */
    size_t waiting;
    struct reached reached[REACHED_MAX]; /* a ring, full at any time */
    unsigned turn;      /* the oldest's number in it, above multiples of its size */
    unsigned unsettled; /* of the ring's, counted from the youngest, not `none` */
} marking;

static struct marks none; /* no bit is set there */

void mark_begin(void)
{
    marking.stack = numbering.stack;
    marking.waiting = 0;
    marking.unsettled = 0;
    for (unsigned i = 0; i < REACHED_MAX; i++)
        marking.reached[i].marks = &none;
}

void mark_add(void *object)
{
    marking.stack[marking.waiting++] = object;
}

/* ---- Targets ---- */

/* The target is white no longer; true if it was, and refers to anything. */
static ALWAYS_INLINE bool reach(size_t number)
{
    struct marks *marks = &numbering.marks[number / 64];
    uint64_t bit = UINT64_C(1) << (number % 64), white = marks->white;
    if ((white & bit) == 0)
        return false;
    marks->white = white & ~bit;
    return (marks->leaf & bit) == 0;
}

/* The same for the oldest in the ring, which waits then; without a branch, since nobody could
 * foresee it. `next` takes its turn. */
static ALWAYS_INLINE void settle_oldest(struct reached next)
{
    struct reached *oldest = &marking.reached[marking.turn++ % REACHED_MAX];
    uint64_t white = oldest->marks->white;
    marking.stack[marking.waiting] = oldest->object;
    marking.waiting += (white & ~oldest->marks->leaf & oldest->bit) != 0;
    oldest->marks->white = white & ~oldest->bit;
    *oldest = next;
}

static NOINLINE void reach_far(void *target)
{
    size_t number = numbering_of(target);
    if (number == NUMBER_NONE)
        return;
    struct marks *marks = &numbering.marks[number / 64];
    __builtin_prefetch(marks, 1);
    settle_oldest((struct reached){marks, UINT64_C(1) << (number % 64), target});
    marking.unsettled = REACHED_MAX;
}

static void settle_until_one_waits(void)
{
    while (marking.waiting == 0 && marking.unsettled != 0) {
        settle_oldest((struct reached){.marks = &none});
        marking.unsettled--;
    }
}

/* ---- Objects ---- */

static int reach_told(void *target, void *unused)
{
    (void)unused;
    reach_far(target);
    return 0;
}

/* References in a row often lead to neighbours. */
static void reach_row(molt_slot *slots, size_t count)
{
    struct row row = {.start = 1};
    for (size_t i = 0; i < count; i++) {
        void *target = slots[i];
        if (target == NULL)
            continue;
        if (!row_has(&row, target)) {
            reach_far(target);
            row = numbering_row(target);
        } else if (reach(row.first + row_index(&row, target))) {
            mark_add(target);
        }
    }
}

/* References outside the struct. */
static NOINLINE void reach_more(const struct descriptor *type, void *object)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    reach_row(slots.array, slots.array_count);
    reach_row(slots.extra, slots.extra_count);
    if (type->has_traverse)
        type_traverse(type, object, reach_told, NULL);
}

/* What the object refers to is reached. What was white and lies near, one of it, comes next, the
 * rest waits: so a chain of objects is followed without looking back. */
static ALWAYS_INLINE void *look_at(const struct row *near, const struct descriptor *type,
                                   void *object)
{
    void *next = NULL;
    const uint16_t *fields = type->fields;
    uint32_t count = type->field_count;
    for (uint32_t n = 0; n < count; n++) {
        void *target = type_field(fields, object, n);
        if (UNLIKELY(!row_has(near, target))) {
            if (target != NULL)
                reach_far(target);
            continue;
        }
        if (!reach(near->first + row_index(near, target)))
            continue;
        if (next != NULL)
            mark_add(next);
        next = target;
    }
    if (UNLIKELY(!type->only_fields))
        reach_more(type, object);
    return next;
}

/* The object, and what it leads to in the same side. */
static NOINLINE void look_near(void *object)
{
    const struct row near = numbering_row(object);
    unsigned number = 0;
    const struct descriptor *type = NULL;
    for (;;) {
        uint64_t header = header_of(object);
        if (UNLIKELY(header_type(header) != number)) {
            number = header_type(header);
            type = type_by_number(number);
        }
        void *next = look_at(&near, type, object);
        if (next == NULL) {
            if (marking.waiting == 0)
                break;
            next = marking.stack[marking.waiting - 1];
            if (!row_has(&near, next))
                break;
            marking.waiting--;
        }
        object = next;
    }
}

/* An object of another side is fetched into the cache between the stack and its turn: its first
 * words, which may lie on two lines. */
#define FETCHED_MAX 16u
#define FETCHED_BYTES 24u

static void *take_and_fetch(void)
{
    if (marking.waiting == 0)
        return NULL;
    void *object = marking.stack[--marking.waiting];
    __builtin_prefetch(object);
    __builtin_prefetch((char *)object + FETCHED_BYTES - 8);
    return object;
}

void mark_all(void)
{
    void *fetched[FETCHED_MAX] = {NULL};
    unsigned turn = 0, count = 0;
    for (;;) {
        settle_until_one_waits();
        if (marking.waiting == 0 && count == 0)
            break;
        void *object = fetched[turn], *next = take_and_fetch();
        fetched[turn] = next;
        turn = (turn + 1) % FETCHED_MAX;
        count = count + (next != NULL) - (object != NULL);
        if (object != NULL)
            look_near(object);
    }
}
