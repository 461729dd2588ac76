/* check.c: see check.h. One thread plays all: each runs until it would have to wait; if all would,
 * the trace cannot be replayed. */
#include "check.h"

#include <sys/mman.h>

/* What a thread is about to do. */
struct progress {
    bool spawned;
    bool pending; /* `event` has been read and not yet taken */
    struct event event;
};

struct run {
    struct trace *trace;
    struct slot *slots;
    struct statistics *statistics;
    struct progress *threads;
    uint64_t live;
    uint64_t peak; /* in this order */
};

static _Noreturn void fail_at(const struct run *run, uint32_t thread, const char *what)
{
    reader_fail(run->trace, "damaged: thread %u: %s", thread, what);
}

static void take_spawn(struct run *run, uint32_t thread, uint32_t child)
{
    if (!child || run->threads[child].spawned)
        fail_at(run, thread, "a spawn of a thread that exists");
    run->threads[child].spawned = true;
}

static void take(struct run *run, uint32_t thread, const struct event *event)
{
    struct statistics *statistics = run->statistics;
    struct slot *slot = &run->slots[event->slot];
    bool frees = event->kind == TRACE_FREE;

    if (!slot_allows(slot, event))
        fail_at(run, thread, "a slot that is free when it should not be, or is not");
    if (frees || event->kind == TRACE_REALLOC)
        run->live -= slot->size;
    run->live += event->size;
    if (run->live > run->peak)
        run->peak = run->live;
    slot->size = frees ? NO_BLOCK : event->size;
    slot_advance(slot, thread);
    statistics->handovers += event->handover;
    statistics->remote_frees += frees && event->handover;
    statistics->bytes += event->size;
}

/* Carries out the event; false if its turn has not come. */
static bool try_take(struct run *run, uint32_t thread, const struct event *event)
{
    enum slot_turn turn = SLOT_NOW;

    if (event->kind != TRACE_SPAWN)
        turn = slot_turn(&run->slots[event->slot], event, thread);
    if (turn == SLOT_LATER)
        return false;
    if (turn == SLOT_NEVER)
        fail_at(run, thread, "a slot that another thread has");
    if (event->kind == TRACE_SPAWN)
        take_spawn(run, thread, event->thread);
    else
        take(run, thread, event);
    run->statistics->events[event->kind]++;
    return true;
}

/* Runs a thread until it waits or ends; false if it could not even begin. */
static bool advance(struct run *run, uint32_t thread)
{
    struct progress *progress = &run->threads[thread];
    bool moved = false;

    for (;; moved = true) {
        if (!progress->pending)
            progress->pending = reader_next(&run->trace->readers[thread], &progress->event);
        if (!progress->pending || !try_take(run, thread, &progress->event))
            return moved;
        progress->pending = false;
    }
}

/* Runs all threads to their ends. */
static void run_threads(struct run *run)
{
    uint64_t threads = run->trace->totals.threads;
    bool moved = true;

    if (threads)
        run->threads[0].spawned = true;
    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < threads; i++) {
            if (run->threads[i].spawned)
                moved |= advance(run, i);
        }
    }
    for (uint32_t i = 0; i < threads; i++) {
        if (!run->threads[i].spawned)
            fail_at(run, i, "never spawned");
        if (run->threads[i].pending)
            fail_at(run, i, "waits for ever");
    }
}

static void compare_totals(const struct run *run)
{
    const struct trace_mark *totals = &run->trace->totals;
    uint64_t events = 0;

    for (int kind = 0; kind < TRACE_SPAWN; kind++)
        events += run->statistics->events[kind];
    if (events != totals->events || run->live != totals->live ||
        (totals->threads == 1 && run->peak != totals->peak_live))
        reader_fail(run->trace, "damaged: the events do not add up to the totals");
}

void check(struct trace *trace, struct slot *slots, struct statistics *statistics)
{
    struct run run = {.trace = trace, .slots = slots, .statistics = statistics};

    *statistics = (struct statistics){0};
    run.threads = reader_map(trace->totals.threads, sizeof *run.threads);
    run_threads(&run);
    compare_totals(&run);
    munmap(run.threads, trace->totals.threads * sizeof *run.threads + 1);
}
