/* incremental.c: the cycle's phases. */
#include "incremental.h"

#include "generation.h"

#include "object/count.h"
#include "object/type.h"
#include "os/os.h"

#include <stdatomic.h>
#include <string.h>

#define OBJECTS_A_LOOK 256u

/* Sides that are gathered, or let go of, in one piece, and what one counts for. */
#define SIDES_AT_ONCE 32u
#define OBJECTS_A_SIDE 100u

/* Memory for proposals, some dozens at the least. */
#define CHUNK_BYTES ((size_t)256 << 10)

enum phase { IDLE, GATHER, SUBTRACT, FIND_ROOTS, MARK, CHECK, UNLINK, UNMAP };

struct chunk {
    struct chunk *next;
};

static struct {
    enum phase phase;
    struct link *next;     /* of side_all: what is gathered next; a side that goes is left behind */
    struct proposal *all;  /* linked by next */
    struct proposal *at;   /* the next one of the phase */
    struct proposal *gray; /* linked by gray */
    size_t objects;        /* candidates */
    struct chunk *chunks;  /* the last one first … */
    char *free;            /* … which is taken up to here */
} cycle;

bool incremental_is_running(void)
{
    return cycle.phase != IDLE;
}

/* ---- Begin and end ---- */

static bool add_chunk(void)
{
    struct chunk *chunk = os_map(CHUNK_BYTES);
    if (chunk == NULL)
        return false;
    chunk->next = cycle.chunks;
    atomic_signal_fence(memory_order_release);
    cycle.chunks = chunk;
    cycle.free = (char *)(chunk + 1);
    return true;
}

/* Zeroed memory for the side's proposal; NULL: there is none. */
static void *take_memory(size_t bytes)
{
    if (cycle.free + bytes > (char *)cycle.chunks + CHUNK_BYTES && !add_chunk())
        return NULL;
    void *taken = cycle.free;
    cycle.free += bytes;
    return taken;
}

static bool add_proposal(struct side *side)
{
    size_t words = side_carved_words(side), blocks = words * 64;
    struct proposal *proposal =
        take_memory(sizeof *proposal + 2 * words * sizeof(uint64_t) + blocks * sizeof(uint32_t));
    if (proposal == NULL)
        return false;
    *proposal = (struct proposal){.side = side,
                                  .next = cycle.all,
                                  .blocks = side_carved(side),
                                  .words = (unsigned)words,
                                  .whites = (uint64_t *)(void *)(proposal + 1)};
    proposal->grays = proposal->whites + words;
    proposal->edges = (uint32_t *)(void *)(proposal->grays + words);
    for (unsigned w = 0; w < words; w++)
        proposal->whites[w] =
            generation_bits(side, w, GENERATION_ANY) & ~generation_bits(side, w, GENERATION_FROZEN);
    atomic_signal_fence(memory_order_release);
    side->proposal = proposal;
    cycle.all = proposal;
    return true;
}

bool incremental_begin(void)
{
    if (!add_chunk())
        return false;
    cycle.next = side_all.next;
    cycle.phase = GATHER;
    return true;
}

/* Proposals for the next sides. New sides go to the ring's end, and those that there is no memory
 * for are not in the cycle. How many sides it was; 0: that is all. */
static size_t gather(void)
{
    size_t sides = 0;
    generation_refresh();
    for (; cycle.next != &side_all && sides < SIDES_AT_ONCE; sides++) {
        struct side *side = LINK_OWNER(cycle.next, struct side, all);
        if (side->words != 0 && !add_proposal(side))
            return 0;
        cycle.next = cycle.next->next;
    }
    return sides;
}

void incremental_side_gone(struct side *side)
{
    if (cycle.next == &side->all)
        cycle.next = side->all.next;
    if (side->proposal != NULL)
        side->proposal->side = NULL;
}

/* The side of the present proposal is the cycle's no longer. */
static void unlink_side(const struct proposal *proposal)
{
    if (proposal->side != NULL)
        proposal->side->proposal = NULL;
}

static size_t unlink_sides(void)
{
    size_t sides = 0;
    for (; cycle.at != NULL && sides < SIDES_AT_ONCE; sides++) {
        unlink_side(cycle.at);
        cycle.at = cycle.at->next;
    }
    return sides;
}

/* A mapping is forgotten before it goes, so that a forked child unmaps none twice. */
static bool unmap_chunk(struct chunk **chunks)
{
    struct chunk *chunk = *chunks;
    if (chunk == NULL)
        return false;
    *chunks = chunk->next;
    atomic_signal_fence(memory_order_release);
    os_unmap(chunk, CHUNK_BYTES);
    return true;
}

