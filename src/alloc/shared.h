/* shared.h: heaps that no thread owns, of whose pools all threads have blocks.
 *
 * Their blocks are freed as another heap's. Whoever takes new ones collects what was freed, and so
 * does a reap (reap.h). No thread adopts such a heap, and its pools are never stolen. */
#ifndef ALLOC_SHARED_H
#define ALLOC_SHARED_H

struct heap;

enum shared_heap {
    SHARED_STARTER, /* of first blocks (starter.h) */
    SHARED_SAMPLED, /* of sampled blocks (sampled.h) */
    SHARED_HEAPS
};

/* The heap; NULL when there is none yet. */
struct heap *shared_heap(enum shared_heap which);

/* Enters the heap, which is made if there is none, or if it has died in a forked child; NULL when
 * there is no memory. Under registry_lock until shared_leave. */
struct heap *shared_enter(enum shared_heap which);
void shared_leave(struct heap *heap);

#endif
