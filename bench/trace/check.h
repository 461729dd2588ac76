/* check.h: a trace's invariants, and its statistics. */
#ifndef BENCH_TRACE_CHECK_H
#define BENCH_TRACE_CHECK_H

#include "reader.h"
#include "slot.h"

struct statistics {
    uint64_t events[TRACE_KINDS];
    uint64_t handovers;
    uint64_t remote_frees; /* of a block whose last event was another thread's */
    uint64_t bytes;        /* of all sizes */
};

/* Runs through the trace in one of the orders that it allows, without allocating anything, and
 * fails as reader.h says if an invariant of trace.h does not hold. The readers are at the start and
 * the slots free at first; they are not afterwards. */
void check(struct trace *trace, struct slot *slots, struct statistics *statistics);

#endif
