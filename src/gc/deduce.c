/* deduce.c: gather, subtract, find roots. deduce(), at the end, is the whole. */
#include "deduce.h"

#include "gc_refs.h"
#include "generation.h"
#include "mark.h"
#include "numbering.h"
#include "validate.h"

#include "object/count.h"
#include "object/error.h"
#include "object/find.h" // object_bytes
#include "object/owner.h"
#include "object/type.h"

#include <stdint.h>

/* ---- Gather ---- */

/* Makes the blocks of the generation and of younger ones white. False: the table has none. */
static bool gather_table(struct gc_table *table, int generation)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < table->words; w++) {
        uint64_t bits = 0;
        for (int g = 0; g <= generation; g++)
            bits |= generation_bits(table, w, g);
        gc_table_words(table, GC_WHITE)[w] = bits;
        any |= bits;
    }
    return any != 0;
}

/* Adds the ring's tables with candidates to the list, once: a table may be in both rings. */
static struct gc_table *gather_ring(struct link *ring, size_t member, int generation,
                                    struct gc_table *tables)
{
    for (struct link *link = ring->next; link != ring; link = link->next) {
        struct gc_table *table = (struct gc_table *)(void *)((char *)link - member);
        if (table->is_gathered || !gather_table(table, generation))
            continue;
        table->is_gathered = true;
        table->next = tables;
        tables = table;
    }
    return tables;
}

struct gc_table *deduce_gather(int generation)
{
    struct gc_table *tables = NULL;
    generation_refresh();
    if (generation == GENERATION_OLD)
        tables = gather_ring(&gc_table_all, offsetof(struct gc_table, all), generation, tables);
    else
        tables = gather_ring(&gc_table_young, offsetof(struct gc_table, young), generation, tables);
    if (generation == GENERATION_MIDDLE)
        tables =
            gather_ring(&gc_table_middle, offsetof(struct gc_table, middle), generation, tables);
    for_each_table (table, tables)
        table->is_gathered = false;
    return tables;
}

/* ---- Subtract ---- */

/* Far gc_refs to subtract one from, which are prefetched until the buffer is full. */
#define FAR_MAX 64u

static struct {
    int8_t *numbers[FAR_MAX];
    unsigned count;
} far;

static void subtract_far(void)
{
    for (unsigned i = 0; i < far.count; i++)
        gc_refs_subtract_one(far.numbers[i]);
    far.count = 0;
}

/* For a target in any pool. False: it has no number. */
static NOINLINE bool subtract_anywhere(const void *target)
{
    size_t number = numbering_of(target);
    if (number == NUMBER_NONE)
        return false;
    __builtin_prefetch(&gc_refs.numbers[number], 1);
    far.numbers[far.count++] = &gc_refs.numbers[number];
    if (UNLIKELY(far.count == FAR_MAX))
        subtract_far();
    return true;
}

static int subtract_visited(void *target, void *unused)
{
    (void)unused;
    subtract_anywhere(target);
    return 0;
}

static void subtract_slots(molt_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slots[i] != NULL)
            subtract_anywhere(slots[i]);
}

/* References outside the struct. */
static NOINLINE void subtract_more(const struct descriptor *type, void *object)
{
    struct slots slots = type_slots(type, object, object_bytes(object));
    subtract_slots(slots.array, slots.array_count);
    subtract_slots(slots.extra, slots.extra_count);
    if (type->has_traverse)
        type_traverse(type, object, subtract_visited, NULL);
}

/* Subtracts the references of an object of that type, but for the fields before `field`, which are
 * done. False: the object is a leaf, which refers to no numbered object. */
static NOINLINE bool subtract_references(const struct descriptor *type, void *object,
                                         const uint16_t *field)
{
    const uint16_t *end = type->fields + type->field_count;
    bool refers = field != type->fields;
    for (; field != end; field++) {
        void *target = type_field(field, object, 0);
        if (target != NULL)
            refers |= subtract_anywhere(target);
    }
    if (LIKELY(type->only_fields))
        return refers;
    subtract_more(type, object);
    return true;
}

/* The fast path is for usual objects, those like the last unusual one of their table:
 *
 *   usual: ((header - usual.header) & UNUSUAL_BITS) == 0
 *
 * which says at once that the pool's owner counts it, that its type is usual.type, that it is
 * tracked and not large, and that its count is below 128. With NONE_USUAL no object is usual: where
 * the pool has shared counts, the type has references that are no fields, or `held` is not 0. */
struct usual {
    uint64_t header; /* the owner's tag, a count of 0, no flags, the type's number */
    const struct descriptor *type;
    const uint16_t *fields, *fields_end; /* the type's reference fields */
};

#define SMALL_COUNT_SHIFT 7
#define UNUSUAL_BITS                                                                              \
    (~UINT64_C(0) << (HEADER_COUNT_SHIFT + SMALL_COUNT_SHIFT) | HEADER_UNTRACKED | HEADER_LARGE | \
     0xffff)
#define NONE_USUAL (~UINT64_C(0))

/* subtract_references for a usual object: calls nothing as long as the targets are in its pool. */
static ALWAYS_INLINE bool subtract_near(const struct numbered_pool *near, int8_t *numbers,
                                        const struct usual *usual, void *object)
{
    bool refers = false;
    for (const uint16_t *field = usual->fields; field != usual->fields_end; field++) {
        void *target = type_field(field, object, 0);
        if (LIKELY(numbered_pool_has(near, target))) {
            int8_t *number = &numbers[numbered_pool_index(near, target)], less;
            if (UNLIKELY(__builtin_sub_overflow(*number, 1, &less)))
                return subtract_references(usual->type, object, field);
            *number = less;
            refers = true;
        } else if (target != NULL) {
            return subtract_references(usual->type, object, field);
        }
    }
    return refers;
}

