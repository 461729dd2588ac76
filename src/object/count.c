/* count.c: foreign counts, merging, and the slow ends of retain and release. */
#include "count.h"

#include "attach.h"
#include "death.h"
#include "dying.h" // dying.is_deleting
#include "error.h"
#include "find.h" // object_pool_block
#include "owner.h"
#include "type.h"

#include "base/fork.h"
#include "base/report.h"

#include <stdbool.h>

static unsigned my_tag(void)
{
    return header_tag(molt_self);
}

_Atomic uint32_t *count_word(const void *object)
{
    struct shared_counts *counts = shared_counts_make(object);
    return counts != NULL ? shared_counts_word(counts, object) : NULL;
}

/* An error unless it is a live object. The first question answers for all but large ones. */
static ALWAYS_INLINE void expect_object(const char *operation, const void *object, uint64_t header)
{
    const struct pool *pool = map_pool(object);
    bool is_one = pool_has_objects(pool) && pool_has_block(pool, object) && header_is_live(header);
    if (UNLIKELY(!is_one))
        error_if_no_object(operation, object);
}

static COLD _Atomic uint32_t *first_word(const char *operation, const void *object)
{
    _Atomic uint32_t *word = count_word(object);
    if (UNLIKELY(word == NULL))
        error_report(operation, object, "no memory for a count that threads share");
    return word;
}

/* A count cannot be refused. */
static ALWAYS_INLINE _Atomic uint32_t *need_word(const char *operation, const void *object)
{
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    return LIKELY(word != NULL) ? word : first_word(operation, object);
}

/* ---- Merging ---- */

static COLD _Noreturn void report_below_zero(const void *object)
{
    error_fatal(object, "release of %p (%s): released more often than retained", object,
                error_type_name(object));
}

/* The owner's part joins the others'; true if the sum is 0. By the owner, or for a detached one
 * under its lock. `given_up`: of the owner's part, references that end here. */
