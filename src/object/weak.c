/* weak.c: the table of weak references. */
#include "weak.h"

#include "count.h"
#include "error.h"
#include "owner.h"

#include "alloc/malloc.h"
#include "base/lock.h"

#include <errno.h>
#include <string.h>

struct molt_weak {
    void *object;     /* NULL: dead */
    molt_weak *next;  /* in its bucket, or in a chain of dead ones whose callbacks are due */
    molt_weak **from; /* where the link to it is; NULL: nowhere */
    void (*on_death)(molt_weak *weak, void *arg);
    void *arg;
    struct shard *shard;
};

#define SHARDS 64u
#define BUCKETS_MIN 16u

struct shard {
    struct lock lock;
    molt_weak **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
} CACHE_ALIGNED;

static struct shard shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = LOCK_INIT(RANK_WEAK)}};
/* Over the chains of dead ones; taken after a shard's. */
static struct lock due_lock = LOCK_INIT(RANK_DUE);

static uint64_t hash_of(const void *object)
{
    return (uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15);
}

static struct shard *shard_of(const void *object)
{
    return &shards[hash_of(object) >> 58];
}

static molt_weak **bucket_of(const struct shard *shard, const void *object)
{
    return &shard->buckets[(hash_of(object) >> 24) & (shard->bucket_count - 1)];
}

/* ---- Chains: a link knows where the link to it is. Under the shard's lock, or due_lock. ---- */

static void chain_push(molt_weak **head, molt_weak *weak)
{
    weak->next = *head;
    weak->from = head;
    if (weak->next != NULL)
        weak->next->from = &weak->next;
    *head = weak;
}

static void chain_remove(molt_weak *weak)
{
    if (weak->from == NULL)
        return;
    *weak->from = weak->next;
    if (weak->next != NULL)
        weak->next->from = weak->from;
    weak->next = NULL;
    weak->from = NULL;
}

/* Twice the buckets; without memory the chains get longer instead. */
static void grow(struct shard *shard)
{
    size_t count = shard->bucket_count != 0 ? shard->bucket_count * 2 : BUCKETS_MIN;
    molt_weak **buckets = molt_calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return;
    molt_weak **old = shard->buckets;
    size_t old_count = shard->bucket_count;
    shard->buckets = buckets;
    shard->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            molt_weak *weak = old[i];
            chain_remove(weak);
            chain_push(bucket_of(shard, weak->object), weak);
        }
    }
    molt_free(old);
}

/* ---- Making and asking ---- */

static bool add(molt_weak *weak)
{
    struct shard *shard = weak->shard;
    lock_acquire(&shard->lock);
    if (shard->count >= shard->bucket_count)
        grow(shard);
    bool has_room = shard->bucket_count != 0;
    if (has_room) {
        chain_push(bucket_of(shard, weak->object), weak);
        shard->count++;
    }
    lock_release(&shard->lock);
    return has_room;
}

molt_weak *molt_weak_new(void *object, void (*on_death)(molt_weak *, void *), void *arg)
{
    if (object == NULL) {
        errno = EINVAL;
        return NULL;
    }
    error_if_no_object("molt_weak_new", object);
    molt_weak *weak = molt_malloc(sizeof *weak);
    _Atomic uint32_t *word = weak != NULL ? count_word(object) : NULL;
    if (word != NULL) {
        *weak = (molt_weak){
            .object = object, .on_death = on_death, .arg = arg, .shard = shard_of(object)};
        if (add(weak)) {
            atomic_fetch_or_explicit(word, SHARED_WEAK, memory_order_relaxed);
            return weak;
        }
    }
    molt_free(weak);
    return malloc_no_memory();
}

void *molt_weak_get(molt_weak *weak)
{
    if (weak == NULL)
        return NULL;
    if (UNLIKELY(owner_self == NULL))
        owner_attach();
    lock_acquire(&weak->shard->lock);
    void *object = weak->object;
    if (object != NULL && !count_try_retain(object, count_word(object)))
        object = NULL;
    lock_release(&weak->shard->lock);
    return object;
}

void molt_weak_free(molt_weak *weak)
{
    if (weak == NULL)
        return;
    struct shard *shard = weak->shard;
    lock_acquire(&shard->lock);
    lock_acquire(&due_lock);
    chain_remove(weak);
    shard->count -= weak->object != NULL;
    lock_release(&due_lock);
    lock_release(&shard->lock);
    molt_free(weak);
}

size_t molt_weak_count(const void *object)
{
    if (object == NULL)
        return 0;
    struct shard *shard = shard_of(object);
    size_t count = 0;
    lock_acquire(&shard->lock);
    if (shard->bucket_count != 0)
        for (const molt_weak *weak = *bucket_of(shard, object); weak != NULL; weak = weak->next)
            count += weak->object == object;
    lock_release(&shard->lock);
    return count;
}

bool weak_has(const void *object)
{
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    return word != NULL && (atomic_load_explicit(word, memory_order_acquire) & SHARED_WEAK) != 0;
}

/* ---- Death ---- */

void weak_take(void *object, bool only_with_callback, molt_weak **due)
{
    struct shard *shard = shard_of(object);
    molt_weak *oldest_first = NULL, *next;
    lock_acquire(&shard->lock);
    lock_acquire(&due_lock);
    for (molt_weak *weak = shard->bucket_count != 0 ? *bucket_of(shard, object) : NULL;
         weak != NULL; weak = next) {
        next = weak->next;
        if (weak->object != object || (only_with_callback && weak->on_death == NULL))
            continue;
        chain_remove(weak);
        weak->object = NULL;
        shard->count--;
        if (weak->on_death != NULL)
            chain_push(&oldest_first, weak);
    }
    while (oldest_first != NULL) {
        molt_weak *weak = oldest_first;
        chain_remove(weak);
        if (due != NULL)
            chain_push(due, weak);
    }
    lock_release(&due_lock);
    lock_release(&shard->lock);
}

void weak_call(molt_weak **due)
{
    for (;;) {
        lock_acquire(&due_lock);
        molt_weak *weak = *due;
        if (weak != NULL)
            chain_remove(weak);
        lock_release(&due_lock);
        if (weak == NULL)
            return;
        weak->on_death(weak, weak->arg); /* may free it, or others of the chain */
    }
}

void weak_tell(void *object)
{
    molt_weak *due = NULL;
    weak_take(object, false, &due);
    weak_call(&due);
}

void weak_reset_in_child(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        lock_reset_in_child(&shards[i].lock);
    lock_reset_in_child(&due_lock);
}