static struct usual usual_of(const struct gc_table *table, const struct descriptor *type,
                             unsigned number, unsigned held)
{
    if (table->pool == NULL || !shared_counts_are_none(table->pool) || held != 0 ||
        !type->only_fields)
        return (struct usual){.header = NONE_USUAL};
    return (struct usual){.header = header_with_tag(number, header_tag(table->owner->self)),
                          .type = type,
                          .fields = type->fields,
                          .fields_end = type->fields + type->field_count};
}

/* For any object. The usual ones are those like it from then on. */
static NOINLINE bool subtract_object(const struct gc_table *table, void *object, int8_t *number,
                                     unsigned held, struct usual *usual)
{
    uint64_t header = header_of(object);
    const struct descriptor *type = type_by_number(header_type(header));
    if (UNLIKELY(type == NULL))
        error_if_no_object("collection", object);
    gc_refs_add(number, (int32_t)count_for_deduction(object, header, held));
    if (held != 0)
        count_add_stopped(object, -(int)held);
    *usual = usual_of(table, type, header_type(header), held);
    return subtract_references(type, object, type->fields);
}

/* For each candidate of the table. A white block without a tracked object is none, but an object
 * that the collector holds is one, even if its finalizer has untracked it. Each gets HEADER_OLD:
 * garbage goes anyway. */
static NOINLINE void subtract_table(struct gc_table *table, unsigned held)
{
    const struct numbered_pool near = numbering_of_table(table);
    struct marks *marks = numbering_marks(&near);
    int8_t *numbers = &gc_refs.numbers[near.first];
    unsigned words = gc_table_carved_words(table);
    uintptr_t start = table->start;
    size_t block_bytes = table->block_bytes;
    struct usual usual = {.header = NONE_USUAL};
    for (unsigned w = 0; w < words; w++) {
        uint64_t leaves = 0;
        for (uint64_t left = table->white[w]; left != 0; left &= left - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);
            void *object = (void *)(start + i * block_bytes);
            uint64_t header = header_of(object), above = header - usual.header;
            bool refers;
            if (LIKELY((above & UNUSUAL_BITS) == 0)) {
                gc_refs_add_small(&numbers[i], (int8_t)(above >> HEADER_COUNT_SHIFT));
                refers = subtract_near(&near, numbers, &usual, object);
            } else if (held != 0 || header_is_tracked(header)) {
                refers = subtract_object(table, object, &numbers[i], held, &usual);
            } else {
                gc_table_unset(table, GC_WHITE, i);
                gc_table_forget(table, i);
                continue;
            }
            if (UNLIKELY((header & HEADER_OLD) == 0))
                header_set(object, header_of(object) | HEADER_OLD);
            if (!refers)
                leaves |= left & -left;
        }
        marks[w] = (struct marks){.white = table->white[w], .leaf = leaves};
    }
}

/* Returns the number of candidates. */
static size_t subtract_tables(struct gc_table *tables, unsigned held)
{
    size_t count = 0;
    far.count = 0;
    for_each_table (table, tables) {
        subtract_table(table, held);
        count += gc_table_count(table, GC_WHITE);
    }
    subtract_far();
    return count;
}

/* ---- Find roots ---- */

/* Probably a field was set without a retain, the object was released once too often, or a traverse
 * callback visits a reference twice. */
static COLD _Noreturn void report_too_many_fields(void *object, const int8_t *number)
{
    error_fatal(object, "object %p (%s): %d more fields refer to it than it has references", object,
                error_type_name(object), (int)-gc_refs_value(number));
}

/* Pushes the table's roots, but for leaves and those that were reached from other roots already. In
 * a forked child that lacks a running thread (owner.h) a negative gc_refs makes a root, too. */
static void push_roots(struct gc_table *table)
{
    const struct numbered_pool pool = numbering_of_table(table);
    const int8_t *numbers = &gc_refs.numbers[pool.first];
    struct marks *marks = numbering_marks(&pool);
    unsigned words = gc_table_carved_words(table);
    for (unsigned w = 0; w < words; w++) {
        uint64_t roots = table->white[w] & gc_refs_nonzero(&numbers[w * 64]);
        uint64_t gray = roots & marks[w].white & ~marks[w].leaf;
        marks[w].white &= ~roots;
        for (; roots != 0; roots &= roots - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(roots);
            if (UNLIKELY(gc_refs_is_negative(&numbers[i])) && !owner_running_lost)
                report_too_many_fields(gc_table_object(table, i), &numbers[i]);
            if ((gray & roots & -roots) != 0)
                mark_push(gc_table_object(table, i));
        }
    }
}

/* ---- The whole ---- */

/* Copies marks.white into the tables. Returns the number of white objects. */
static size_t store_white(struct gc_table *tables)
{
    size_t count = 0;
    for_each_table (table, tables) {
        const struct numbered_pool pool = numbering_of_table(table);
        const struct marks *marks = numbering_marks(&pool);
        unsigned words = gc_table_carved_words(table);
        for (unsigned w = 0; w < words; w++)
            table->white[w] = marks[w].white;
        count += gc_table_count(table, GC_WHITE);
    }
    return count;
}

bool deduce(struct gc_table *tables, struct deduction *deduction)
{
    if (tables == NULL)
        return true;
    validate_candidates(tables);
    if (!numbering_begin(tables))
        return false;
    size_t candidates = subtract_tables(tables, deduction->held);
    validate_numbers(tables);
    generation_promote(tables, deduction->collected);
    mark_begin();
    for_each_table (table, tables) {
        push_roots(table);
        mark_all();
    }
    validate_marks(tables);
    deduction->candidates += candidates;
    deduction->reachable = candidates - store_white(tables);
    numbering_end(tables);
    return true;
}