void incremental_end(void)
{
    for (const struct proposal *proposal = cycle.all; proposal != NULL; proposal = proposal->next)
        unlink_side(proposal);
    struct chunk *chunks = cycle.chunks;
    memset(&cycle, 0, sizeof cycle); /* first, so that a forked child has no cycle without memory */
    atomic_signal_fence(memory_order_release);
    while (unmap_chunk(&chunks))
        continue;
}

/* ---- Targets ---- */

/* The proposal for a reference's target, and its block; NULL: not in the cycle. */
static struct proposal *find(const void *target, unsigned *block)
{
    struct side *side = side_if_any(target);
    if (side == NULL)
        return NULL;
    *block = side_index(side, target);
    return side->proposal != NULL && *block < side->proposal->blocks ? side->proposal : NULL;
}

/* ---- Subtract ---- */

static int subtract_one(void *target, void *context)
{
    (void)context;
    unsigned block;
    struct proposal *proposal = find(target, &block);
    if (proposal != NULL)
        proposal->edges[block]--;
    return 0;
}

static size_t subtract(struct proposal *proposal)
{
    size_t objects = 0;
    for (unsigned w = 0; w < proposal->words; w++) {
        for (uint64_t left = proposal->whites[w]; left != 0; left &= left - 1) {
            unsigned block = w * 64 + (unsigned)__builtin_ctzll(left);
            void *object = side_object(proposal->side, block);
            uint64_t header = header_of(object);
            if (!header_is_tracked(header)) {
                proposal->whites[w] &= ~(left & -left);
                continue;
            }
            objects++;
            cycle.objects++;
            proposal->edges[block] += count_for_deduction(object, header, 0);
            type_visit(type_by_number(header_type(header)), object, subtract_one, NULL);
        }
    }
    return objects;
}

/* ---- Mark ---- */

static void make_gray(struct proposal *proposal, unsigned block)
{
    unsigned w = block / 64;
    proposal->whites[w] &= ~(UINT64_C(1) << (block % 64));
    proposal->grays[w] |= UINT64_C(1) << (block % 64);
    proposal->gray_words |= UINT64_C(1) << w;
    if (proposal->is_listed)
        return;
    proposal->is_listed = true;
    proposal->gray = cycle.gray;
    cycle.gray = proposal;
}

/* The first of those with gray bits leaves their list. */
static void unlist(struct proposal *proposal)
{
    cycle.gray = proposal->gray;
    proposal->is_listed = false;
}

static int reach_one(void *target, void *context)
{
    (void)context;
    unsigned block;
    struct proposal *proposal = find(target, &block);
    if (proposal != NULL && (proposal->whites[block / 64] >> (block % 64) & 1) != 0)
        make_gray(proposal, block);
    return 0;
}

static size_t find_roots(struct proposal *proposal)
{
    for (unsigned w = 0; w < proposal->words; w++)
        for (uint64_t left = proposal->whites[w]; left != 0; left &= left - 1) {
            unsigned block = w * 64 + (unsigned)__builtin_ctzll(left);
            if (proposal->edges[block] != 0)
                make_gray(proposal, block);
        }
    return proposal->blocks / 8; /* it is light work */
}

/* Looks into one word's gray objects; some may have died meanwhile. */
static size_t mark_word(struct proposal *proposal, unsigned w)
{
    size_t objects = 0;
    uint64_t bits = proposal->grays[w];
    proposal->grays[w] = 0;
    proposal->gray_words &= ~(UINT64_C(1) << w);
    for (; bits != 0; bits &= bits - 1) {
        void *object = side_object(proposal->side, w * 64 + (unsigned)__builtin_ctzll(bits));
        uint64_t header = header_of(object);
        objects++;
        if (header_is_tracked(header))
            type_visit(type_by_number(header_type(header)), object, reach_one, NULL);
    }
    return objects;
}

/* What becomes gray elsewhere goes before the present side, which stays until it has none left. */
static size_t mark(void)
{
    struct proposal *proposal = cycle.gray;
    if (proposal->side != NULL && proposal->gray_words != 0)
        return mark_word(proposal, (unsigned)__builtin_ctzll(proposal->gray_words));
    unlist(proposal);
    return 1;
}

/* ---- Check ---- */

struct component {
    struct side *sides;
    size_t objects;
};

