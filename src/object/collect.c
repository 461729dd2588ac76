/* collect.c: the phases. collect(), at the end, is the whole in short. */
#include "collect.h"

#include "count.h"
#include "death.h"
#include "error.h"
#include "scratch.h"
#include "side.h"
#include "type.h"
#include "weak.h"
#include "world.h"

#include "base/report.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

/* More than any count: immortal objects are roots. */
#define MANY (UINT32_C(1) << 30)

static THREAD_LOCAL bool is_deleting;

bool collect_is_deleting(void)
{
    return is_deleting;
}

/* ---- Walking ---- */

/* for_each_bit(i, side, SIDE_WHITE): each set bit; the body may clear bits. */
#define for_each_bit(i, side, bitmap)                                                            \
    for (unsigned w_ = 0; w_ < (side)->words; w_++)                                              \
        for (uint64_t left_ = side_bits(side, bitmap)[w_]; left_ != 0; left_ &= left_ - 1)       \
            for (unsigned i = w_ * 64 + (unsigned)__builtin_ctzll(left_), once_ = 1; once_ != 0; \
                 once_ = 0)

#define for_each_side(side, sides) \
    for (struct side *side = (sides); side != NULL; side = side->next)

/* The side of a reference's target if that takes part in the collection, else NULL. */
static ALWAYS_INLINE struct side *side_of_target(const void *target)
{
    const struct pool *pool = map_pool(target);
    struct side *side = pool->side;
    if (UNLIKELY(side == NULL || (uintptr_t)target - side->start >= POOL_BYTES)) {
        if (map_in_window(target) && pool_state(pool) != POOL_NONE)
            return NULL; /* untracked */
        side = &large_of(target)->side;
    }
    return LIKELY(side->edges != NULL) ? side : NULL;
}

/* The bits of word w for which there are blocks. */
static uint64_t existing(const struct side *side, unsigned w)
{
    unsigned carved = side_carved(side);
    if (carved >= (w + 1) * 64)
        return ~UINT64_C(0);
    return carved <= w * 64 ? 0 : (UINT64_C(1) << (carved - w * 64)) - 1;
}

/* The blocks of word w that belong to a generation, if objects are in them. */
static uint64_t generation_bits(struct side *side, unsigned w, int generation)
{
    uint64_t old = side_bits(side, SIDE_OLD)[w], middle = side_bits(side, SIDE_MIDDLE)[w];
    uint64_t frozen = side_bits(side, SIDE_FROZEN)[w], all = existing(side, w);
    switch (generation) {
    case 0:
        return all & ~old;
    case 1:
        return all & old & middle & ~frozen;
    case 2:
        return all & old & ~middle & ~frozen;
    case COLLECT_FROZEN:
        return all & old & frozen;
    default:
        return all;
    }
}

/* ---- Gather ---- */

/* The candidates of one side; whether there are any. Which blocks hold objects is seen later, when
 * the headers are read. */
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

static struct side *gather_ring(struct link *ring, size_t member, int generation,
                                struct side *sides)
{
    for (struct link *link = ring->next; link != ring; link = link->next) {
        struct side *side = (struct side *)(void *)((char *)link - member);
        if (side->edges != NULL || !gather_side(side, generation))
            continue;
        side->edges = (uint32_t *)side; /* for now: taken */
        side->next = sides;
        sides = side;
    }
    return sides;
}

static struct side *gather(int generation)
{
    if (generation == 2)
        return gather_ring(&side_all, offsetof(struct side, all), generation, NULL);
    struct side *sides = gather_ring(&side_young, offsetof(struct side, young), generation, NULL);
    if (generation == 1)
        sides = gather_ring(&side_middle, offsetof(struct side, middle), generation, sides);
    return sides;
}

static void forget_edges(struct side *sides)
{
    for_each_side(side, sides) side->edges = NULL;
}

static bool take_edges(struct side *sides)
{
    size_t blocks = 0;
    for_each_side(side, sides) blocks += side_carved(side);
    uint32_t *edges = scratch_take(blocks * sizeof *edges);
    if (edges == NULL)
        return false;
    for_each_side(side, sides)
    {
        side->edges = edges;
        edges += side_carved(side);
    }
    return true;
}

/* ---- Subtract ---- */

static ALWAYS_INLINE void subtract_target(void *target)
{
    struct side *side = side_of_target(target);
    if (LIKELY(side != NULL))
        side->edges[side_index(side, target)]--;
}

static int subtract_more(void *target, void *context)
{
    (void)context;
    subtract_target(target);
    return 0;
}

