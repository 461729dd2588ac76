/* shared.c: finding and making them. */
#include "shared.h"

#include "heap.h"
#include "map.h"
#include "registry.h"
#include "remote.h"

static uint32_t numbers[SHARED_HEAPS]; /* 0: there is none yet */

struct heap *shared_heap(enum shared_heap which)
{
    uint32_t number = __atomic_load_n(&numbers[which], __ATOMIC_RELAXED);
    return number != 0 ? map_heap(number) : NULL;
}

static struct heap *find_or_make(enum shared_heap which)
{
    struct heap *heap = shared_heap(which);
    if (heap != NULL && heap_state(heap) != HEAP_DEAD)
        return heap;
    heap = registry_new_heap(HEAP_SHARED);
    if (heap == NULL)
        return NULL;
    heap_end_slow(heap);
    __atomic_store_n(&numbers[which], heap->number, __ATOMIC_RELAXED);
    return heap;
}

struct heap *shared_enter(enum shared_heap which)
{
    struct heap *heap = find_or_make(which);
    if (heap == NULL)
        return NULL;
    heap_begin_slow(heap);
    remote_collect(heap);
    return heap;
}

void shared_leave(struct heap *heap)
{
    heap_end_slow(heap);
}
