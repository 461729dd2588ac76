/* thread.c: slow paths; adopting at the first malloc, parking at the end. */
#include "thread.h"

#include "arena.h" // arena_lock
#include "background.h"
#include "claim.h"
#include "hooks.h"
#include "huge.h" // huge_lock
#include "registry.h"
#include "tick.h"
#include "watch.h"

#include "os/os.h" // os_yield

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static THREAD_LOCAL bool thread_ended; /* its heap is parked: from now on it borrows heaps */
static THREAD_LOCAL bool has_waited;   /* for another thread to park its heap: it waits once */

/* 1 + the key whose destructor parks the heap; 0 before there is a key. */
static _Atomic pthread_key_t exit_key_after;

/* A signal handler that runs between two of these stores may itself enter and leave a slow path,
 * and leaving one opens the fast paths again. thread_self.outbox == NULL keeps a handler from
 * entering the heap: so the outbox is cleared first, and set last (open_fast_paths). Returns NULL
 * when the heap is dead (claim_wait). */
static struct heap *mark_busy(struct heap *heap)
{
    thread_self.outbox = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    thread_self.small_limit = 0;
    thread_self.cookie = 0;
    thread_self.operator_limit = 0;
    thread_self.operator_cookie = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (UNLIKELY(atomic_load_explicit(&heap->claim, memory_order_acquire) != CLAIM_NONE) &&
        !claim_wait(heap))
        return NULL;
    heap_begin_slow(heap);
    return heap;
}

static void open_fast_paths(struct heap *heap)
{
    atomic_signal_fence(memory_order_seq_cst);
    heap_end_slow(heap);
    if (!watch_every_call()) {
        thread_self.cookie = heap_cookie(heap);
        thread_self.small_limit = heap->small_limit;
        thread_self.operator_cookie = thread_self.cookie & thread_operators_open;
        thread_self.operator_limit = heap->small_limit & thread_operators_open;
    }
    atomic_signal_fence(memory_order_seq_cst);
    thread_self.outbox = heap->outbox;
}

static void park_at_exit(void *heap);

/* Where the process has no key left, a thread that ends does not park its heap, which is lost. If
 * two threads make a key at the same time, both keys exist, and each parks the heaps that were set
 * for it. */
static bool find_exit_key(pthread_key_t *key)
{
    *key = atomic_load_explicit(&exit_key_after, memory_order_acquire) - 1;
    if (*key != (pthread_key_t)-1)
        return true;
    if (pthread_key_create(key, park_at_exit) != 0)
        return false;
    atomic_store_explicit(&exit_key_after, *key + 1, memory_order_release);
    return true;
}

/* Has the heap parked when the thread ends. libc's functions for keys, or the functions that
 * replace them, may allocate and free: so they are called when the thread has its heap and is
 * inside no slow path. */
static void ask_for_parking(struct heap *heap)
{
    int saved = errno; /* free keeps it */
    pthread_key_t key;
    if (find_exit_key(&key) && pthread_setspecific(key, heap) == 0)
        claim_allow(heap);
    errno = saved;
}

void thread_init(void)
{
    pthread_key_t key;
    find_exit_key(&key);
}

static void park_at_exit(void *argument)
{
    struct heap *heap = argument;
    bool (*thread_ends)(struct heap *) = __atomic_load_n(&hooks.thread_ends, __ATOMIC_RELAXED);
    if (heap->has_objects && thread_ends(heap)) { /* not claimed: it has objects */
        ask_for_parking(heap);
        return;
    }
    if (mark_busy(heap) == NULL)
        return;
    thread_ended = true;
    thread_self.heap = NULL;
    registry_park(heap);
    background_notify();
}

static ALWAYS_INLINE bool is_reentered(void)
{
    return (thread_self.heap != NULL && thread_self.outbox == NULL) || lock_is_mine(&arena_lock) ||
           lock_is_mine(&huge_lock) || lock_is_mine(&registry_lock);
}

bool thread_is_reentered(void)
{
    return is_reentered();
}

/* The thread's heap from now on. */
static struct heap *install_heap(struct heap *heap)
{
    if (thread_self.heap != NULL) { /* a signal handler has installed one */
        registry_park(heap);
        return mark_busy(thread_self.heap);
    }
    thread_self.heap = heap;
    open_fast_paths(heap);
    ask_for_parking(heap);
    return mark_busy(heap);
}

/* Adopts a heap for the first malloc of a thread. For a malloc after the heap was parked, it is
 * borrowed: not installed, so that thread_leave parks it again. */
static struct heap *adopt_heap(void)
{
    struct heap *heap = registry_adopt();
    if (heap == NULL)
        return NULL;
    return thread_ended ? mark_busy(heap) : install_heap(heap);
}

/* The thread that had the heap may be about to end, having started the caller as the last thing it
 * did: so the caller lets it run once. */
static bool adopt_after_waiting(struct heap *owner)
{
    if (has_waited)
        return false;
    has_waited = true;
    os_yield();
    return registry_adopt_this(owner);
}

struct heap *thread_enter_by_free(struct heap *owner)
{
    bool may_adopt = thread_self.heap == NULL && !thread_ended && !is_reentered();
    if (may_adopt && (registry_adopt_this(owner) || adopt_after_waiting(owner)))
        return install_heap(owner);
    return thread_enter_existing();
}

struct heap *thread_enter_existing(void)
{
    struct heap *heap = thread_self.heap;
    return heap == NULL || is_reentered() ? NULL : mark_busy(heap);
}

struct heap *thread_enter(void)
{
    if (is_reentered())
        return NULL;
    struct heap *heap = thread_self.heap;
    if (heap == NULL)
        return adopt_heap();
    if (mark_busy(heap) == NULL)
        return NULL;
    if (UNLIKELY(heap->small_limit == 0)) { /* this is the malloc that ticks (heap_arm) */
        heap->small_limit = TABLE_MAX + 1;
        heap->tick_due = true;
    }
    return heap;
}

static NOINLINE void leave_with_more(struct heap *heap)
{
    if (heap->tick_due)
        tick(heap);
    if (heap != thread_self.heap)
        registry_park(heap);
    else
        open_fast_paths(heap);
}

/* Most slow paths end here. The rare ends are in leave_with_more, so that no register is saved for
 * them here. */
void thread_leave(struct heap *heap)
{
    if (UNLIKELY(heap->tick_due) || UNLIKELY(heap != thread_self.heap))
        leave_with_more(heap);
    else
        open_fast_paths(heap);
}