/* What keeps an object besides the candidates' references, `held` of them being the collector's. */
static uint32_t outside_count(const void *object, uint64_t header, unsigned held)
{
    unsigned tag = header_tag(header);
    if (UNLIKELY(tag_is_immortal(tag)))
        return MANY;
    uint32_t count = header_count(header) - held;
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (UNLIKELY(word != NULL))
        count += (uint32_t)shared_count(atomic_load_explicit(word, memory_order_relaxed));
    return count;
}

static ALWAYS_INLINE void subtract_object(const struct descriptor *type, void *object)
{
    for (uint32_t n = 0; n < type->field_count; n++) {
        void *target = type_field(type, object, n);
        if (target != NULL)
            subtract_target(target);
    }
    if (UNLIKELY(type->has_more || type->has_traverse))
        type_visit_more(type, object, object_bytes(object), subtract_more, NULL);
}

/* White blocks without a tracked object are white no longer. */
static size_t subtract_side(struct side *side, unsigned held)
{
    size_t objects = 0;
    unsigned number = 0;
    const struct descriptor *type = NULL;
    for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        uint64_t header = header_of(object);
        if (UNLIKELY(!tag_is_live(header_tag(header)) || (header & HEADER_UNTRACKED) != 0)) {
            side_unset(side, SIDE_WHITE, i);
            side_forget(side, i);
            continue;
        }
        if (UNLIKELY(header_type(header) != number)) {
            number = header_type(header);
            type = type_by_number(number);
        }
        objects++;
        side->edges[i] += outside_count(object, header, held);
        subtract_object(type, object);
    }
    return objects;
}

static size_t subtract(struct side *sides, unsigned held)
{
    size_t objects = 0;
    for_each_side(side, sides) objects += subtract_side(side, held);
    return objects;
}

/* ---- Mark ---- */

struct marking {
    struct side *gray;             /* sides with gray bits */
    const struct descriptor *type; /* of the last object */
    unsigned type_number;
    unsigned held; /* references to each that the collector gives up as it marks */
    size_t marked;
};

/* The objects of those blocks of word w, should they survive, are older from now on. */
static void promote(struct side *side, unsigned w, uint64_t bits, int generation)
{
    side_bits(side, SIDE_OLD)[w] |= bits;
    if (generation == 1)
        side_bits(side, SIDE_MIDDLE)[w] |= bits;
    else
        side_bits(side, SIDE_MIDDLE)[w] &= ~bits;
}

/* All candidates at once: what turns out to be garbage is forgotten with its block. */
static void promote_all(struct side *sides, int generation)
{
    for_each_side(side, sides) for (unsigned w = 0; w < side->words; w++)
        promote(side, w, side_bits(side, SIDE_WHITE)[w], generation);
}

static void promote_one(struct side *side, unsigned i, void *object)
{
    header_set(object, header_of(object) | HEADER_OLD);
    promote(side, i / 64, UINT64_C(1) << (i % 64), 2);
}

static void add_gray(struct marking *marking, struct side *side, unsigned i)
{
    side_set(side, SIDE_GRAY, i);
    if (side->gray_words == 0) {
        side->next_gray = marking->gray;
        marking->gray = side;
    }
    side->gray_words |= UINT64_C(1) << (i / 64);
}

/* The target is white no longer; *next is NULL, or an object that was reached just before: then it
 * becomes gray. So a chain of objects is followed without looking back. */
static ALWAYS_INLINE void reach(struct marking *marking, void *target, void **next)
{
    struct side *side = side_of_target(target);
    if (UNLIKELY(side == NULL))
        return;
    unsigned i = side_index(side, target);
    uint64_t *white = &side_bits(side, SIDE_WHITE)[i / 64], bit = UINT64_C(1) << (i % 64);
    if ((*white & bit) == 0)
        return;
    *white &= ~bit;
    if (*next == NULL)
        *next = target;
    else
        add_gray(marking, side, i);
}

/* For references that only a traverse callback knows, and for arrays. */
static int reach_more(void *target, void *context)
{
    void *gray = target;
    reach(context, target, &gray);
    return 0;
}

static COLD _Noreturn void report_too_many_edges(void *object, int32_t edges)
{
    report_fatal("object %p (%s): %d more fields refer to it than it has references", object,
                 error_type_name(object), -(int)edges);
}

static void find_roots(struct side *sides, struct marking *marking)
{
    for_each_side(side, sides)
    {
        for_each_bit(i, side, SIDE_WHITE)
        {
            int32_t outside = (int32_t)side->edges[i];
            if (LIKELY(outside == 0))
                continue;
            if (UNLIKELY(outside < 0))
                report_too_many_edges(side_object(side, i), outside);
            side_unset(side, SIDE_WHITE, i);
            add_gray(marking, side, i);
        }
    }
}

