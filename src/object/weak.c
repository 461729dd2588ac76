/* weak.c: the table of weak references. */
#include "weak.h"

#include "attach.h"
#include "count.h"
#include "error.h"
#include "owner.h"

#include "alloc/malloc.h"
#include "base/lock.h"

#include <errno.h>

struct molt_weak {
    void *object;     /* NULL: the object is dead */
    molt_weak *next;  /* in the chain of the object's weak references, or of those that are due */
    molt_weak **from; /* where the link to this one is, while the object lives */
    void (*on_death)(molt_weak *weak, void *arg);
    void *arg;
    uint8_t shard;     /* number of its shard */
    bool is_due;       /* in a thread's chain of callbacks to be called */
    bool is_abandoned; /* freed by the program while it is due: weak_call frees it */
};

#define SHARDS 64u
#define PLACES_MIN 16u

/* Open addressing with linear probing: live <= taken < mask + 1. */
struct table {
    size_t mask;         /* places - 1 */
    size_t taken;        /* places that are not NULL */
    size_t live;         /* places with a chain */
    molt_weak *places[]; /* the chain of an object, newest first; NULL: never taken; GONE */
};

struct shard {
    struct lock lock;
    struct table *table; /* NULL until there is a weak reference */
} CACHE_ALIGNED;

static struct shard shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = LOCK_INIT(RANK_WEAK)}};

static molt_weak gone; /* its address marks a place whose chain is empty again */
#define GONE (&gone)

static uint64_t hash_of(const void *object)
{
    return (uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15);
}

static unsigned shard_number(const void *object)
{
    return (unsigned)(hash_of(object) >> 58);
}

static struct shard *shard_of(const molt_weak *weak)
{
    return &shards[weak->shard];
}

static size_t first_at(const struct table *table, const void *object)
{
    return (hash_of(object) >> 24) & table->mask;
}

/* ---- Places and chains, under the shard's lock. For a forked child each change is one store: of a
 * place, of a `next`, or of a shard's `table`; all else is derived again by weak_repair. ---- */

static bool is_chain(const molt_weak *in_place)
{
    return in_place != NULL && in_place != GONE;
}

/* The place of the object's chain, or NULL. */
static molt_weak **find_chain(struct table *table, const void *object)
{
    if (table == NULL)
        return NULL;
    for (size_t at = first_at(table, object); table->places[at] != NULL;
         at = (at + 1) & table->mask)
        if (table->places[at]->object == object)
            return &table->places[at];
    return NULL;
}

/* The first place without a chain where one of the object may hang. */
static molt_weak **free_place(struct table *table, const void *object)
{
    size_t at = first_at(table, object);
    while (is_chain(table->places[at]))
        at = (at + 1) & table->mask;
    return &table->places[at];
}

static void set_chain_link(molt_weak **from, molt_weak *weak)
{
    __atomic_store_n(from, weak, __ATOMIC_RELEASE);
    if (is_chain(weak))
        weak->from = from;
}

/* Adds the first weak reference of an object. */
static void add_chain(struct table *table, molt_weak *weak)
{
    molt_weak **place = free_place(table, weak->object);
    table->taken += *place == NULL;
    table->live++;
    set_chain_link(place, weak);
}

static bool is_table_place(const struct table *table, molt_weak *const *from)
{
    return from >= table->places && from <= table->places + table->mask;
}

static void take_out_weak(struct table *table, molt_weak *weak)
{
    bool is_last = weak->next == NULL && is_table_place(table, weak->from);
    set_chain_link(weak->from, is_last ? GONE : weak->next);
    table->live -= is_last;
}

/* ---- Growing ---- */

static struct table *make_table(size_t places)
{
    struct table *made = molt_calloc(1, sizeof *made + places * sizeof(molt_weak *));
    if (made != NULL)
        made->mask = places - 1;
    return made;
}

/* The chains hang in both tables until the old one is freed: `from` leads to the new one then. */
static void replace_table(struct shard *shard, struct table *made)
{
    struct table *old = shard->table;
    for (size_t i = 0; old != NULL && i <= old->mask; i++) {
        if (!is_chain(old->places[i]))
            continue;
        *free_place(made, old->places[i]->object) = old->places[i];
        made->taken++;
        made->live++;
    }
    __atomic_store_n(&shard->table, made, __ATOMIC_RELEASE);
    for (size_t i = 0; i <= made->mask; i++)
        if (made->places[i] != NULL)
            made->places[i]->from = &made->places[i];
    molt_free(old);
}

/* Makes room for one more chain: a table is at most three quarters full; fuller if there is no
 * memory for a larger one, as long as one place stays NULL. */
static bool make_room(struct shard *shard)
{
    struct table *table = shard->table;
    if (table != NULL && table->taken < (table->mask + 1) / 4 * 3)
        return true;
    size_t places = PLACES_MIN;
    while (table != NULL && places / 2 <= table->live)
        places *= 2;
    struct table *made = make_table(places);
    if (made != NULL)
        replace_table(shard, made);
    return made != NULL || (table != NULL && table->taken < table->mask);
}

/* ---- Making and asking ---- */

/* Adds a further weak reference of an object, in front of its chain. */
static void add_to_chain(molt_weak **place, molt_weak *weak)
{
    weak->next = *place;
    set_chain_link(place, weak);
    weak->next->from = &weak->next;
}

