/* collect.c: what is done with garbage. collect(), at the end, is the whole in short. */
#include "collect.h"

#include "collector.h"
#include "deduce.h"
#include "garbage.h"
#include "generation.h"
#include "throttle.h" // throttle_note_progress

#include "base/report.h"
#include "object/count.h"
#include "object/death.h"
#include "object/dying.h" // dying.is_deleting
#include "object/error.h"
#include "object/safepoint.h"
#include "object/gc_table.h"
#include "object/type.h"
#include "object/weak.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* Tables without white objects leave the list. */
static struct gc_table *keep_white(struct gc_table *tables)
{
    struct gc_table *kept = NULL, *next;
    for (struct gc_table *table = tables; table != NULL; table = next) {
        uint64_t any = 0;
        next = table->next;
        for (unsigned w = 0; w < table->words; w++)
            any |= gc_table_words(table, GC_WHITE)[w];
        if (any == 0)
            continue;
        table->next = kept;
        kept = table;
    }
    return kept;
}

/* ---- Debugging ---- */

static void say_all(const char *what, struct gc_table *tables, enum gc_bit bitmap)
{
    for_each_table (table, tables)
        for_each_bit (i, table, bitmap) {
            struct report_line line = {.length = 0};
            void *object = gc_table_object(table, i);
            report_append(&line, "molt: gc: %s %s %p\n", what, error_type_name(object), object);
            report_write(report_stderr(), line.text, line.length);
        }
}

static void forget_due(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_DUE)
            gc_table_unset(table, GC_DUE, i);
}

static void note_white(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE)
            gc_table_set(table, GC_DUE, i);
}

/* The revived ones are white no longer. */
static void say_revived(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE)
            gc_table_unset(table, GC_DUE, i);
    say_all("uncollectable", tables, GC_DUE);
    forget_due(tables);
}

/* ---- Code of the program: weak references' callbacks and finalizers ---- */

static bool has_finalizer_due(const void *object)
{
    uint64_t header = header_of(object);
    return (header & HEADER_FINALIZED) == 0 &&
           type_by_number(header_type(header))->type->finalize != NULL;
}

static bool any_code_due(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            if (has_finalizer_due(object) || weak_has(object))
                return true;
        }
    return false;
}

static void add_to_counts(struct gc_table *white, int change)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE)
            count_add_stopped(gc_table_object(table, i), change);
}

/* Takes down which finalizers are due. */
static void prepare_code(struct gc_table *white, molt_weak **due)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            if (weak_has(object))
                weak_take(object, true, due);
            if (!has_finalizer_due(object))
                continue;
            header_set(object, header_of(object) | HEADER_FINALIZED);
            gc_table_set(table, GC_DUE, i);
        }
}

static void call_finalizers(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_DUE) {
            void *object = gc_table_object(table, i);
            gc_table_unset(table, GC_DUE, i);
            throttle_note_progress();
            type_by_number(header_type(header_of(object)))->type->finalize(object);
        }
}

/* Each white object is white no longer, and `end` is called with it; what dies of that is put off
 * by the caller. Its table may go with it, also by the hand of its owner: after the last of a table
 * nothing is read there. */
static void end_white(struct gc_table *white, void (*end)(void *object))
{
    struct gc_table *next;
    for (struct gc_table *table = white; table != NULL; table = next) {
        next = table->next;
        size_t left = gc_table_count(table, GC_WHITE);
        for (unsigned i = 0; left != 0; i++) {
            if (!gc_table_test(table, GC_WHITE, i))
                continue;
            gc_table_unset(table, GC_WHITE, i);
            left--;
            throttle_note_progress();
            end(gc_table_object(table, i));
        }
    }
}

/* The question cannot be asked again: all are revived, their generation aside. */
static void give_up(struct gc_table *white)
{
    death_begin_defer();
    end_white(white, molt_release);
    death_end_defer();
}

static void let_run(void)
{
    gc_table_lock_release();
    safepoint_resume_world();
}

static bool stop_again(unsigned ms)
{
    if (!collector_stop_world(ms))
        return false;
    gc_table_lock_acquire();
    return true;
}

