/* propose.c: the cycle's phases. */
#include "propose.h"

#include "count.h"
#include "generation.h"
#include "type.h"

#include "os/os.h"

#include <stdatomic.h>
#include <string.h>

#define OBJECTS_A_LOOK 256u

/* Sides that are gathered in one piece, and what that counts for. */
#define GATHERED_AT_ONCE 32u
#define OBJECTS_A_SIDE 100u

enum phase { IDLE, GATHER, SUBTRACT, FIND_ROOTS, MARK, CHECK };

static struct {
    enum phase phase;
    struct proposal *all;  /* linked by next */
    struct proposal *at;   /* the next one of the phase */
    struct proposal *gray; /* linked by gray */
    size_t objects;        /* candidates */
    char *memory;          /* all the proposals' … */
    size_t bytes;
    char *end; /* … as far as it is taken */
} cycle;

bool propose_is_running(void)
{
    return cycle.phase != IDLE;
}

/* ---- Begin and end ---- */

static size_t bytes_for(const struct side *side)
{
    size_t words = side_carved_words(side), blocks = words * 64;
    return sizeof(struct proposal) + blocks * sizeof(uint32_t) + 2 * words * sizeof(uint64_t);
}

/* Lays the side's proposal out at `memory`; what comes behind it. */
static char *add_proposal(struct side *side, char *memory)
{
    struct proposal *proposal = (struct proposal *)(void *)memory;
    size_t words = side_carved_words(side);
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
    return memory + bytes_for(side);
}

bool propose_begin(void)
{
    size_t bytes = 0;
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        bytes += side->words != 0 ? bytes_for(side) : 0;
    }
    if (bytes == 0)
        return true;
    cycle.bytes = os_round_to_pages(bytes);
    cycle.memory = os_map(cycle.bytes);
    if (cycle.memory == NULL)
        return false;
    cycle.end = cycle.memory;
    cycle.phase = GATHER;
    return true;
}

/* Proposals for the next sides that have none. New sides go to the ring's end, those that there is
 * no room for are not in the cycle. How many sides it was; 0: that is all. */
static size_t gather(void)
{
    size_t sides = 0;
    for (struct link *link = side_all.next; link != &side_all && sides < GATHERED_AT_ONCE;
         link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        if (side->words == 0 || side->proposal != NULL)
            continue;
        if (cycle.end + bytes_for(side) > cycle.memory + cycle.bytes)
            return 0;
        cycle.end = add_proposal(side, cycle.end);
        sides++;
    }
    return sides;
}

void propose_end(void)
{
    for (struct proposal *proposal = cycle.all; proposal != NULL; proposal = proposal->next)
        if (proposal->side != NULL)
            proposal->side->proposal = NULL;
    void *memory = cycle.memory;
    size_t bytes = cycle.bytes;
    memset(&cycle, 0, sizeof cycle); /* first, so that a forked child has no cycle without memory */
    atomic_signal_fence(memory_order_release);
    if (memory != NULL)
        os_unmap(memory, bytes);
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

/* One piece of a phase's work; how many objects it was. */
static size_t work(struct component *component, size_t objects)
{
    if (cycle.phase == GATHER) {
        size_t sides = gather();
        if (sides != 0)
            return sides * OBJECTS_A_SIDE;
        cycle.phase = SUBTRACT;
        cycle.at = cycle.all;
        return 0;
    }
    struct proposal *proposal = cycle.at;
    if (cycle.phase == MARK) {
        if (cycle.gray != NULL)
            return mark();
        cycle.phase = CHECK;
        cycle.at = cycle.all;
        return 0;
    }
    if (proposal == NULL) {
        cycle.at = cycle.all;
        cycle.phase = cycle.phase == CHECK ? IDLE : cycle.phase + 1;
        return 0;
    }
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

struct side *propose_slice(size_t objects, uint64_t deadline_ns, size_t *candidates)
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
        propose_end();
    return component.sides;
}