static bool merge(void *object, _Atomic uint32_t *word, unsigned given_up)
{
    uint64_t header = header_of(object);
    int32_t local = (int32_t)(header_count(header) - given_up);
    /* First the header: as soon as the word says merged, others may let the object die. The owner's
     * part stays there, and counts until then: a forked child may see this half done. */
    header_set(object, header_with(header, TAG_SHARED, (unsigned)local));
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed), new;
    do {
        int32_t sum = shared_count(old) + local;
        if (UNLIKELY(sum < 0))
            report_below_zero(object);
        new = (uint32_t)sum << SHARED_SHIFT | (old & SHARED_WEAK) | SHARED_MERGED;
    } while (!atomic_compare_exchange_weak_explicit(word, &old, new, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return shared_count(new) == 0;
}

static void merge_counts(struct shared_counts *counts)
{
    for (unsigned i = 0; i < counts->capacity; i++) {
        uint32_t word = atomic_load_explicit(&counts->words[i], memory_order_acquire);
        if ((word & SHARED_QUEUED) == 0 || (word & SHARED_MERGED) != 0)
            continue;
        void *object = (void *)(counts->start + i * counts->block_bytes);
        if (tag_is_immortal(header_tag(header_of(object))))
            continue;
        if (merge(object, &counts->words[i], 0))
            death_defer(object);
    }
}

static void merge_queue(struct owner *owner)
{
    gc_table_lock_acquire();
    struct shared_counts *counts;
    while ((counts = atomic_load_explicit(&owner->queue, memory_order_relaxed)) != NULL) {
        if (!counts->is_gone)
            merge_counts(counts);
        atomic_store_explicit(&counts->is_queued, false, memory_order_relaxed);
        atomic_store(&owner->queue, counts->next);
        if (counts->is_gone)
            shared_counts_put_gone(counts);
    }
    gc_table_lock_release();
}

void count_merge_queue(struct owner *owner)
{
    if (LIKELY(atomic_load_explicit(&owner->queue, memory_order_relaxed) == NULL) ||
        gc_table_lock_is_mine()) /* in a visitor: nothing dies there */
        return;
    death_begin_defer();
    if (owner == owner_self) {
        merge_queue(owner);
    } else {
        lock_acquire(&owner->lock);
        if (owner_state(owner) == OWNER_DETACHED)
            merge_queue(owner);
        lock_release(&owner->lock);
    }
    death_end_defer();
}

/* The others' part of an object falls below 0: its shared counts go into the owner's queue. Under
 * gc_table_lock. What is in the queue of a forked child is_queued from then on (gc_table_repair).
 */
static void enqueue(struct shared_counts *counts)
{
    if (atomic_load_explicit(&counts->is_queued, memory_order_relaxed))
        return;
    _Atomic(struct shared_counts *) *queue = &counts->owner->queue;
    counts->next = atomic_load_explicit(queue, memory_order_relaxed);
    atomic_store(queue, counts);
    atomic_store_explicit(&counts->is_queued, true, memory_order_relaxed);
}

/* The owner sees to its queue at its next safepoint; if it is detached, who comes now does. After
 * the queue has been stored: see detach() in gc/process.c. It may be attached by the time that its
 * lock is had. */
static void notify(struct owner *owner)
{
    if (owner_state(owner) == OWNER_DETACHED)
        count_merge_queue(owner);
    owner_call(owner);
}

/* ---- Dropping ---- */

/* The owner's last reference, to an object that may have others'. */
static bool drop_last_own(void *object, uint64_t header)
{
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (LIKELY(word == NULL) || atomic_load_explicit(word, memory_order_acquire) == 0)
        return true;
    return merge(object, word, 1);
}

/* A count that falls below 0 is the owner's business from then on, who may let the object die at
 * once, with its pool and the shared counts: gc_table_lock keeps those until they are in the queue.
 */
static bool drop_below_zero(struct shared_counts *counts, _Atomic uint32_t *word)
{
    struct owner *owner = counts->owner;
    fork_check(); /* the owner's thread may be gone */
    gc_table_lock_acquire();
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed), new;
    do {
        new = (old - SHARED_ONE);
        if ((old & SHARED_MERGED) == 0 && shared_count(new) < 0)
            new |= SHARED_QUEUED;
        if ((new &SHARED_QUEUED) != 0)
            enqueue(counts);
    } while (!atomic_compare_exchange_weak_explicit(word, &old, new, memory_order_acq_rel,
                                                    memory_order_relaxed));
    bool queues = (new &SHARED_QUEUED) != 0;
    gc_table_lock_release();
    if (queues)
        notify(owner);
    return (new &SHARED_MERGED) != 0 && shared_count(new) == 0;
}

