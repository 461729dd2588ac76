/* trail.c: joining the last walk's way, and noting this one's. */
#include "trail.h"

#include "memory.h"
#include "stack.h"

#include "base/attributes.h"
#include "base/fork.h" // fork_survivor
#include "base/lock.h" // lock_self

#include <stdatomic.h>
#include <stddef.h>

/* A walk is not followed further than a stack is deep, with molt's own frames before it. */
enum { STEPS = OWN_FRAMES_MAX + STACK_DEPTH_MAX };

/* A frame, and from where the next one's registers were read. */
struct step {
    uintptr_t address, sp, fp;
    struct walk_reads reads;
    bool needs_fp; /* fp leads to the words, here or further up */
    bool has_more; /* words than the address have to be the same */
};

struct trail {
    _Atomic(uintptr_t) user;   /* the thread that has it; 0: none */
    uintptr_t thread;          /* whose stack it is on */
    uint64_t unloads;          /* how often libraries had been unloaded */
    const struct stack *stack; /* the frames that the steps are; NULL: it was not kept */
    uintptr_t top;             /* all words that were read lie below */
    unsigned first;            /* the steps from here on are the last walk's */
    unsigned outside;          /* the first one that is not molt's own */
    bool is_end;               /* no frame is further up than the last step's, whoever calls */
    bool is_cut;               /* frames of this walk come before the steps */
    unsigned fresh_count;      /* of this walk, before it has joined the last one */
    struct step steps[STEPS];
    struct step fresh[STEPS];
};

/* ---- Taking turns ---- */

enum { TRAIL_BITS = 6, TRAILS = 1 << TRAIL_BITS };

static _Atomic(struct trail *) trails[TRAILS];

static struct trail *trail_of(uintptr_t key)
{
    uint64_t hash = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);
    _Atomic(struct trail *) *place = &trails[hash >> (64 - TRAIL_BITS)];
    struct trail *trail = atomic_load_explicit(place, memory_order_acquire), *there = NULL;
    if (LIKELY(trail != NULL))
        return trail;
    trail = profile_memory_take(sizeof *trail);
    if (trail == NULL || atomic_compare_exchange_strong_explicit(
                             place, &there, trail, memory_order_acq_rel, memory_order_acquire))
        return trail;
    return there;
}

/* What another thread has left in it does not lead up this one's stack, and other code may be where
 * a library was. */
static void begin_for(struct trail *trail, uintptr_t thread, uint64_t unloads)
{
    trail->thread = thread;
    trail->unloads = unloads;
    trail->first = STEPS;
    trail->stack = NULL;
    trail->top = 0;
}

struct trail *trail_take(uintptr_t sp)
{
    uintptr_t self = lock_self(), nobody = 0;
    struct trail *trail = trail_of(self ^ sp << 20);
    if (trail == NULL ||
        !atomic_compare_exchange_strong_explicit(&trail->user, &nobody, self, memory_order_acquire,
                                                 memory_order_relaxed))
        return NULL;
    uint64_t unloads = image_unloads();
    if (UNLIKELY(trail->thread != self || trail->unloads != unloads))
        begin_for(trail, self, unloads);
    return trail;
}

void trail_give(struct trail *trail)
{
    atomic_store_explicit(&trail->user, 0, memory_order_release);
}

void trail_repair(void)
{
    for (unsigned i = 0; i < TRAILS; i++) {
        struct trail *trail = atomic_load_explicit(&trails[i], memory_order_relaxed);
        if (trail == NULL || atomic_load(&trail->user) == fork_survivor)
            continue;
        trail->thread = 0; /* what is in it may be half written */
        atomic_store(&trail->user, 0);
    }
}

/* ---- Noting ---- */

static struct step *note_frame(struct trail *trail, uintptr_t address, uintptr_t sp, uintptr_t fp)
{
    struct step *step = &trail->fresh[trail->fresh_count];
    trail->fresh_count += trail->fresh_count < STEPS - 1;
    *step = (struct step){.address = address, .sp = sp, .fp = fp};
    return step;
}

static bool is_known(const struct walk *walk, const uintptr_t *word)
{
    return word == NULL ||
           ((uintptr_t)word >= walk->stack.low && (uintptr_t)word < walk->stack.high);
}

static uintptr_t end_of(const uintptr_t *word, uintptr_t top)
{
    return (uintptr_t)(word + 1) > top ? (uintptr_t)(word + 1) : top;
}

/* Notes what the walk has just read to come from the last frame to the next. Of a frame that was
 * left in another way the trail knows nothing, so it begins behind that. */
static void note_reads(struct trail *trail, struct step *step, const struct walk *walk)
{
    const struct walk_reads *reads = &walk->reads;
    if (reads->address == NULL || !is_known(walk, reads->address) || !is_known(walk, reads->fp) ||
        !is_known(walk, reads->cfa)) {
        trail->fresh_count = 0;
        trail->is_cut = true;
        return;
    }
    step->reads = *reads;
    trail->top = end_of(reads->address, end_of(reads->fp, end_of(reads->cfa, trail->top)));
}

