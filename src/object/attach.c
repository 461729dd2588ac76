/* attach.c: a heap gets its owner when its thread first uses objects, and keeps it. */
#include "attach.h"

#include "hooks.h"
#include "safepoint.h" // safepoint_enter
#include "gc_table.h"  // gc_table_complete

#include "alloc/hooks.h"
#include "alloc/object_block.h" // object_heap
#include "os/os.h"              // os_thread_id

#include <string.h>

static bool thread_ends(struct heap *heap)
{
    return object_hooks.thread_ends(heap);
}

/* Before the process has its first owner; two threads may do this at once. */
static void start(void)
{
    hooks.pool_gone = gc_table_pool_gone;
    hooks.thread_ends = thread_ends;
    object_hooks.first_owner();
}

static struct owner *make_owner(struct heap *heap)
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
    while (
        !atomic_compare_exchange_weak(&owner_first, &owner->next, owner)) /* see safepoint_enter */
        ;
    /* A forked child shall find no owner by its heap that collections do not know of. */
    __atomic_store_n(&heap->objects.owner, owner, __ATOMIC_RELEASE);
    return owner;
}

/* In a forked child a heap may come from a thread that is gone, and that had just taken a pool. */
static bool has_all_sides(struct owner *owner)
{
    if (owner->lacks_table && gc_table_complete(owner->heap))
        owner->lacks_table = false;
    return !owner->lacks_table;
}

struct owner *attach_thread(void)
{
    if (owner_self != NULL)
        return owner_self;
    struct heap *heap = object_heap();
    if (heap == NULL || !tag_fits_heap(heap->number))
        return NULL;
    struct owner *owner = heap->objects.owner != NULL ? heap->objects.owner : make_owner(heap);
    if (owner == NULL || !has_all_sides(owner))
        return NULL;
    atomic_store_explicit(&owner->thread, os_thread_id(), memory_order_relaxed);
    lock_acquire(&owner->lock);
    safepoint_enter(owner);
    lock_release(&owner->lock);
    owner_call(owner); /* the queue may not be empty */
    owner_self = owner;
    molt_self = owner->self;
    return owner;
}
