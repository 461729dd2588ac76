/* collect.c: the phases of a collection after deduce. collect(), at the end, is the whole. */
#include "collect.h"

#include "collector.h"
#include "deduce.h"
#include "garbage.h"
#include "generation.h"
#include "incremental.h" // incremental_end
#include "scratch.h"     // scratch_give
#include "throttle.h"    // throttle_note_progress
#include "validate.h"

#include "base/report.h"
#include "object/count.h"
#include "object/death.h"
#include "object/dying.h" // dying.is_deleting
#include "object/error.h"
#include "object/gc_table.h"
#include "object/safepoint.h"
#include "object/type.h"
#include "object/weak.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* The tables that have white objects, linked anew. */
static struct gc_table *tables_with_white(struct gc_table *tables)
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

static void report_objects(const char *what, struct gc_table *tables, enum gc_bit bitmap)
{
    for_each_table (table, tables)
        for_each_bit (i, table, bitmap) {
            struct report_line line = {.length = 0};
            void *object = gc_table_object(table, i);
            report_append(&line, "molt: gc: %s %s %p\n", what, error_type_name(object), object);
            report_write(report_stderr(), line.text, line.length);
        }
}

static void clear_due(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_DUE)
            gc_table_unset(table, GC_DUE, i);
}

/* GC_DUE, which is free then, keeps what was white before the second deduction. */
static void copy_white_to_due(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE)
            gc_table_set(table, GC_DUE, i);
}

/* Revived: was white, and is no longer. */
static void report_revived(struct gc_table *tables)
{
    for_each_table (table, tables)
        for_each_bit (i, table, GC_WHITE)
            gc_table_unset(table, GC_DUE, i);
    report_objects("uncollectable", tables, GC_DUE);
    clear_due(tables);
}

/* ---- Code of the program: weak references' callbacks and finalizers ---- */

static bool has_finalizer_due(const void *object)
{
    uint64_t header = header_of(object);
    return (header & HEADER_FINALIZED) == 0 &&
           type_by_number(header_type(header))->type->finalize != NULL;
}

static bool any_program_code_due(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE) {
            void *object = gc_table_object(table, i);
            if (has_finalizer_due(object) || weak_has(object))
                return true;
        }
    return false;
}

static void retain_white(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE)
            count_add_stopped(gc_table_object(table, i), 1);
}

/* Weak references with a callback die, and join the chain at *due. GC_DUE: finalizers to call. */
static void prepare_program_code(struct gc_table *white, molt_weak **due)
{
    retain_white(white);
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

/* For each white object clears its white bit, then calls `end`, which frees or releases it. The
 * world is running: with its last object a pool may be released, and the table with it, even by
 * another thread. So a table is not read after `end` of its last white object. */
static void drain_white(struct gc_table *white, void (*end)(void *object))
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

/* Which of the white objects are garbage cannot be deduced again: all live on like revived ones. */
static void release_white(struct gc_table *white)
{
    death_begin_defer();
    drain_white(white, molt_release);
    death_end_defer();
}

static void unlock_and_resume(void)
{
    gc_table_lock_release();
    safepoint_resume_world();
}

static bool stop_and_lock(unsigned ms)
{
    if (!collector_stop_world(ms))
        return false;
    gc_table_lock_acquire();
    return true;
}

/* Runs the callbacks and finalizers that are due. White afterwards: those not revived; or, with an
 * error number, none, and the world is running. */
static int run_program_code(struct collection *collection, struct gc_table **white)
{
    molt_weak *due = NULL;
    prepare_program_code(*white, &due);
    unlock_and_resume();
    weak_call(&due);
    call_finalizers(*white);
    if (!stop_and_lock(collection->stop_ms)) {
        release_white(*white);
        return EBUSY;
    }
    validate_tables(collection->generation);
    if (collection->says_uncollectable)
        copy_white_to_due(*white);
    struct deduction deduction = {.collected = collection->generation, .held = 1};
    if (!deduce(*white, &deduction)) {
        clear_due(*white);
        unlock_and_resume();
        release_white(*white);
        return ENOMEM;
    }
    if (collection->says_uncollectable)
        report_revived(*white);
    collection->revived += deduction.reachable;
    *white = tables_with_white(*white);
    return 0;
}

/* ---- Deleting ---- */

/* All before the first object is condemned: a child that is forked in between must find no weak
 * reference to a condemned object. */
static void clear_weak_references(struct gc_table *white)
{
    for_each_table (table, white)
        for_each_bit (i, table, GC_WHITE)
            if (weak_has(gc_table_object(table, i)))
                weak_take(gc_table_object(table, i), false, NULL);
}

/* Returns the number of objects. */
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

/* No block is freed before all references are dropped: until then headers of targets are read. */
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
    drain_white(white, death_finish);
    death_end_defer();
}

/* Returns the number of objects that there was memory to keep. */
static size_t save_white(struct gc_table *white)
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

/* The tables with garbage, which is white. If *error is not 0 the world is running. */
static struct gc_table *find_garbage(struct collection *collection, struct gc_table *tables,
                                     int *error)
{
    struct deduction deduction = {.collected = collection->generation};
    if (!deduce(tables, &deduction)) {
        *error = ENOMEM;
        unlock_and_resume();
        return NULL;
    }
    collection->candidates += deduction.candidates;
    collection->survivors += deduction.reachable;
    if (!collection->is_partial)
        generation_update_lists(collection->generation);
    struct gc_table *white = tables_with_white(tables);
    if (any_program_code_due(white))
        *error = run_program_code(collection, &white);
    return white;
}

int collect_tables(struct collection *collection, struct gc_table *tables)
{
    int error = 0;
    struct gc_table *white = find_garbage(collection, tables, &error);
    if (error != 0)
        return error;
    if (collection->says_collectable)
        report_objects("collectable", white, GC_WHITE);
    if (collection->saves_all) {
        if (collection->says_uncollectable)
            report_objects("uncollectable", white, GC_WHITE);
        collection->unreachable += save_white(white);
        unlock_and_resume();
        return 0;
    }
    clear_weak_references(white);
    collection->unreachable += condemn(white);
    unlock_and_resume();
    delete_white(white);
    return 0;
}

int collect(struct collection *collection)
{
    if (!stop_and_lock(collection->stop_ms))
        return EBUSY;
    validate_tables(collection->generation);
    return collect_tables(collection, deduce_gather(collection->generation));
}

long collect_result(const struct collection *done, int error)
{
    if (error == 0)
        return (long)done->unreachable;
    errno = error;
    return -1;
}

/* A child may be forked in between: first no table leads to what is unmapped afterwards. */
void collect_abandon(void)
{
    gc_table_forget_collection();
    incremental_end();
    scratch_give();
    validate_note_broken_off();
}