/* Puts the fresh steps before the one that they have led to. */
static void keep(struct trail *trail, unsigned joined)
{
    if (trail->fresh_count > joined) {
        trail->first = STEPS;
        return;
    }
    trail->first = joined;
    for (unsigned i = trail->fresh_count; i-- > 0;) {
        struct step *step = &trail->steps[--trail->first];
        bool next_needs = trail->first < STEPS - 1 && step[1].needs_fp;
        *step = trail->fresh[i];
        step->needs_fp = step->reads.by_fp || (step->reads.fp == NULL && next_needs);
        step->has_more = step->reads.cfa != NULL || (step->reads.fp != NULL && next_needs);
    }
    trail->outside = trail->first;
    while (trail->outside < STEPS && image_is_own(trail->steps[trail->outside].address))
        trail->outside++;
}

/* ---- Joining ---- */

/* Whether the walk stands at a step; goes on to the first one that is not below. */
static bool meets(const struct trail *trail, unsigned *at, const struct walk *walk)
{
    while (*at < STEPS && trail->steps[*at].sp < walk->sp)
        ++*at;
    const struct step *step = &trail->steps[*at];
    return *at < STEPS && step->address == walk->address && step->sp == walk->sp &&
           (!step->needs_fp || step->fp == walk->fp) && !walk->is_exact &&
           walk->sp >= walk->stack.low && trail->top <= walk->stack.high;
}

static bool more_holds(const struct step *step)
{
    const struct step *next = step + 1;
    const struct walk_reads *reads = &step->reads;
    return (reads->cfa == NULL || *reads->cfa == next->sp) &&
           (reads->fp == NULL || !next->needs_fp || *reads->fp == next->fp);
}

static bool holds(const struct step *step)
{
    return *step->reads.address == step[1].address && (LIKELY(!step->has_more) || more_holds(step));
}

/* The last step up to which all words are as they were. */
static unsigned last_that_holds(const struct trail *trail, unsigned at)
{
    while (at < STEPS - 1 && holds(&trail->steps[at]))
        at++;
    return at;
}

/* ---- The walk ---- */

struct frames {
    unsigned depth;
    uintptr_t addresses[STACK_DEPTH_MAX];
};

static void add_frame(struct frames *frames, uintptr_t address)
{
    if (frames->depth < STACK_DEPTH_MAX && (frames->depth > 0 || !image_is_own(address)))
        frames->addresses[frames->depth++] = address;
}

/* Takes the walk to the last of the steps. A frame pointer that none of them needed is read now: it
 * may be needed further up. */
static void go_along(struct trail *trail, struct walk *walk, struct frames *frames, unsigned at,
                     unsigned last)
{
    for (; at < last; at++) {
        const struct step *step = &trail->steps[at];
        note_frame(trail, step->address, step->sp, walk->fp)->reads = step->reads;
        add_frame(frames, step->address);
        if (step->reads.fp != NULL)
            walk->fp = *step->reads.fp;
        else if (step->reads.is_fp_lost)
            walk->fp = 0;
        walk->address = step[1].address;
        walk->sp = step[1].sp;
        walk->image = (struct image){.start = 0};
    }
}

/* The walk has come to a step from which all the rest is as it was. */
static const struct stack *join(struct trail *trail, struct frames *frames, unsigned at)
{
    bool is_same = frames->depth == 0 && at <= trail->outside && trail->stack != NULL;
    if (!is_same)
        for (unsigned i = at; i < STEPS; i++)
            add_frame(frames, trail->steps[i].address);
    keep(trail, at);
    return is_same ? trail->stack : stack_intern(frames->addresses, frames->depth);
}

static const struct stack *walk_up(struct trail *trail, struct walk *walk, struct frames *frames)
{
    unsigned at = trail->first;
    for (;;) {
        if (meets(trail, &at, walk)) {
            unsigned last = last_that_holds(trail, at);
            if (last == STEPS - 1 && trail->is_end)
                return join(trail, frames, at);
            go_along(trail, walk, frames, at, last);
            at = last + 1;
        }
        struct step *step = note_frame(trail, walk->address, walk->sp, walk->fp);
        add_frame(frames, walk->address + walk->is_exact);
        bool goes_on = walk_step(walk);
        if (!goes_on || frames->depth == STACK_DEPTH_MAX) {
            trail->is_end = walk->is_outermost;
            break;
        }
        note_reads(trail, step, walk);
    }
    keep(trail, STEPS);
    return stack_intern(frames->addresses, frames->depth);
}

const struct stack *trail_stack(struct trail *trail, struct walk *walk)
{
    struct frames frames;
    frames.depth = 0;
    trail->fresh_count = 0;
    trail->is_cut = false;
    const struct stack *stack = walk_up(trail, walk, &frames);
    trail->stack = trail->is_cut ? NULL : stack;
    return stack;
}
