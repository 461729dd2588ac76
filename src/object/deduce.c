/* deduce.c: gather, subtract, find roots, mark. */
#include "deduce.h"

#include "count.h"
#include "error.h"
#include "generation.h"
#include "owner.h"
#include "scratch.h"
#include "type.h"

#include "base/report.h"

#include <stdint.h>

/* ---- Gather ---- */

/* The candidates of one side; whether there are any. */
static bool gather_side(struct side *side, int generation)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < side->words; w++) {
        uint64_t bits = 0;
        for (int g = 0; g <= generation; g++)
            bits |= generation_bits(side, w, g);
        side_bits(side, SIDE_WHITE)[w] = bits;
        any |= bits;
    }
    return any != 0;
}

/* A side may be in both rings: it is gathered once. */
static struct side *gather_ring(struct link *ring, size_t member, int generation,
                                struct side *sides)
{
    for (struct link *link = ring->next; link != ring; link = link->next) {
        struct side *side = (struct side *)(void *)((char *)link - member);
        if (side->is_gathered || !gather_side(side, generation))
            continue;
        side->is_gathered = true;
        side->next = sides;
        sides = side;
    }
    return sides;
}

struct side *deduce_gather(int generation)
{
    struct side *sides;
    if (generation == 2) {
        sides = gather_ring(&side_all, offsetof(struct side, all), 2, NULL);
    } else {
        sides = gather_ring(&side_young, offsetof(struct side, young), generation, NULL);
        if (generation == 1)
            sides = gather_ring(&side_middle, offsetof(struct side, middle), 1, sides);
    }
    for_each_side (side, sides)
        side->is_gathered = false;
    return sides;
}

/* ---- Sides of targets ---- */

/* The side of a reference's target if that takes part, else NULL. */
static struct side *find_side(const void *target)
{
    struct side *side = side_if_any(target);
    return side != NULL && side->edges != NULL ? side : NULL;
}

/* ---- Subtract ---- */

/* Numbers far away that are to be counted down: by the time the buffer is full they are at hand. */
#define FAR_MAX 64u

struct far {
    uint32_t *numbers[FAR_MAX];
    unsigned count;
};

static void subtract_far(struct far *far)
{
    for (unsigned i = 0; i < far->count; i++)
        (*far->numbers[i])--;
    far->count = 0;
}

static ALWAYS_INLINE void subtract_number(struct far *far, uint32_t *number)
{
    __builtin_prefetch(number, 1);
    far->numbers[far->count++] = number;
    if (UNLIKELY(far->count == FAR_MAX))
        subtract_far(far);
}

/* Whether the target, which lies in another side, takes part. */
static bool subtract_elsewhere(struct far *far, const void *target)
{
    const struct side *side = find_side(target);
    if (side != NULL)
        subtract_number(far, &side->edges[side_index(side, target)]);
    return side != NULL;
}

static int subtract_told(void *target, void *far)
{
    subtract_elsewhere(far, target);
    return 0;
}

/* References in a row often lead to one side after the other. */
static void subtract_row(struct far *far, molt_slot *row, size_t count)
{
    const struct side *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const void *target = row[i];
        if (target == NULL)
            continue;
        if (last == NULL || (uintptr_t)target - last->start >= last->span)
            last = find_side(target);
        if (last != NULL)
            subtract_number(far, &last->edges[side_index(last, target)]);
    }
}

/* References outside the struct. */
static NOINLINE void subtract_more(struct far *far, const struct descriptor *type, void *object)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    subtract_row(far, slots.array, slots.array_count);
    subtract_row(far, slots.extra, slots.extra_count);
    if (type->has_traverse)
        type_traverse(type, object, subtract_told, far);
}

/* `near` is the object's own side, where most of its targets are. False: it is a leaf, with no
 * reference to anything that takes part. */
static ALWAYS_INLINE bool subtract_references(const struct side *near, struct far *far,
                                              const struct descriptor *type, void *object)
{
    const uint16_t *fields = type->fields;
    uint32_t count = type->field_count;
    bool refers = false;
    for (uint32_t n = 0; n < count; n++) {
        void *target = type_field(fields, object, n);
        uintptr_t offset = (uintptr_t)target - near->start;
        if (LIKELY(offset < near->span)) {
            near->edges[offset * near->reciprocal >> 32]--;
            refers = true;
        } else if (target != NULL) {
            refers |= subtract_elsewhere(far, target);
        }
    }
    if (LIKELY(type->only_fields))
        return refers;
    subtract_more(far, type, object);
    return true;
}

/* What most objects of a side have in common: the header of an own one of that type, but for the
 * count and the flags of age. No header is NONE_USUAL, nor one of a large object, of a pool that
 * has shares, or while references are held. */
struct usual {
    uint64_t header;
    const struct descriptor *type;
};

