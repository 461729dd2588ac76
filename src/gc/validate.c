/* validate.c: the checks. */
#include "validate.h"

#ifdef MOLT_VALIDATE

#include "gc_refs.h"
#include "generation.h"
#include "incremental.h" // struct shadow
#include "numbering.h"

#include "base/options.h"
#include "base/report.h"
#include "object/count.h" // count_for_deduction
#include "object/error.h"
#include "object/owner.h" // owner_running_lost
#include "object/type.h"

#include <stddef.h>

#define OVERWRITTEN \
    "the library's memory has been overwritten, or a list was changed without its lock"

static bool broken_off; /* objects may be left condemned, or promoted in part */

void validate_note_broken_off(void)
{
    broken_off = true;
}

static COLD _Noreturn void fail(const void *object, const char *what, const char *cause)
{
    error_fatal(object, "validate: object %p (%s) %s: %s", object, error_type_name(object), what,
                cause);
}

/* ---- Lists ---- */

static const struct ring {
    struct link *links;
    size_t member; /* of struct gc_table */
    const char *name;
} rings[] = {
    {&gc_table_all, offsetof(struct gc_table, all), "all"},
    {&gc_table_young, offsetof(struct gc_table, young), "young"},
    {&gc_table_middle, offsetof(struct gc_table, middle), "middle"},
    {&gc_table_stale, offsetof(struct gc_table, stale), "stale"},
};

static struct link *link_of(struct gc_table *table, const struct ring *ring)
{
    return (struct link *)(void *)((char *)table + ring->member);
}

/* How many links are in it. One that can be gone both ways has no circle but itself. */
static size_t check_ring(const struct ring *ring)
{
    size_t count = 0;
    const struct link *last = ring->links;
    for (const struct link *link = last->next; link != ring->links; link = link->next, count++) {
        if (link == NULL || link->prev != last)
            report_fatal("validate: the list of %s tables is broken behind link %p: " OVERWRITTEN,
                         ring->name, (const void *)last);
        last = link;
    }
    if (ring->links->prev != last)
        report_fatal("validate: the list of %s tables does not end with link %p: " OVERWRITTEN,
                     ring->name, (const void *)last);
    return count;
}

/* A table that has a link in a ring is in it, and in the ring of all. */
static void check_members(const struct ring *ring)
{
    size_t links = check_ring(ring), tables = 0;
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next)
        tables += link_is_linked(link_of(LINK_OWNER(link, struct gc_table, all), ring));
    if (links != tables)
        report_fatal(
            "validate: the list of %s tables has %zu links, and %zu tables have one: " OVERWRITTEN,
            ring->name, links, tables);
}

/* ---- Tables ---- */

/* Its objects' addresses lead back to it. In a forked child a pool may not lead to its table yet.
 */
static void check_record(const struct gc_table *table)
{
    const struct pool *pool = table->pool;
    if (pool == NULL || (pool->gc_table == NULL && owner_running_lost))
        return;
    if (pool->gc_table != table || pool->start != table->start || pool->capacity != table->capacity)
        report_fatal("validate: the pool of objects at %p has a record that leads to table %p, and "
                     "table %p is in the list: " OVERWRITTEN,
                     (void *)table->start, (void *)pool->gc_table, (const void *)table);
}

/* No collection has left a note. */
static void check_notes(struct gc_table *table)
{
    if (table->numbered != 0 || table->is_gathered || gc_table_count(table, GC_DUE) != 0)
        report_fatal("validate: table %p of the objects at %p has notes of a collection that is "
                     "over: a phase has not taken them back",
                     (void *)table, (void *)table->start);
}

/* ---- Ages ---- */

static void check_condemned(const void *object, uint64_t header)
{
    if (header_tag(header) == TAG_CONDEMNED && !broken_off)
        fail(object, "is condemned and no collection frees it",
             "its header has been overwritten, or its collection ended before its end");
}

