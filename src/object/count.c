/* count.c: the others' part of counts, merging, and the slow paths of retain and release. */
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

/* An error unless it is a live object. Only a large one needs more than the first check. */
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

/* The object's word for a count, which cannot fail: without memory for the word it is an error. */
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

/* Merges the owner's part, less the `given_up` references that end here, into the word. True: the
 * sum is 0. By the owner's thread; for a detached owner under its lock. */
static bool merge_count(void *object, _Atomic uint32_t *word, unsigned given_up)
{
    uint64_t header = header_of(object);
    int32_t local = (int32_t)(header_count(header) - given_up);
    /* The header first: as soon as the word says `merged`, other threads may let the object die.
     * The owner's part stays in the header and counts until then: a forked child may see this half
     * done. */
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
        if (merge_count(object, &counts->words[i], 0))
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

/* Shared counts in which a part falls below 0 join the owner's queue. Under gc_table_lock. A forked
 * child may find them in the queue before they are marked so: gc_table_repair marks them. */
static void enqueue_counts(struct shared_counts *counts)
{
    if (atomic_load_explicit(&counts->is_queued, memory_order_relaxed))
        return;
    _Atomic(struct shared_counts *) *queue = &counts->owner->queue;
    counts->next = atomic_load_explicit(queue, memory_order_relaxed);
    atomic_store(queue, counts);
    atomic_store_explicit(&counts->is_queued, true, memory_order_relaxed);
}

/* After the queue has been stored (see detach in gc/thread_end.c): the owner merges its queue at
 * its next safepoint; that of a detached one is merged here. The owner is called in any case, since
 * it may have been attached by the time that its lock is taken. */
static void notify_owner(struct owner *owner)
{
    if (owner_state(owner) == OWNER_DETACHED)
        count_merge_queue(owner);
    owner_call(owner);
}

/* ---- Dropping ---- */

/* Drops the owner's last reference. */
static bool drop_last_own(void *object, uint64_t header)
{
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (LIKELY(word == NULL) || atomic_load_explicit(word, memory_order_acquire) == 0)
        return true;
    return merge_count(object, word, 1);
}

/* Drops a reference where the others' part is 0 or less. Once it is below 0 the owner may merge at
 * any time and let the object die, with its pool and the shared counts: gc_table_lock keeps those
 * until they are in the queue. */
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
            enqueue_counts(counts);
    } while (!atomic_compare_exchange_weak_explicit(word, &old, new, memory_order_acq_rel,
                                                    memory_order_relaxed));
    bool queues = (new &SHARED_QUEUED) != 0;
    gc_table_lock_release();
    if (queues)
        notify_owner(owner);
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

/* The release of an object that neither the calling thread owns nor all threads share. */
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

/* A part that has come to SHARED_MAX stays near it, far from any overflow, whatever threads do. */
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
    /* In a dying header this bit is LINK_IS_LARGE (dying.h). */
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

/* An owner's part that comes to 0 is merged here as well: else the owner's next release, of a
 * reference that the others' part counts, would be an error. */
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

/* ---- Slow paths ---- */

/* An immortal object is not counted. If its owner's count has just overflowed into the tag,
 * releases by the owner could bring it back: so it gets the tag of an immortal one. */
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

/* A suspended thread may change a variable, but no field of an object: which it is costs no lock.
 */
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