#define UNUSUAL_BITS (~UINT64_C(0) << TAG_SHIFT | HEADER_UNTRACKED | HEADER_LARGE | 0xffff)
#define NONE_USUAL (~UINT64_C(0))

/* What is found at an unusual object: the usual ones are of its type from now on. */
struct closer {
    uint32_t count; /* that its number begins with */
    struct usual usual;
};

static NOINLINE struct closer look_closer(const struct side *side, void *object, unsigned held)
{
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    if (UNLIKELY(type == NULL))
        error_if_no_object("collection", object);
    bool is_private = side->pool != NULL && shares_are_none(side->pool) && held == 0;
    uint64_t own = header_with_tag(header_type(header), header_tag(side->owner->self));
    uint32_t count = count_for_deduction(object, header, held);
    if (held != 0)
        count_add_stopped(object, -(int)held);
    return (struct closer){count, {is_private ? own : NONE_USUAL, type}};
}

/* White blocks without a tracked object are white no longer. Who lives on is old from now on, also
 * for its header; what turns out to be garbage is forgotten with its block. */
static NOINLINE void subtract_side(struct side *side, struct far *far, unsigned held)
{
    const struct side copy = *side; /* which no store to edges[] can change, for the compiler */
    struct usual usual = {.header = NONE_USUAL};
    for (unsigned w = 0; w < copy.words; w++) {
        uint64_t leaves = 0;
        for (uint64_t left = copy.white[w]; left != 0; left &= left - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);
            void *object = (void *)(copy.start + i * copy.block_bytes);
            uint64_t header = header_of(object), above = header - usual.header;
            uint32_t count = (uint32_t)(above >> HEADER_COUNT_SHIFT);
            if (UNLIKELY((above & UNUSUAL_BITS) != 0)) {
                if (!header_is_tracked(header)) {
                    side_unset(side, SIDE_WHITE, i);
                    side_forget(side, i);
                    continue;
                }
                struct closer closer = look_closer(side, object, held);
                count = closer.count;
                usual = closer.usual;
            }
            copy.edges[i] += count;
            if (UNLIKELY((header & HEADER_OLD) == 0))
                header_set(object, header_of(object) | HEADER_OLD);
            if (!subtract_references(&copy, far, usual.type, object))
                leaves |= left & -left;
        }
        copy.leaf[w] = leaves;
    }
}

/* ---- Mark ---- */

struct marking {
    void **stack; /* reachable objects that are not marked yet */
    size_t waiting;
};

static ALWAYS_INLINE void wait(struct marking *marking, void *object)
{
    marking->stack[marking->waiting++] = object;
}

/* The target is white no longer; true if it was. */
static ALWAYS_INLINE bool reach(const struct side *side, const void *target)
{
    size_t i = ((uintptr_t)target - side->start) * side->reciprocal >> 32;
    uint64_t *word = &side->white[i / 64], bit = UINT64_C(1) << (i % 64);
    uint64_t white = *word;
    if ((white & bit) == 0)
        return false;
    *word = white & ~bit;
    return true;
}

/* The same; true if it is to be looked at, besides. For where the next target is a neighbour, whose
 * leaf bit is at hand then, too. */
static ALWAYS_INLINE bool reach_to_look(const struct side *side, const void *target)
{
    size_t i = ((uintptr_t)target - side->start) * side->reciprocal >> 32;
    return reach(side, target) && (side->leaf[i / 64] >> (i % 64) & 1) == 0;
}

/* A target that lies in another side. */
static NOINLINE void mark_far(struct marking *marking, void *target)
{
    struct side *side = find_side(target);
    if (side != NULL && reach(side, target))
        wait(marking, target);
}

static int mark_told(void *target, void *marking)
{
    mark_far(marking, target);
    return 0;
}

static void mark_row(struct marking *marking, molt_slot *row, size_t count)
{
    const struct side *last = NULL;
    for (size_t i = 0; i < count; i++) {
        void *target = row[i];
        if (target == NULL)
            continue;
        if (last == NULL || (uintptr_t)target - last->start >= last->span)
            last = find_side(target);
        if (last != NULL && reach_to_look(last, target))
            wait(marking, target);
    }
}

/* References outside the struct. */
static NOINLINE void mark_more(struct marking *marking, const struct descriptor *type, void *object)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    mark_row(marking, slots.array, slots.array_count);
    mark_row(marking, slots.extra, slots.extra_count);
    if (type->has_traverse)
        type_traverse(type, object, mark_told, marking);
}

static COLD _Noreturn void report_too_many_edges(void *object, int32_t edges)
{
    report_fatal("object %p (%s): %d more fields refer to it than it has references", object,
                 error_type_name(object), -(int)edges);
}