/* A block's bit against its header. */
static void check_age(struct gc_table *table, unsigned block)
{
    void *object = gc_table_object(table, block);
    uint64_t header = header_of(object);
    bool is_old = gc_table_test(table, GC_OLD, block);
    check_condemned(object, header);
    if (is_old && (header_tag(header) == BLOCK_MARK || (header & HEADER_OLD) == 0))
        fail(object, "counts as old, and its header says that it is not",
             "another thread has let it die without a note that its table is stale, or its header "
             "has been overwritten");
    if (!header_is_tracked(header) || is_old)
        return;
    if ((header & HEADER_OLD) != 0 && !broken_off)
        fail(object, "is old by its header, and counts as young",
             "its header has been overwritten, or its age was forgotten alone");
    if (!link_is_linked(&table->young))
        fail(object, "is young where no young collection looks",
             "its table was not added to the young ones when the object was made");
}

/* The ring is filled after a collection: one that was broken off leaves the table in the young one,
 * which collections of the middle generation look at as well. */
static bool may_have_middle(const struct gc_table *table)
{
    return link_is_linked(&table->middle) || (broken_off && link_is_linked(&table->young));
}

/* Bits that go together, of 64 blocks. */
static void check_bits(struct gc_table *table, unsigned w)
{
    uint64_t old = gc_table_words(table, GC_OLD)[w], middle = gc_table_words(table, GC_MIDDLE)[w];
    uint64_t frozen = gc_table_words(table, GC_FROZEN)[w];
    uint64_t wrong = ((middle | frozen) & ~old) | (middle & frozen) |
                     (may_have_middle(table) ? 0 : middle) |
                     ((old | middle | frozen) & ~gc_table_existing(table, w));
    if (wrong != 0)
        fail(gc_table_object(table, w * 64 + (unsigned)__builtin_ctzll(wrong)),
             "has an age that does not exist", OVERWRITTEN);
}

/* Bits may be stale, or half changed by a thread that a forked child lacks. */
static void check_ages(struct gc_table *table)
{
    if (table->words == 0 || link_is_linked(&table->stale) || owner_running_lost)
        return;
    for (unsigned w = 0; w < table->words; w++)
        check_bits(table, w);
    for (unsigned block = 0; block < gc_table_carved(table); block++)
        check_age(table, block);
}

void validate_tables(int generation)
{
    if (!options.validate)
        return;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        check_members(&rings[i]);
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        check_record(table);
        check_notes(table);
        if (generation == GENERATION_OLD || link_is_linked(&table->young) ||
            (generation == GENERATION_MIDDLE && link_is_linked(&table->middle)))
            check_ages(table);
    }
}

/* ---- A deduction ---- */

#define TOLD_DIFFERENTLY                                                                \
    "a traverse callback does not tell the same references each time, or a thread has " \
    "changed a field although it has said that it uses no objects"

void validate_candidates(struct gc_table *tables)
{
    if (!options.validate)
        return;
    for_each_table (table, tables) {
        if (table->is_gathered)
            report_fatal("validate: table %p is in the list of candidates twice: a phase has "
                         "gathered it again",
                         (void *)table);
        table->is_gathered = true;
        for (unsigned w = 0; w < table->words; w++)
            if ((table->white[w] & ~gc_table_existing(table, w)) != 0)
                report_fatal("validate: a block behind those that exist is white, in the pool of "
                             "objects at %p: " OVERWRITTEN,
                             (void *)table->start);
    }
    for_each_table (table, tables)
        table->is_gathered = false;
}

/* Calls `visit` for all references of what is white, with the object. */
static void visit_white(struct gc_table *tables, molt_visit *visit)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            type_visit(type_of(object), object, visit, object);
        }
}

static int add_reference(void *target, void *object)
{
    (void)object;
    size_t number = numbering_slow(target);
    if (number != NUMBER_NONE)
        gc_refs_add(&gc_refs.numbers[number], 1);
    return 0;
}

static int subtract_reference(void *target, void *object)
{
    (void)object;
    size_t number = numbering_slow(target);
    if (number != NUMBER_NONE)
        gc_refs_subtract_one(&gc_refs.numbers[number]);
    return 0;
}

static int64_t number_of(const void *object)
{
    return gc_refs_value(&gc_refs.numbers[numbering_slow(object)]);
}