static bool add_weak(molt_weak *weak)
{
    struct shard *shard = shard_of(weak);
    lock_acquire(&shard->lock);
    molt_weak **place = find_chain(shard->table, weak->object);
    bool has_room = place != NULL || make_room(shard);
    if (place != NULL)
        add_to_chain(place, weak);
    else if (has_room)
        add_chain(shard->table, weak);
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
        *weak = (molt_weak){.object = object,
                            .on_death = on_death,
                            .arg = arg,
                            .shard = (uint8_t)shard_number(object)};
        /* First: the death of an object without this bit is told to no weak reference. */
        atomic_fetch_or_explicit(word, SHARED_WEAK, memory_order_relaxed);
        if (add_weak(weak))
            return weak;
    }
    molt_free(weak);
    return malloc_no_memory();
}

void *molt_weak_get(molt_weak *weak)
{
    if (weak == NULL)
        return NULL;
    if (UNLIKELY(owner_must_not_count()))
        error_weak_get();
    if (UNLIKELY(owner_self == NULL))
        attach_thread();
    struct shard *shard = shard_of(weak);
    lock_acquire(&shard->lock);
    void *object = weak->object;
    if (object != NULL && !count_try_retain(object, count_word(object)))
        object = NULL;
    lock_release(&shard->lock);
    return object;
}

void molt_weak_free(molt_weak *weak)
{
    if (weak == NULL)
        return;
    struct shard *shard = shard_of(weak);
    lock_acquire(&shard->lock);
    bool is_due = weak->is_due;
    if (is_due)
        weak->is_abandoned = true;
    else if (weak->object != NULL)
        take_out_weak(shard->table, weak);
    lock_release(&shard->lock);
    if (!is_due)
        molt_free(weak);
}

size_t molt_weak_count(const void *object)
{
    if (object == NULL)
        return 0;
    struct shard *shard = &shards[shard_number(object)];
    size_t count = 0;
    lock_acquire(&shard->lock);
    molt_weak **place = find_chain(shard->table, object);
    for (const molt_weak *weak = place != NULL ? *place : NULL; weak != NULL; weak = weak->next)
        count++;
    lock_release(&shard->lock);
    return count;
}

bool weak_has(const void *object)
{
    _Atomic uint32_t *word = count_word_if_any(object, header_of(object));
    return word != NULL && (atomic_load_explicit(word, memory_order_acquire) & SHARED_WEAK) != 0;
}

/* ---- Death ---- */

/* The weak reference gives NULL, and then leaves the table. A forked child, which may see it
 * between the two, takes out those that give NULL (repair_chain). */
static void weak_die(struct table *table, molt_weak *weak)
{
    __atomic_store_n(&weak->object, NULL, __ATOMIC_RELEASE);
    take_out_weak(table, weak);
}

/* Those of this object join the chain in front of those that are due already, newest first. */
void weak_take(void *object, bool only_with_callback, molt_weak **due)
{
    struct shard *shard = &shards[shard_number(object)];
    molt_weak *others = due != NULL ? *due : NULL, **last = due, *next;
    lock_acquire(&shard->lock);
    molt_weak **place = find_chain(shard->table, object);
    for (molt_weak *weak = place != NULL ? *place : NULL; weak != NULL; weak = next) {
        next = weak->next;
        if (only_with_callback && weak->on_death == NULL)
            continue;
        weak_die(shard->table, weak);
        if (due == NULL || weak->on_death == NULL)
            continue;
        weak->is_due = true;
        *last = weak;
        last = &weak->next;
    }
    if (last != NULL)
        *last = others;
    lock_release(&shard->lock);
}

/* Takes the first one off the chain. False: the program has freed it meanwhile. */
static bool take_first(molt_weak **due, molt_weak *weak)
{
    struct shard *shard = shard_of(weak);
    lock_acquire(&shard->lock);
    *due = weak->next;
    bool is_abandoned = weak->is_abandoned;
    weak->is_due = false;
    lock_release(&shard->lock);
    if (is_abandoned)
        molt_free(weak);
    return !is_abandoned;
}

void weak_call(molt_weak **due)
{
    molt_weak *weak;
    while ((weak = *due) != NULL)
        if (take_first(due, weak))
            weak->on_death(weak, weak->arg); /* may free it, or others of the chain */
}

void weak_tell(void *object)
{
    molt_weak *due = NULL;
    weak_take(object, false, &due);
    weak_call(&due);
}

/* ---- Repair ---- */

/* Derives the links back from those forward, and takes out those whose object is dead. */
static void repair_chain(struct table *table, molt_weak **place)
{
    molt_weak *next;
    place[0]->from = place;
    for (molt_weak *weak = *place; weak != NULL; weak = next) {
        next = weak->next;
        if (next != NULL)
            next->from = &weak->next;
        if (weak->object == NULL)
            take_out_weak(table, weak);
    }
}

static void repair_table(struct table *table)
{
    table->taken = table->live = 0;
    for (size_t i = 0; i <= table->mask; i++) {
        table->taken += table->places[i] != NULL;
        table->live += is_chain(table->places[i]);
    }
    for (size_t i = 0; i <= table->mask; i++)
        if (is_chain(table->places[i]))
            repair_chain(table, &table->places[i]);
}

void weak_repair(void)
{
    for (struct shard *shard = shards; shard < shards + SHARDS; shard++) {
        if (lock_is_left(&shard->lock) && shard->table != NULL)
            repair_table(shard->table);
        lock_free_left(&shard->lock);
    }
}
