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
#include "object/side.h"
#include "object/type.h"
#include "object/weak.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* Sides without white objects leave the list. */
static struct side *keep_white(struct side *sides)
{
    struct side *kept = NULL, *next;
    for (struct side *side = sides; side != NULL; side = next) {
        uint64_t any = 0;
        next = side->next;
        for (unsigned w = 0; w < side->words; w++)
            any |= side_bits(side, SIDE_WHITE)[w];
        if (any == 0)
            continue;
        side->next = kept;
        kept = side;
    }
    return kept;
}

/* ---- Debugging ---- */

static void say_all(const char *what, struct side *sides, enum side_bitmap bitmap)
{
    for_each_side (side, sides)
        for_each_bit (i, side, bitmap) {
            struct report_line line = {.length = 0};
            void *object = side_object(side, i);
            report_append(&line, "molt: gc: %s %s %p\n", what, error_type_name(object), object);
            report_write(report_stderr(), line.text, line.length);
        }
}

static void forget_due(struct side *sides)
{
    for_each_side (side, sides)
        for_each_bit (i, side, SIDE_DUE)
            side_unset(side, SIDE_DUE, i);
}

static void note_white(struct side *sides)
{
    for_each_side (side, sides)
        for_each_bit (i, side, SIDE_WHITE)
            side_set(side, SIDE_DUE, i);
}

/* The revived ones are white no longer. */
static void say_revived(struct side *sides)
{
    for_each_side (side, sides)
        for_each_bit (i, side, SIDE_WHITE)
            side_unset(side, SIDE_DUE, i);
    say_all("uncollectable", sides, SIDE_DUE);
    forget_due(sides);
}

/* ---- Code of the program: weak references' callbacks and finalizers ---- */

static bool has_finalizer_due(const void *object)
{
    uint64_t header = header_of(object);
    return (header & HEADER_FINALIZED) == 0 &&
           type_by_number(header_type(header))->type->finalize != NULL;
}

static bool any_code_due(struct side *white)
{
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE) {
            void *object = side_object(side, i);
            if (has_finalizer_due(object) || weak_has(object))
                return true;
        }
    return false;
}

static void add_to_counts(struct side *white, int change)
{
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE)
            count_add_stopped(side_object(side, i), change);
}

/* Takes down which finalizers are due. */
static void prepare_code(struct side *white, molt_weak **due)
{
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE) {
            void *object = side_object(side, i);
            if (weak_has(object))
                weak_take(object, true, due);
            if (!has_finalizer_due(object))
                continue;
            header_set(object, header_of(object) | HEADER_FINALIZED);
            side_set(side, SIDE_DUE, i);
        }
}

static void call_finalizers(struct side *white)
{
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_DUE) {
            void *object = side_object(side, i);
            side_unset(side, SIDE_DUE, i);
            throttle_note_progress();
            type_by_number(header_type(header_of(object)))->type->finalize(object);
        }
}

/* Each white object is white no longer, and `end` is called with it; what dies of that is put off
 * by the caller. Its side may go with it, also by the hand of its owner: after the last of a side
 * nothing is read there. */
static void end_white(struct side *white, void (*end)(void *object))
{
    struct side *next;
    for (struct side *side = white; side != NULL; side = next) {
        next = side->next;
        size_t left = side_count(side, SIDE_WHITE);
        for (unsigned i = 0; left != 0; i++) {
            if (!side_test(side, SIDE_WHITE, i))
                continue;
            side_unset(side, SIDE_WHITE, i);
            left--;
            throttle_note_progress();
            end(side_object(side, i));
        }
    }
}

/* The question cannot be asked again: all are revived, their generation aside. */
static void give_up(struct side *white)
{
    death_begin_defer();
    end_white(white, molt_release);
    death_end_defer();
}

static void let_run(void)
{
    side_lock_release();
    safepoint_resume_world();
}

static bool stop_again(unsigned ms)
{
    if (!collector_stop_world(ms))
        return false;
    side_lock_acquire();
    return true;
}

/* Runs what is due, and lets go of what it revived. The white objects are kept by a reference
 * meanwhile. An error number if the world or memory did not allow to ask again. */
static int run_code(struct collection *collection, struct side **white)
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
static void take_weak(struct side *white)
{
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE)
            if (weak_has(side_object(side, i)))
                weak_take(side_object(side, i), false, NULL);
}

static size_t condemn(struct side *white)
{
    size_t count = 0;
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE) {
            void *object = side_object(side, i);
            count_forget(object);
            uint64_t header = header_of(object) & ~HEADER_OLD;
            header_set(object, header_with(header, TAG_CONDEMNED, 0));
            side_forget(side, i);
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

static void delete_white(struct side *white)
{
    death_begin_defer();
    dying.is_deleting = true;
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE) {
            throttle_note_progress();
            drop_references(side_object(side, i));
        }
    dying.is_deleting = false;
    end_white(white, death_finish);
    death_end_defer();
}

static size_t save_all(struct side *white)
{
    size_t count = 0;
    for_each_side (side, white)
        for_each_bit (i, side, SIDE_WHITE) {
            void *object = side_object(side, i);
            side_unset(side, SIDE_WHITE, i);
            generation_promote_one(side, i);
            count += garbage_keep(object);
        }
    return count;
}

/* ---- The whole ---- */

/* The white objects, to be deleted; the world stands still unless *error. */
static struct side *find_garbage(struct collection *collection, struct side *sides, int *error)
{
    struct deduction deduction = {.collected = collection->generation};
    if (!deduce(sides, &deduction)) {
        *error = ENOMEM;
        let_run();
        return NULL;
    }
    collection->candidates += deduction.candidates;
    collection->survivors += deduction.reachable;
    if (!collection->is_partial)
        generation_update_lists(collection->generation);
    struct side *white = keep_white(sides);
    if (any_code_due(white))
        *error = run_code(collection, &white);
    return white;
}

int collect_sides(struct collection *collection, struct side *sides)
{
    int error = 0;
    struct side *white = find_garbage(collection, sides, &error);
    if (error != 0)
        return error;
    if (collection->says_collectable)
        say_all("collectable", white, SIDE_WHITE);
    if (collection->saves_all) {
        if (collection->says_uncollectable)
            say_all("uncollectable", white, SIDE_WHITE);
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
    side_lock_acquire();
    struct side *sides = deduce_gather(collection->generation);
    return collect_sides(collection, sides);
}