static void check_is_object(const void *object)
{
    if (!header_is_live(header_of(object)))
        fail(object, "is a candidate, and no live object",
             "it died while the world stood still: a traverse callback has released it");
}

/* All references have been added again. */
static void check_count(const void *object)
{
    int64_t more = number_of(object) - (int32_t)count_for_deduction(object, header_of(object), 0);
    if (more != 0)
        error_fatal(object,
                    "validate: object %p (%s): when references are told a second time, %d %s lead "
                    "to it: " TOLD_DIFFERENTLY,
                    object, error_type_name(object), (int)(more < 0 ? -more : more),
                    more < 0 ? "fewer" : "more");
}

static void for_white(struct gc_table *tables, void (*check)(const void *object))
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE)
            check(gc_table_object(table, i));
}

/* By way of the tables, which is how the tables of numbering.h are looked at, too. */
void validate_numbers(struct gc_table *tables)
{
    if (!options.validate)
        return;
    for_white(tables, check_is_object);
    visit_white(tables, add_reference);
    for_white(tables, check_count);
    visit_white(tables, subtract_reference);
}

/* Whether mark has left it white. */
static bool is_garbage(const void *object)
{
    size_t number = numbering_slow(object);
    return number != NUMBER_NONE && (numbering.marks[number / 64].white >> (number % 64) & 1) != 0;
}

static int check_target(void *target, void *object)
{
    if (!is_garbage(object) && is_garbage(target))
        error_fatal(target,
                    "validate: object %p (%s) is taken for garbage, and %p (%s) refers to "
                    "it: " TOLD_DIFFERENTLY,
                    target, error_type_name(target), object, error_type_name(object));
    return 0;
}

static void check_is_unreferenced(const void *object)
{
    if (is_garbage(object) && number_of(object) != 0)
        fail(object, "is taken for garbage, and has references from outside", OVERWRITTEN);
}

void validate_marks(struct gc_table *tables)
{
    if (!options.validate)
        return;
    for_white(tables, check_is_unreferenced);
    visit_white(tables, check_target);
}

/* ---- The incremental cycle ---- */

static COLD _Noreturn void fail_shadow(const struct shadow *shadow, const char *what)
{
    const struct gc_table *table = shadow->table;
    report_fatal("validate: shadow %p for the objects at %p: %s: " OVERWRITTEN,
                 (const void *)shadow, table != NULL ? (void *)table->start : NULL, what);
}

/* The bits of 64 blocks. */
static void check_proposed(const struct shadow *shadow, unsigned w)
{
    uint64_t whites = shadow->whites[w], grays = shadow->grays[w];
    unsigned left = shadow->blocks - w * 64;
    uint64_t existing = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
    if ((whites & grays) != 0)
        fail_shadow(shadow, "a block is white and gray");
    if (((whites | grays) & ~existing) != 0)
        fail_shadow(shadow, "a block is in the cycle that did not exist when it began");
    if ((grays != 0) != ((shadow->gray_words >> w & 1) != 0))
        fail_shadow(shadow, "gray blocks are not noted as such");
}

static void check_shadow(const struct shadow *shadow)
{
    const struct gc_table *table = shadow->table;
    for (unsigned w = 0; w < shadow->words; w++)
        check_proposed(shadow, w);
    if (table == NULL) /* what was gray is gone with it */
        return;
    if (table->shadow != shadow || shadow->blocks > gc_table_carved(table))
        fail_shadow(shadow, "its table has another");
    if (shadow->gray_words != 0 && !shadow->is_listed)
        fail_shadow(shadow, "it has gray blocks and is not listed");
}

void validate_shadows(const struct shadow *all, const struct shadow *gray)
{
    if (!options.validate)
        return;
    size_t listed = 0;
    for (const struct shadow *shadow = all; shadow != NULL; shadow = shadow->next) {
        check_shadow(shadow);
        listed += shadow->is_listed;
    }
    for (; gray != NULL && listed != 0; gray = gray->gray)
        listed--;
    if (gray != NULL || listed != 0)
        report_fatal("validate: the list of gray shadows is not that of those which are listed: "
                     "%s",
                     OVERWRITTEN);
}

#endif
