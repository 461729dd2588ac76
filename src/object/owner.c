/* owner.c: attaching and detaching. */
#include "owner.h"

#include "count.h" // count_settle_queue
#include "death.h" // death_end_all
#include "gc.h"
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
    while (!atomic_compare_exchange_weak(&owner_first, &owner->next, owner)) /* see world_enter */
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
    owner_call(owner); /* the queue may not be empty */
    owner_self = owner;
    molt_self = owner->self;
    return owner;
}

struct owner *owner_of_heap(unsigned heap_number)
{
    return map_heap(heap_number)->objects.owner;
}

/* ---- The thread's end ---- */

/* A callback of a collection, or a visitor, has ended its thread: others may collect again. What
 * was garbage and has been kept for its finalizers stays. */
static void abandon_collection(void)
{
    if (!world_is_mine())
        return;
    if (!side_lock_is_mine())
        side_lock_acquire();
    propose_end();
    side_forget_collection();
    side_lock_release();
    if (world_is_still())
        world_resume();
    world_end_collect();
}

static void leave_everything(void)
{
    abandon_collection();
    if (owner_pause.traverses != 0) {
        owner_pause.traverses = 1;
        owner_end_pause(&owner_pause.traverses);
    }
    world_end_blocking();
    if (owner_self != NULL)
        death_end_all();
}

/* Nothing is settled, and so nothing dies, after the owner has been detached: the world may stand
 * still then. So either the queue is seen here that another thread has filled, or that thread sees
 * in `state`, which it reads after it has filled the queue, that it has to settle. That needs one
 * order of all four accesses (Dekker's): they are sequentially consistent. */
static void detach(struct owner *owner)
{
    bool is_settled;
    do {
        leave_everything(); /* also what a finalizer has begun */
        count_settle_queue(owner);
        lock_acquire(&owner->lock);
        world_leave(owner);
        is_settled = atomic_load(&owner->queue) == NULL;
        if (!is_settled)
            world_enter(owner);
        lock_release(&owner->lock);
    } while (!is_settled);
    owner_self = NULL;
    molt_self = SELF_NONE;
}

bool owner_thread_ends(struct heap *heap)
{
    struct owner *owner = heap->objects.owner;
    leave_everything();
    if (owner == NULL || owner != owner_self)
        return false;
    if (ends_put_off < PTHREAD_DESTRUCTOR_ITERATIONS - 2) {
        ends_put_off++;
        return true;
    }
    detach(owner);
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
