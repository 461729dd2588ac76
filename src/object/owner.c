/* owner.c: attaching and detaching. */
#include "owner.h"

#include "collect.h" // collect_repair
#include "count.h"   // count_settle_queue
#include "death.h"   // death_end_all
#include "gc.h"
#include "pace.h"    // pace_arrive
#include "propose.h" // propose_end
#include "side.h"
#include "type.h"
#include "weak.h"
#include "world.h"

#include "alloc/hooks.h"
#include "alloc/object_block.h"
#include "base/fork.h"
#include "os/os.h" // os_thread_id

#include <limits.h> // PTHREAD_DESTRUCTOR_ITERATIONS
#include <stdlib.h>
#include <string.h>

THREAD_LOCAL uint64_t molt_self = SELF_NONE;
THREAD_LOCAL struct owner *owner_self;
THREAD_LOCAL struct owner_pause owner_pause;
_Atomic(struct owner *) owner_first;
bool owner_running_lost;

static THREAD_LOCAL unsigned ends_put_off; /* rounds of other destructors */

/* What a process does when its first thread attaches; two may do it at once. */
static void start(void)
{
    static atomic_bool at_exit;
    hooks.pool_gone = side_pool_gone;
    hooks.thread_ends = owner_thread_ends;
    fork_set_repair(FORK_OBJECT, owner_repair);
    if (!atomic_exchange(&at_exit, true))
        atexit(gc_at_exit);
}

static struct owner *make(struct heap *heap)
{
    struct owner *owner = molt_malloc(sizeof *owner);
    if (owner == NULL)
        return NULL;
    if (atomic_load_explicit(&owner_first, memory_order_acquire) == NULL)
        start();
    memset(owner, 0, sizeof *owner);
    owner->lock = (struct lock)LOCK_INIT(RANK_OWNER);
    owner->heap = heap;
    owner->self = ((uint64_t)tag_of_heap(heap->number) << TAG_SHIFT) + 2 * HEADER_ONE;
    owner->newborn = owner->self - HEADER_ONE;
    owner->next = atomic_load_explicit(&owner_first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&owner_first, &owner->next, owner)) /* see world_enter */
        ;
    /* A forked child shall find no owner by its heap that collections do not know of. */
    __atomic_store_n(&heap->objects.owner, owner, __ATOMIC_RELEASE);
    return owner;
}

/* In a forked child a heap may come from a thread that is gone, and that had just taken a pool. */
static bool has_all_sides(struct owner *owner)
{
    if (owner->lacks_side && side_complete(owner->heap))
        owner->lacks_side = false;
    return !owner->lacks_side;
}

struct owner *owner_attach(void)
{
    if (owner_self != NULL)
        return owner_self;
    struct heap *heap = object_heap();
    if (heap == NULL || !tag_fits_heap(heap->number))
        return NULL;
    struct owner *owner = heap->objects.owner != NULL ? heap->objects.owner : make(heap);
    if (owner == NULL || !has_all_sides(owner))
        return NULL;
    atomic_store_explicit(&owner->thread, os_thread_id(), memory_order_relaxed);
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
        pace_arrive(owner);
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

/* The owner that a thread has, also while it must leave objects alone. */
static const struct owner *owner_in_use(struct owner *const *self, const struct owner_pause *pause)
{
    return (pause->traverses | pause->blocks) != 0 ? pause->owner : *self;
}

/* All owners but those of the calling thread and of the one that has forked. */
static void detach_gone(void)
{
    const struct owner *own = owner_in_use(&owner_self, &owner_pause);
    const struct owner *survivor =
        owner_in_use(fork_survivors(&owner_self), fork_survivors(&owner_pause));
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        lock_free_left(&owner->lock);
        if (owner == own || owner == survivor) {
            uint32_t thread = owner == survivor ? os_process_id() : os_thread_id();
            atomic_store_explicit(&owner->thread, thread, memory_order_relaxed);
            continue;
        }
        if (owner_state(owner) == OWNER_RUNNING)
            owner_running_lost = true;
        owner->lacks_side = true;
        atomic_store(&owner->state, OWNER_DETACHED);
    }
}

void owner_repair(void)
{
    bool was_collected = world_was_collected();
    detach_gone();
    side_repair(was_collected);
    if (was_collected)
        collect_repair();
    gc_repair();
    type_repair();
    weak_repair();
    world_repair();
}