/* What the object refers to is reached; the one that is to be marked next, or NULL. */
static ALWAYS_INLINE void *mark_object(struct marking *marking, void *object)
{
    void *next = NULL;
    uint64_t header = header_of(object);
    if (UNLIKELY(header_type(header) != marking->type_number)) {
        marking->type_number = header_type(header);
        marking->type = type_by_number(marking->type_number);
    }
    const struct descriptor *type = marking->type;
    marking->marked++;
    for (uint32_t n = 0; n < type->field_count; n++) {
        void *target = type_field(type, object, n);
        if (target != NULL)
            reach(marking, target, &next);
    }
    if (UNLIKELY(type->has_more || type->has_traverse))
        type_visit_more(type, object, object_bytes(object), reach_more, marking);
    if (UNLIKELY((header & HEADER_OLD) == 0))
        header_set(object, header | HEADER_OLD);
    if (UNLIKELY(marking->held != 0))
        count_add_stopped(object, -(int)marking->held);
    return next;
}

static void mark_side(struct marking *marking, struct side *side)
{
    uint64_t *gray = side_bits(side, SIDE_GRAY);
    while (side->gray_words != 0) {
        unsigned w = (unsigned)__builtin_ctzll(side->gray_words);
        while (gray[w] != 0) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(gray[w]);
            gray[w] &= gray[w] - 1;
            void *object = side_object(side, i);
            while (object != NULL)
                object = mark_object(marking, object);
        }
        side->gray_words &= ~(UINT64_C(1) << w);
    }
}

static void mark(struct marking *marking)
{
    while (marking->gray != NULL) {
        struct side *side = marking->gray;
        marking->gray = side->next_gray;
        mark_side(marking, side);
    }
}

/* ---- Which are unreachable? ---- */

/* Leaves white what is; survivors are promoted to `generation`. `held`: references to each
 * candidate that are the collector's own; survivors lose them. False: no memory. */
static bool deduce(struct side *sides, int generation, unsigned held, size_t *candidates,
                   size_t *marked)
{
    if (!take_edges(sides)) {
        forget_edges(sides);
        return false;
    }
    struct marking marking = {.held = held};
    *candidates = subtract(sides, held);
    promote_all(sides, generation);
    find_roots(sides, &marking);
    mark(&marking);
    *marked = marking.marked;
    forget_edges(sides);
    scratch_give();
    return true;
}

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

/* After a collection the young ones are those of pools that go on being allocated from; the
 * survivors of a young collection are in the middle, and of others no longer. */
static void update_lists(int generation)
{
    struct link *next;
    for (struct link *link = side_young.next; link != &side_young; link = next) {
        struct side *side = LINK_OWNER(link, struct side, young);
        next = link->next;
        if (generation == 0 && !link_is_linked(&side->middle))
            ring_add(&side_middle, &side->middle);
        if (side->pool == NULL || pool_state(side->pool) != POOL_ACTIVE)
            link_remove(link);
    }
    while (generation > 0 && ring_pop(&side_middle) != NULL)
        ;
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
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        if (has_finalizer_due(object) || weak_has(object))
            return true;
    }
    return false;
}

static void add_to_counts(struct side *white, int change)
{
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
        count_add_stopped(side_object(side, i), change);
}

/* The objects whose finalizers are due are gray, for want of another bit. */
static void prepare_code(struct side *white, molt_weak **due)
{
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        if (weak_has(object))
            weak_take(object, true, due);
        if (!has_finalizer_due(object))
            continue;
        header_set(object, header_of(object) | HEADER_FINALIZED);
        side_set(side, SIDE_GRAY, i);
    }
}

static void call_finalizers(struct side *white)
{
    for_each_side(side, white) for_each_bit(i, side, SIDE_GRAY)
    {
        void *object = side_object(side, i);
        side_unset(side, SIDE_GRAY, i);
        type_by_number(header_type(header_of(object)))->type->finalize(object);
    }
}

/* The world did not stop again: all are revived, their generation aside. */
static void give_up(struct side *white)
{
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        side_unset(side, SIDE_WHITE, i);
        molt_release(object);
    }
}

static void let_run(void)
{
    lock_release(&side_lock);
    world_resume();
}

static bool stop_again(unsigned ms)
{
    if (!world_stop(ms))
        return false;
    lock_acquire(&side_lock);
    return true;
}

static int next_generation(const struct collection *collection)
{
    return collection->generation < 2 ? collection->generation + 1 : 2;
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
    size_t asked;
    if (!deduce(*white, next_generation(collection), 1, &asked, &collection->revived)) {
        let_run();
        give_up(*white);
        return ENOMEM;
    }
    *white = keep_white(*white);
    add_to_counts(*white, -1);
    return 0;
}

/* ---- Deleting ---- */

static size_t condemn(struct side *white)
{
    size_t count = 0;
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        if (weak_has(object))
            weak_take(object, false, NULL);
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
        if (target != NULL && header_tag(header_of(target)) != TAG_CONDEMNED && count_drop(target))
            death_defer(target);
    }
}

