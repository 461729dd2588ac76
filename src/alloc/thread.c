/* thread.c: adopting at the first malloc, parking at the end. */
#include "thread.h"

#include "registry.h"
#include "tick.h"

#include <pthread.h>

THREAD_LOCAL struct thread thread_self;

static THREAD_LOCAL bool thread_ended; /* its destructor has run: borrow from now on */

static pthread_key_t exit_key;
static bool has_exit_key;

static void park_at_exit(void *heap)
{
    thread_ended = true;
    thread_self = (struct thread){NULL, 0, 0};
    registry_park(heap);
}

void thread_init(void)
{
    has_exit_key = pthread_key_create(&exit_key, park_at_exit) == 0;
}

static struct heap *mark_busy(struct heap *heap)
{
    heap->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    return heap;
}

/* The first malloc of a thread, or one after its end: then the heap is not installed and
 * thread_leave gives it back. */
static struct heap *adopt(void)
{
    if (lock_is_mine(&registry_lock))
        return NULL;
    struct heap *heap = registry_adopt();
    if (heap == NULL)
        return NULL;
    if (thread_ended)
        return mark_busy(heap);
    thread_self = (struct thread){heap, heap_cookie(heap), TABLE_MAX + 1};
    if (has_exit_key)
        pthread_setspecific(exit_key, heap); /* may call calloc, which has a heap by now */
    return mark_busy(heap);
}

struct heap *thread_enter_existing(void)
{
    struct heap *heap = thread_self.heap;
    return heap == NULL || heap->busy ? NULL : mark_busy(heap);
}

struct heap *thread_enter(void)
{
    return thread_self.heap != NULL ? thread_enter_existing() : adopt();
}

void thread_leave(struct heap *heap)
{
    if (UNLIKELY(heap->tick_due))
        tick(heap);
    atomic_signal_fence(memory_order_seq_cst);
    heap->busy = false;
    if (UNLIKELY(heap != thread_self.heap))
        registry_park(heap);
}
