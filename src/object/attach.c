/* attach.c: making a heap's owner, once, and attaching the thread that has the heap now. */
#include "attach.h"

#include "gc_table.h" // gc_table_complete
#include "hooks.h"
#include "safepoint.h" // safepoint_enter

#include "alloc/hooks.h"
#include "alloc/object_block.h" // object_heap
#include "os/os.h"              // os_thread_id

#include <string.h>

static bool is_first_owner(void)
{
    return atomic_load_explicit(&owner_first, memory_order_acquire) == NULL;
}

/* Before a heap is set up for objects, even if its thread gets no owner then: the allocator calls
 * that hook of every such heap. Two threads may do this at once, and store the same. */
static void fill_alloc_hooks(void)
{
    __atomic_store_n(&hooks.pool_gone, gc_table_pool_gone, __ATOMIC_RELAXED);
    __atomic_store_n(&hooks.thread_ends, object_hooks.thread_ends, __ATOMIC_RELAXED);
}

static struct owner *make_owner(struct heap *heap)
{
    struct owner *owner = molt_malloc(sizeof *owner);
    if (owner == NULL)
        return NULL;
    if (is_first_owner())
        object_hooks.first_owner();
    memset(owner, 0, sizeof *owner);
    owner->lock = (struct lock)LOCK_INIT(RANK_OWNER);
    owner->heap = heap;
    owner->self = ((uint64_t)tag_of_heap(heap->number) << TAG_SHIFT) + 2 * HEADER_ONE;
    owner->newborn = owner->self - HEADER_ONE;
    owner->next = atomic_load_explicit(&owner_first, memory_order_relaxed);
    /* Sequentially consistent, for the collector that reads the list: see safepoint_enter(). */
    while (!atomic_compare_exchange_weak(&owner_first, &owner->next, owner))
        ;
    /* After it: a forked child finds no owner by its heap that is not in the list of all. */
    __atomic_store_n(&heap->objects.owner, owner, __ATOMIC_RELEASE);
    return owner;
}

/* In a forked child the heap may come from a vanished thread that had just taken a pool, and had
 * not made its table. False: no memory for it. */
static bool has_all_tables(struct owner *owner)
{
    if (owner->lacks_table && gc_table_complete(owner->heap))
        owner->lacks_table = false;
    return !owner->lacks_table;
}

struct owner *attach_thread(void)
{
    if (owner_self != NULL)
        return owner_self;
    if (is_first_owner())
        fill_alloc_hooks();
    struct heap *heap = object_heap();
    if (heap == NULL || !tag_fits_heap(heap->number))
        return NULL;
    struct owner *owner = heap->objects.owner != NULL ? heap->objects.owner : make_owner(heap);
    if (owner == NULL || !has_all_tables(owner))
        return NULL;
    atomic_store_explicit(&owner->thread, os_thread_id(), memory_order_relaxed);
    lock_acquire(&owner->lock);
    safepoint_enter(owner);
    lock_release(&owner->lock);
    owner_call(owner); /* its queue may not be empty: the next safepoint merges that */
    owner_self = owner;
    molt_self = owner->self;
    return owner;
}
