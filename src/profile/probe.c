/* probe.c: the functions and their notes. */
#include "probe.h"

union probe_listeners probe_listeners SDT_SEMAPHORES;

/* The nop is there for tracers, which can step over it without executing it elsewhere. The
 * arguments are named so that no compiler finds that they are not used. */
NOINLINE void probe_alloc(void *block, size_t size, size_t weighted_bytes)
{
    __asm__ volatile("nop" : : "r"(block), "r"(size), "r"(weighted_bytes));
}

NOINLINE void probe_free(void *block)
{
    __asm__ volatile("nop" : : "r"(block));
}

SDT_PROBE("otel_memory", "alloc", "probe_alloc", "probe_listeners", SDT_THREE_WORDS);
SDT_PROBE("otel_memory", "free", "probe_free", "probe_listeners + 2", SDT_ONE_WORD);

_Static_assert(offsetof(union probe_listeners, free) == 2, "where the note says it is");