/* The blocks of word w whose number is not 0. */
static ALWAYS_INLINE uint64_t nonzero_edges(const struct side *side, unsigned w, uint64_t white)
{
    const uint32_t *edges = side->edges + (size_t)w * 64;
    uint64_t bits = 0;
    if (white == ~UINT64_C(0)) {
        for (unsigned i = 0; i < 64; i++)
            bits |= (uint64_t)(edges[i] != 0) << i;
        return bits;
    }
    for (uint64_t left = white; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        bits |= (uint64_t)(edges[i] != 0) << i;
    }
    return bits;
}

static void find_roots(struct side *side, struct marking *marking)
{
    for (unsigned w = 0; w < side->words; w++) {
        uint64_t roots = nonzero_edges(side, w, side->white[w]);
        side->white[w] &= ~roots;
        for (; roots != 0; roots &= roots - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(roots);
            void *object = side_object(side, i);
            if (UNLIKELY((int32_t)side->edges[i] < 0))
                report_too_many_edges(object, (int32_t)side->edges[i]);
            if ((side->leaf[w] & roots & -roots) == 0)
                wait(marking, object);
        }
    }
}

/* What the object refers to is reached. What was white and lies in the same side, one of it, comes
 * next, the rest waits: so a chain of objects is followed without looking back. */
static ALWAYS_INLINE void *mark_object(struct marking *marking, const struct side *near,
                                       const struct descriptor *type, void *object)
{
    void *next = NULL;
    const uint16_t *fields = type->fields;
    uint32_t count = type->field_count;
    for (uint32_t n = 0; n < count; n++) {
        void *target = type_field(fields, object, n);
        if (UNLIKELY((uintptr_t)target - near->start >= near->span)) {
            if (target != NULL)
                mark_far(marking, target);
            continue;
        }
        if (!reach_to_look(near, target))
            continue;
        if (next != NULL)
            wait(marking, next);
        next = target;
    }
    if (UNLIKELY(!type->only_fields))
        mark_more(marking, type, object);
    return next;
}

/* The object, and what it leads to in the same side. */
static NOINLINE void mark_near(struct marking *marking, struct side *side, void *object)
{
    const struct side copy = *side; /* which no store can change, for the compiler */
    unsigned number = 0;
    const struct descriptor *type = NULL;
    for (;;) {
        uint64_t header = header_of(object);
        if (UNLIKELY(header_type(header) != number)) {
            number = header_type(header);
            type = type_by_number(number);
        }
        void *next = mark_object(marking, &copy, type, object);
        if (next == NULL) {
            if (marking->waiting == 0)
                break;
            next = marking->stack[marking->waiting - 1];
            if ((uintptr_t)next - copy.start >= copy.span)
                break;
            marking->waiting--;
        }
        object = next;
    }
}

/* An object of another side is fetched into the cache between the stack and its turn. */
#define FETCHED_MAX 8u

static void mark(struct marking *marking)
{
    void *fetched[FETCHED_MAX] = {NULL};
    unsigned turn = 0, count = 0;
    while (marking->waiting != 0 || count != 0) {
        void *far = NULL, *object = fetched[turn];
        if (marking->waiting != 0) {
            far = marking->stack[--marking->waiting];
            __builtin_prefetch(far);
        }
        fetched[turn] = far;
        count = count + (far != NULL) - (object != NULL);
        turn = (turn + 1) % FETCHED_MAX;
        if (object != NULL)
            mark_near(marking, find_side(object), object);
    }
}

/* ---- The whole ---- */

/* Numbers for all blocks of the sides, and room for each to wait. NULL: no memory. */
static void **take_scratch(struct side *sides)
{
    size_t blocks = 0;
    for_each_side (side, sides)
        blocks += side_carved(side);
    blocks = (blocks + 1) / 2 * 2; /* what follows is aligned */
    uint32_t *edges = scratch_take(blocks * sizeof(uint32_t), blocks * sizeof(void *));
    if (edges == NULL)
        return NULL;
    void **stack = (void **)(void *)(edges + blocks);
    for_each_side (side, sides) {
        side->edges = edges;
        edges += side_carved(side);
    }
    return stack;
}

static size_t count_white(struct side *sides)
{
    size_t count = 0;
    for_each_side (side, sides)
        count += side_count(side, SIDE_WHITE);
    return count;
}

bool deduce(struct side *sides, struct deduction *deduction)
{
    if (sides == NULL)
        return true;
    struct marking marking = {.stack = take_scratch(sides)};
    if (marking.stack == NULL)
        return false;
    struct far far = {.count = 0};
    for_each_side (side, sides)
        subtract_side(side, &far, deduction->held);
    subtract_far(&far);
    generation_promote(sides, deduction->collected);
    size_t candidates = count_white(sides);
    for_each_side (side, sides) {
        find_roots(side, &marking);
        mark(&marking);
    }
    deduction->candidates += candidates;
    deduction->reachable = candidates - count_white(sides);
    for_each_side (side, sides)
        side->edges = NULL;
    scratch_give();
    return true;
}