/* Runs what is due, and lets go of what it revived. The white objects are kept by a reference
 * meanwhile. An error number if the world or memory did not allow to ask again. */
static int run_code(struct collection *collection, struct gc_table **white)
{
    molt_weak *due = NULL;
    add_to_counts(*white, 1);
    prepare_code(*white, &due);
    let_run();
    weak_call(&due);
    call_finalizers(*white);
    if (!stop_again(collection->stop_ms)) {
        give_up(*white);
        return EBUSY;
    }
    if (collection->says_uncollectable)
        note_white(*white);
    struct deduction deduction = {.collected = collection->generation, .held = 1};
    if (!deduce(*white, &deduction)) {
        forget_due(*white);
        let_run();
        give_up(*white);
        return ENOMEM;
    }
    if (collection->says_uncollectable)
        say_revived(*white);
    collection->revived += deduction.reachable;
    *white = keep_white(*white);
    return 0;
}

/* ---- Deleting ---- */

/* All weak references go before the first object does: in a forked child none may lead to garbage
 * of which a part is condemned. */
static void take_weak(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE)
            if (weak_has(gc_table_object(table, i)))
                weak_take(gc_table_object(table, i), false, NULL);
}

static size_t condemn(struct gc_table *white)
{
    size_t count = 0;
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            count_forget(object);
            uint64_t header = header_of(object) & ~HEADER_OLD;
            header_set(object, header_with(header, TAG_CONDEMNED, 0));
            gc_table_forget(table, i);
            count++;
        }
    return count;
}

static void drop_references(void *object)
{
    const struct descriptor *type = type_by_number(header_type(header_of(object)));
    if (type->has_traverse)
        type->type->clear(object);
    struct slots slots = type_slots(type, object, object_bytes(object));
    for (size_t i = 0; i < slots_count(&slots); i++) {
        void *target = *slots_at(&slots, i);
        *slots_at(&slots, i) = NULL;
        atomic_signal_fence(memory_order_release);
        if (target != NULL && header_tag(header_of(target)) != TAG_CONDEMNED && count_drop(target))
            death_defer(target);
    }
}

static void delete_white(struct gc_table *white)
{
    death_begin_defer();
    dying.is_deleting = true;
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            throttle_note_progress();
            drop_references(gc_table_object(table, i));
        }
    dying.is_deleting = false;
    end_white(white, death_finish);
    death_end_defer();
}

static size_t save_all(struct gc_table *white)
{
    size_t count = 0;
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            gc_table_unset(table, GC_WHITE, i);
            generation_promote_one(table, i);
            count += garbage_keep(object);
        }
    return count;
}

/* ---- The whole ---- */

/* The white objects, to be deleted; the world stands still unless *error. */
static struct gc_table *find_garbage(struct collection *collection, struct gc_table *tables,
                                     int *error)
{
    struct deduction deduction = {.collected = collection->generation};
    if (!deduce(tables, &deduction)) {
        *error = ENOMEM;
        let_run();
        return NULL;
    }
    collection->candidates += deduction.candidates;
    collection->survivors += deduction.reachable;
    if (!collection->is_partial)
        generation_update_lists(collection->generation);
    struct gc_table *white = keep_white(tables);
    if (any_code_due(white))
        *error = run_code(collection, &white);
    return white;
}

int collect_tables(struct collection *collection, struct gc_table *tables)
{
    int error = 0;
    struct gc_table *white = find_garbage(collection, tables, &error);
    if (error != 0)
        return error;
    if (collection->says_collectable)
        say_all("collectable", white, GC_WHITE);
    if (collection->saves_all) {
        if (collection->says_uncollectable)
            say_all("uncollectable", white, GC_WHITE);
        collection->unreachable += save_all(white);
        let_run();
        return 0;
    }
    take_weak(white);
    collection->unreachable += condemn(white);
    let_run();
    delete_white(white);
    return 0;
}

int collect(struct collection *collection)
{
    if (!collector_stop_world(collection->stop_ms))
        return EBUSY;
    gc_table_lock_acquire();
    struct gc_table *tables = deduce_gather(collection->generation);
    return collect_tables(collection, tables);
}