/* White in the cycle becomes white for collect_sides. The object's references are looked at later.
 */
static void join(struct component *component, struct proposal *proposal, unsigned block)
{
    struct side *side = proposal->side;
    make_gray(proposal, block);
    if (!side->is_gathered) {
        memset(side->white, 0, side->words * sizeof *side->white);
        side->is_gathered = true;
        side->next = component->sides;
        component->sides = side;
    }
    side_set(side, SIDE_WHITE, block);
    component->objects++;
}

static int join_one(void *target, void *context)
{
    unsigned block;
    struct proposal *proposal = find(target, &block);
    if (proposal != NULL && (proposal->whites[block / 64] >> (block % 64) & 1) != 0)
        join(context, proposal, block);
    return 0;
}

/* All that the gray objects lead to, in white. */
static void join_reachable(struct component *component)
{
    while (cycle.gray != NULL) {
        struct proposal *proposal = cycle.gray;
        unlist(proposal);
        while (proposal->gray_words != 0) {
            unsigned w = (unsigned)__builtin_ctzll(proposal->gray_words);
            uint64_t bits = proposal->grays[w];
            proposal->grays[w] = 0;
            proposal->gray_words &= ~(UINT64_C(1) << w);
            for (; bits != 0; bits &= bits - 1) {
                void *object =
                    side_object(proposal->side, w * 64 + (unsigned)__builtin_ctzll(bits));
                uint64_t header = header_of(object);
                if (header_is_tracked(header))
                    type_visit(type_by_number(header_type(header)), object, join_one, component);
            }
        }
    }
}

/* The next white objects of a side, with all that they lead to, until there are `objects`. */
static void take_component(struct proposal *proposal, size_t objects, struct component *component)
{
    for (unsigned w = 0; w < proposal->words; w++) {
        while (proposal->whites[w] != 0 && component->objects < objects) {
            join(component, proposal, w * 64 + (unsigned)__builtin_ctzll(proposal->whites[w]));
            join_reachable(component);
        }
    }
}

static bool has_white(const struct proposal *proposal)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < proposal->words; w++)
        any |= proposal->whites[w];
    return any != 0;
}

/* ---- The slice ---- */

/* A phase is done; the next one looks at all proposals again. */
static size_t begin_phase(enum phase phase)
{
    cycle.phase = phase;
    cycle.at = cycle.all;
    return 0;
}

/* One piece of the work of a phase that goes from proposal to proposal. */
static size_t work_on_proposal(struct component *component, size_t objects)
{
    struct proposal *proposal = cycle.at;
    if (proposal == NULL)
        return begin_phase(cycle.phase + 1);
    if (proposal->side == NULL || (cycle.phase == CHECK && !has_white(proposal))) {
        cycle.at = proposal->next;
        return 1;
    }
    if (cycle.phase == CHECK) {
        take_component(proposal, objects, component);
        return component->objects;
    }
    cycle.at = proposal->next;
    return cycle.phase == SUBTRACT ? subtract(proposal) : find_roots(proposal);
}

/* One piece of a phase's work; how many objects it was, or what counts for as many. */
static size_t work(struct component *component, size_t objects)
{
    size_t sides = 0;
    switch (cycle.phase) {
    case GATHER:
        sides = gather();
        return sides != 0 ? sides * OBJECTS_A_SIDE : begin_phase(SUBTRACT);
    case MARK:
        return cycle.gray != NULL ? mark() : begin_phase(CHECK);
    case UNLINK:
        sides = unlink_sides();
        return sides != 0 ? sides * OBJECTS_A_SIDE / 4 : begin_phase(UNMAP);
    case UNMAP:
        cycle.all = cycle.at = NULL;
        return unmap_chunk(&cycle.chunks) ? SIDES_AT_ONCE * OBJECTS_A_SIDE : begin_phase(IDLE);
    default:
        return work_on_proposal(component, objects);
    }
}

struct side *incremental_slice(size_t objects, uint64_t deadline_ns, size_t *candidates)
{
    struct component component = {.sides = NULL};
    size_t done = 0, look = 0; /* at the clock, every so many objects */
    while (cycle.phase != IDLE && done < objects && (done < look || os_now_ns() < deadline_ns)) {
        look = done < look ? look : done + OBJECTS_A_LOOK;
        done += work(&component, objects - done);
    }
    for_each_side (side, component.sides)
        side->is_gathered = false;
    *candidates = cycle.objects;
    if (cycle.phase == IDLE)
        incremental_end();
    return component.sides;
}