static bool drop_shared(void *object)
{
    _Atomic uint32_t *word = need_word("release", object);
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
    do {
        int32_t count = shared_count(old);
        if (UNLIKELY(count >= SHARED_MAX))
            return false;
        if (UNLIKELY(count <= 0 && (old & SHARED_MERGED) != 0))
            report_below_zero(object);
        if (count <= 0)
            return drop_below_zero(shared_counts_if_any(object, header_of(object)), word);
    } while (!atomic_compare_exchange_weak_explicit(word, &old, old - SHARED_ONE,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return old == (SHARED_ONE | SHARED_MERGED) || old == (SHARED_ONE | SHARED_MERGED | SHARED_WEAK);
}

/* What the release of something that is not an owned live object means. */
static NOINLINE bool drop_other(void *object, uint64_t header)
{
    unsigned tag = header_tag(header);
    if (tag == TAG_CONDEMNED && dying.is_deleting)
        return false;
    expect_object("release", object, header);
    return !tag_is_immortal(tag) && drop_shared(object);
}

bool count_drop_slow(void *object)
{
    uint64_t header = header_of(object);
    unsigned tag = header_tag(header);
    if (LIKELY(tag == TAG_SHARED))
        return drop_shared(object);
    if (tag != my_tag())
        return drop_other(object, header);
    if (UNLIKELY(header_count(header) == 0))
        report_below_zero(object);
    if (header_count(header) == 1)
        return drop_last_own(object, header);
    header_set(object, header - HEADER_ONE);
    return false;
}

/* ---- Retaining ---- */

/* A count that has come to its limit stays near it, below any overflow, whatever threads do. */
static ALWAYS_INLINE void retain_shared(void *object)
{
    _Atomic uint32_t *word = need_word("retain", object);
    uint32_t old = atomic_fetch_add_explicit(word, SHARED_ONE, memory_order_relaxed);
    if (UNLIKELY(shared_count(old) >= SHARED_MAX))
        atomic_fetch_sub_explicit(word, SHARED_ONE, memory_order_relaxed);
}

bool count_try_retain(void *object, _Atomic uint32_t *word)
{
    uint64_t header = header_of(object);
    unsigned tag = header_tag(header);
    if (tag == my_tag()) {
        header_set(object, header + HEADER_ONE);
        return true;
    }
    if (tag_is_immortal(tag))
        return true;
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
    do {
        if ((old & SHARED_MERGED) != 0 && shared_count(old) == 0)
            return false; /* dead, and about to tell its weak references */
    } while (!atomic_compare_exchange_weak_explicit(word, &old, old + SHARED_ONE,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}

void count_revive(void *object)
{
    /* A dying header uses this flag otherwise. */
    uint64_t header = header_of(object) & ~HEADER_UNTRACKED;
    _Atomic uint32_t *word = count_word_if_any(object, header);
    uint32_t old = word != NULL ? atomic_load_explicit(word, memory_order_relaxed) : 0;
    if ((old & SHARED_MERGED) == 0) {
        header_set(object, header_with(header, my_tag(), 1));
        return;
    }
    header_set(object, header_with(header, TAG_SHARED, 0));
    atomic_store_explicit(word, old + SHARED_ONE, memory_order_release);
}

/* ---- Asking ---- */

size_t count_of(const void *object)
{
    uint64_t header = header_of(object);
    if (tag_is_immortal(header_tag(header)))
        return SIZE_MAX;
    _Atomic uint32_t *word = count_word_if_any(object, header);
    uint32_t shared = word != NULL ? atomic_load_explicit(word, memory_order_relaxed) : 0;
    int64_t own = (shared & SHARED_MERGED) == 0 ? header_count(header) : 0;
    int64_t sum = own + shared_count(shared);
    return sum < 0 ? 0 : (size_t)sum;
}

void count_forget(void *object)
{
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    if (word != NULL)
        atomic_store_explicit(word, 0, memory_order_relaxed);
}

/* An owner's part that comes to 0 is merged here as well, or its next release would be one too many
 * for it, though others hold the object. */
void count_add_stopped(void *object, int change)
{
    uint64_t header = header_of(object);
    unsigned tag = header_tag(header);
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (tag_is_owner(tag)) {
        header += (uint64_t)(int64_t)change * HEADER_ONE;
        if (UNLIKELY(header_count(header) == 0 && word != NULL)) {
            header = header_with(header, TAG_SHARED, 0);
            atomic_fetch_or_explicit(word, SHARED_MERGED, memory_order_relaxed);
        }
        header_set(object, header);
    } else if (tag == TAG_SHARED) {
        atomic_fetch_add_explicit(word, (uint32_t)change * SHARED_ONE, memory_order_relaxed);
    }
}

/* ---- The slow ends ---- */

/* A reference to an immortal object is not counted. Right after the owner's count has overflowed
 * releases would find their way back from there: no more. */
static NOINLINE void retain_other(void *object, uint64_t header)
{
    unsigned tag = header_tag(header);
    expect_object("retain", object, header);
    if (!tag_is_immortal(tag))
        retain_shared(object);
    else if (tag == my_tag() + 1)
        header_set(object, header_with(header, TAG_IMMORTAL, 0));
}

void *molt_retain_slow(void *object)
{
    if (UNLIKELY(molt_self == SELF_NONE))
        count_attach("retain", object);
    uint64_t header = header_of(object);
    unsigned tag = header_tag(header);
    if (tag == my_tag())
        header_set(object, header + HEADER_ONE);
    else if (tag == TAG_SHARED)
        retain_shared(object);
    else
        retain_other(object, header);
    return object;
}

void count_attach(const char *operation, const void *object)
{
    error_if_no_object(operation, object);
    error_if_suspended(operation, object, "a traverse callback must not count");
    attach_thread();
}

/* A variable of the program may change at any time, a field of an object may not. Nothing is waited
 * for to find that out. */
void molt_attach_slow(const void *changed)
{
    if (!owner_must_not_count()) {
        attach_thread();
        return;
    }
    const void *object = object_pool_block(changed);
    if (object != NULL)
        error_if_suspended("change", object, "a traverse callback must not change a field");
}
