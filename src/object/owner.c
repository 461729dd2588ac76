/* owner.c: attaching and detaching. */
#include "owner.h"

#include "count.h"   // count_settle_queue
#include "gc.h"      // gc_limit
#include "propose.h" // propose_end
#include "side.h"
#include "type.h"
#include "weak.h"
#include "world.h"

#include "alloc/hooks.h"
#include "alloc/object_block.h"

#include <pthread.h>
#include <limits.h> // PTHREAD_DESTRUCTOR_ITERATIONS
#include <stdlib.h>
#include <string.h>

THREAD_LOCAL uint64_t molt_self = SELF_NONE;
THREAD_LOCAL struct owner *owner_self;
THREAD_LOCAL struct owner_pause owner_pause;
_Atomic(struct owner *) owner_first;

static THREAD_LOCAL unsigned ends_put_off; /* rounds of other destructors */

/* What a process does once, when its first thread attaches. */
static void start(void)
{
    hooks.pool_gone = side_pool_gone;
    hooks.thread_ends = owner_thread_ends;
    pthread_atfork(NULL, NULL, owner_reset_in_child);
    atexit(gc_at_exit);
}

static struct owner *make(struct heap *heap)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct owner *owner = molt_malloc(sizeof *owner);
    if (owner == NULL)
        return NULL;
    pthread_once(&once, start);
    memset(owner, 0, sizeof *owner);
    owner->lock = (struct lock)LOCK_INIT(RANK_OWNER);
    owner->heap = heap;
    owner->self = ((uint64_t)tag_of_heap(heap->number) << TAG_SHIFT) + 2 * HEADER_ONE;
    owner->newborn = owner->self - HEADER_ONE;
    heap->objects.owner = owner;
    owner->next = atomic_load_explicit(&owner_first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&owner_first, &owner->next, owner,
                                                  memory_order_release, memory_order_relaxed))
        ;
    return owner;
}

struct owner *owner_attach(void)
{
    if (owner_self != NULL)
        return owner_self;
    struct heap *heap = object_heap();
    if (heap == NULL || !tag_fits_heap(heap->number))
        return NULL;
    struct owner *owner = heap->objects.owner != NULL ? heap->objects.owner : make(heap);
    if (owner == NULL)
        return NULL;
    lock_acquire(&owner->lock);
    world_enter(owner);
    lock_release(&owner->lock);
    atomic_store_explicit(&owner->limit, gc_limit(), memory_order_relaxed);
    owner_self = owner;
    molt_self = owner->self;
    return owner;
}

struct owner *owner_of_heap(unsigned heap_number)
{
    return map_heap(heap_number)->objects.owner;
}

bool owner_thread_ends(struct heap *heap)
{
    struct owner *owner = heap->objects.owner;
    if (owner == NULL || owner != owner_self)
        return false;
    if (ends_put_off < PTHREAD_DESTRUCTOR_ITERATIONS - 2) {
        ends_put_off++;
        return true;
    }
    count_settle_queue(owner);
    lock_acquire(&owner->lock);
    owner_self = NULL;
    molt_self = SELF_NONE;
    world_leave(owner);
    lock_release(&owner->lock);
    count_settle_queue(owner); /* what has come meanwhile */
    return false;
}

void owner_reset_in_child(void)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        lock_reset_in_child(&owner->lock);
        if (owner != owner_self)
            atomic_store(&owner->state, OWNER_DETACHED);
    }
    bool was_collecting = world_reset_in_child();
    if (was_collecting)
        propose_end();
    side_reset_in_child(was_collecting);
    gc_reset_in_child();
    type_reset_in_child();
    weak_reset_in_child();
}
