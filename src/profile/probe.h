/* probe.h: the two probes by which a tracer takes a heap profile, as OpenTelemetry's profiler
 * expects them in every allocator:
 *
 *     otel_memory:alloc(block, size, weighted bytes)   an allocation that is sampled
 *     otel_memory:free(block)                          its block is about to be freed
 *
 * Each is the entry of a function that does nothing. A tracer that puts a breakpoint there first
 * counts itself in the probe's semaphore. */
#ifndef PROFILE_PROBE_H
#define PROFILE_PROBE_H

#include "base/attributes.h"
#include "base/sdt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who listens. */
union probe_listeners {
    struct {
        sdt_semaphore alloc, free;
    };
    uint32_t any; /* not 0: somebody does */
};

extern HIDDEN union probe_listeners probe_listeners;

static inline bool probe_is_heard(void)
{
    return __atomic_load_n(&probe_listeners.any, __ATOMIC_RELAXED) != 0;
}

/* `weighted_bytes` is what the allocation stands for. */
void probe_alloc(void *block, size_t size, size_t weighted_bytes);
void probe_free(void *block);

#endif