static void delete_white(struct side *white)
{
    struct side *next;
    death_begin_defer();
    is_deleting = true;
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
        drop_references(side_object(side, i));
    is_deleting = false;
    /* The side may go with its last object. */
    for (struct side *side = white; side != NULL; side = next) {
        next = side->next;
        size_t left = 0;
        for (unsigned w = 0; w < side->words; w++)
            left += (size_t)__builtin_popcountll(side_bits(side, SIDE_WHITE)[w]);
        for (unsigned i = 0; left != 0; i++) {
            if (!side_test(side, SIDE_WHITE, i))
                continue;
            side_unset(side, SIDE_WHITE, i);
            left--;
            death_finish(side_object(side, i));
        }
    }
    death_end_defer();
}

/* ---- Garbage that is kept ---- */

static void **garbage;
static size_t garbage_count, garbage_room;

static bool keep_as_garbage(void *object)
{
    if (garbage_count == garbage_room) {
        size_t room = garbage_room != 0 ? garbage_room * 2 : 64;
        void **grown = molt_realloc(garbage, room * sizeof *grown);
        if (grown == NULL)
            return false;
        garbage = grown;
        garbage_room = room;
    }
    count_add_stopped(object, 1);
    garbage[garbage_count++] = object;
    return true;
}

static size_t save_all(struct side *white)
{
    size_t count = 0;
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        void *object = side_object(side, i);
        side_unset(side, SIDE_WHITE, i);
        promote_one(side, i, object);
        count += keep_as_garbage(object);
    }
    return count;
}

size_t collect_garbage(void **out, size_t max)
{
    for (size_t i = 0; i < max && i < garbage_count; i++)
        out[i] = garbage[i];
    return garbage_count;
}

void collect_clear_garbage(void)
{
    void **objects = garbage;
    size_t count = garbage_count;
    garbage = NULL;
    garbage_count = garbage_room = 0;
    for (size_t i = 0; i < count; i++)
        molt_release(objects[i]);
    molt_free(objects);
}

static void say_collectable(struct side *white)
{
    for_each_side(side, white) for_each_bit(i, side, SIDE_WHITE)
    {
        struct report_line line = {.length = 0};
        void *object = side_object(side, i);
        report_append(&line, "molt: gc: collectable %s %p\n", error_type_name(object), object);
        report_write(STDERR_FILENO, line.text, line.length);
    }
}

/* ---- Generations ---- */

size_t collect_visit(int generation, int (*visit)(void *, void *), void *arg)
{
    size_t count = 0;
    int result = 0;
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        for (unsigned w = 0; w < side->words; w++) {
            for (uint64_t bits = generation_bits(side, w, generation); bits != 0;
                 bits &= bits - 1) {
                void *object = side_object(side, w * 64 + (unsigned)__builtin_ctzll(bits));
                uint64_t header = header_of(object);
                if (!tag_is_live(header_tag(header)) || (header & HEADER_UNTRACKED) != 0)
                    continue;
                count++;
                if (result == 0)
                    result = visit(object, arg);
            }
        }
    }
    return count;
}

static int freeze_one(void *object, void *arg)
{
    (void)arg;
    uint64_t header = header_of(object);
    struct side *side = side_of(object, header);
    unsigned i = side_index(side, object);
    promote_one(side, i, object);
    side_set(side, SIDE_FROZEN, i);
    return 0;
}

void collect_freeze(void)
{
    collect_visit(COLLECT_ANY, freeze_one, NULL);
}

void collect_unfreeze(void)
{
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        for (unsigned w = 0; w < side->words; w++)
            side_bits(side, SIDE_FROZEN)[w] = 0;
    }
}

/* ---- The whole ---- */

/* The white objects, to be deleted; the world stands still unless *error. */
static struct side *find_garbage(struct collection *collection, int *error)
{
    struct side *sides = gather(collection->generation);
    if (!deduce(sides, next_generation(collection), 0, &collection->candidates,
                &collection->survivors)) {
        *error = ENOMEM;
        let_run();
        return NULL;
    }
    update_lists(collection->generation);
    struct side *white = keep_white(sides);
    if (any_code_due(white))
        *error = run_code(collection, &white);
    return white;
}

int collect(struct collection *collection)
{
    int error = 0;
    if (!world_stop(collection->stop_ms))
        return EBUSY;
    lock_acquire(&side_lock);
    struct side *white = find_garbage(collection, &error);
    if (error != 0)
        return error;
    if (collection->says_collectable)
        say_collectable(white);
    if (collection->saves_all) {
        collection->unreachable = save_all(white);
        let_run();
        return 0;
    }
    collection->unreachable = condemn(white);
    let_run();
    delete_white(white);
    return 0;
}
