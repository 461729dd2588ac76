/* live.c: the tables. */
#include "live.h"

#include "memory.h" // profile_memory_take

#include <stdatomic.h>

enum {
    BUCKETS_FIRST = 512,
    GROWTH_BITS = 2,
    REGION_BITS = 6,
    BUCKET_SLOTS = 8,
};

/* In place of a block's address; and a bit in it: the record is set aside. */
enum { FREE = 0, TAKEN = 1, ASIDE = 2 };

struct slot {
    _Atomic(size_t) size, bytes;
    _Atomic(struct site *) site;
    _Atomic(uint64_t) at_ns;
    _Atomic(uint32_t) thread, number, home;
    _Atomic(uint32_t) version; /* records that the slot has had */
};

struct bucket {
    _Atomic(uintptr_t) blocks[BUCKET_SLOTS];
    struct slot slots[BUCKET_SLOTS];
};

typedef _Atomic(struct bucket *) bucket_place;

static size_t buckets_of(unsigned table)
{
    return (size_t)BUCKETS_FIRST << GROWTH_BITS * table;
}

/* ---- Buckets ---- */

static bucket_place *places_of(struct live_set *set, unsigned table)
{
    return atomic_load_explicit(&set->tables[table], memory_order_acquire);
}

/* If another thread makes the same table, one of the two is lost. */
static bucket_place *make_places(struct live_set *set, unsigned table)
{
    bucket_place *made = profile_memory_take(buckets_of(table) * sizeof *made), *there = NULL;
    if (made == NULL ||
        atomic_compare_exchange_strong_explicit(&set->tables[table], &there, made,
                                                memory_order_acq_rel, memory_order_acquire))
        return made;
    return there;
}

/* The same of a bucket. */
static struct bucket *make_bucket(bucket_place *place)
{
    struct bucket *made = profile_memory_take(sizeof *made), *there = NULL;
    if (made == NULL || atomic_compare_exchange_strong_explicit(
                            place, &there, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    return there;
}

/* Neighbours in 64 bytes share a bucket, and so its cache lines. The finaliser of MurmurHash3: so a
 * table may take any of its bits. */
static uint64_t hash_of(const void *block)
{
    uint64_t hash = (uintptr_t)block >> REGION_BITS;
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* Where the block's bucket in a table is, by bits that are turned: blocks that share one in a
 * table hardly share one in the next. */
static bucket_place *place_of(bucket_place *places, unsigned table, uint64_t hash)
{
    unsigned turned = table * 9;
    uint64_t bits = hash >> turned | hash << (64 - turned) % 64;
    return &places[bits & (buckets_of(table) - 1)];
}

static struct bucket *bucket_at(const bucket_place *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

/* The block's bucket, with memory behind it; NULL: there is none. */
static struct bucket *bucket_ready(struct live_set *set, unsigned table, uint64_t hash)
{
    bucket_place *places = places_of(set, table);
    if (places == NULL && (places = make_places(set, table)) == NULL)
        return NULL;
    bucket_place *place = place_of(places, table, hash);
    struct bucket *bucket = bucket_at(place);
    return bucket != NULL ? bucket : make_bucket(place);
}

/* ---- Slots ---- */

/* The index of a slot with that block; BUCKET_SLOTS: there is none. */
static unsigned bucket_search(struct bucket *bucket, uintptr_t block)
{
    unsigned i = 0;
    while (i < BUCKET_SLOTS &&
           atomic_load_explicit(&bucket->blocks[i], memory_order_acquire) != block)
        i++;
    return i;
}

/* Takes a free slot; BUCKET_SLOTS: there is none. */
static unsigned bucket_take(struct bucket *bucket)
{
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uintptr_t found = atomic_load_explicit(&bucket->blocks[i], memory_order_relaxed);
        if (found == FREE &&
            atomic_compare_exchange_strong_explicit(&bucket->blocks[i], &found, TAKEN,
                                                    memory_order_acquire, memory_order_relaxed))
            return i;
    }
    return BUCKET_SLOTS;
}

/* Stores release and loads acquire: who has read a field of the new record sees the new version,
 * too.
 */
static void slot_write(struct slot *slot, const struct record *record)
{
    uint32_t version = atomic_load_explicit(&slot->version, memory_order_relaxed);
    atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
    atomic_store_explicit(&slot->size, record->size, memory_order_release);
    atomic_store_explicit(&slot->bytes, record->bytes, memory_order_release);
    atomic_store_explicit(&slot->site, record->site, memory_order_release);
    atomic_store_explicit(&slot->at_ns, record->at_ns, memory_order_release);
    atomic_store_explicit(&slot->thread, record->thread, memory_order_release);
    atomic_store_explicit(&slot->number, record->number, memory_order_release);
    atomic_store_explicit(&slot->home, record->home, memory_order_release);
}

static void slot_read(struct slot *slot, struct record *record)
{
    record->size = atomic_load_explicit(&slot->size, memory_order_acquire);
    record->bytes = atomic_load_explicit(&slot->bytes, memory_order_acquire);
    record->site = atomic_load_explicit(&slot->site, memory_order_acquire);
    record->at_ns = atomic_load_explicit(&slot->at_ns, memory_order_acquire);
    record->thread = atomic_load_explicit(&slot->thread, memory_order_acquire);
    record->number = atomic_load_explicit(&slot->number, memory_order_acquire);
    record->home = atomic_load_explicit(&slot->home, memory_order_acquire);
}

/* Copies the slot's record. False: it has none, or has become another one meanwhile. */
static bool bucket_read(struct bucket *bucket, unsigned i, struct record *record)
{
    uintptr_t block = atomic_load_explicit(&bucket->blocks[i], memory_order_acquire);
    if (block == FREE || block == TAKEN)
        return false;
    uint32_t version = atomic_load_explicit(&bucket->slots[i].version, memory_order_acquire);
    record->block = (void *)(block & ~(uintptr_t)ASIDE);
    record->place = &bucket->blocks[i];
    slot_read(&bucket->slots[i], record);
    return atomic_load_explicit(&bucket->blocks[i], memory_order_relaxed) == block &&
           atomic_load_explicit(&bucket->slots[i].version, memory_order_relaxed) == version;
}

/* The block's bucket and its slot there, which has the block's address and these bits; NULL: it has
 * no such record. */
static struct bucket *find(struct live_set *set, const void *block, uintptr_t bits, unsigned *slot)
{
    uint64_t hash = hash_of(block);
    uintptr_t wanted = (uintptr_t)block | bits;
    bucket_place *places;
    for (unsigned table = 0; table < LIVE_TABLES && (places = places_of(set, table)) != NULL;
         table++) {
        struct bucket *bucket = bucket_at(place_of(places, table, hash));
        if (bucket != NULL && (*slot = bucket_search(bucket, wanted)) < BUCKET_SLOTS)
            return bucket;
    }
    return NULL;
}

/* ---- Records ---- */

/* Where there is no memory for a bucket of a table that others use, the next ones may have room. */
bool live_add(struct live_set *set, const struct record *record)
{
    uint64_t hash = hash_of(record->block);
    for (unsigned table = 0; table < LIVE_TABLES; table++) {
        struct bucket *bucket = bucket_ready(set, table, hash);
        unsigned i = bucket != NULL ? bucket_take(bucket) : BUCKET_SLOTS;
        if (i < BUCKET_SLOTS) {
            slot_write(&bucket->slots[i], record);
            atomic_store_explicit(&bucket->blocks[i], (uintptr_t)record->block,
                                  memory_order_release);
            return true;
        }
        if (places_of(set, table) == NULL)
            return false;
    }
    return false;
}

bool live_find(struct live_set *set, void *block, struct record *record)
{
    unsigned i;
    struct bucket *bucket = find(set, block, 0, &i);
    return bucket != NULL && bucket_read(bucket, i, record);
}

static bool change(_Atomic(uintptr_t) *place, uintptr_t from, uintptr_t to)
{
    return atomic_compare_exchange_strong_explicit(place, &from, to, memory_order_release,
                                                   memory_order_relaxed);
}

bool live_remove(const struct record *record)
{
    return change(record->place, (uintptr_t)record->block, FREE);
}

bool live_set_aside(struct live_set *set, void *block)
{
    unsigned i;
    struct bucket *bucket = find(set, block, 0, &i);
    return bucket != NULL && change(&bucket->blocks[i], (uintptr_t)block, (uintptr_t)block | ASIDE);
}

bool live_put_back(struct live_set *set, void *block)
{
    unsigned i;
    struct bucket *bucket = find(set, block, ASIDE, &i);
    return bucket != NULL && change(&bucket->blocks[i], (uintptr_t)block | ASIDE, (uintptr_t)block);
}

bool live_find_aside(struct live_set *set, void *block, struct record *record)
{
    unsigned i;
    struct bucket *bucket = find(set, block, ASIDE, &i);
    return bucket != NULL && bucket_read(bucket, i, record);
}

bool live_remove_aside(const struct record *record)
{
    return change(record->place, (uintptr_t)record->block | ASIDE, FREE);
}

void live_resize(struct live_set *set, void *block, size_t size)
{
    unsigned i;
    struct bucket *bucket = find(set, block, 0, &i);
    if (bucket != NULL)
        atomic_store_explicit(&bucket->slots[i].size, size, memory_order_release);
}

/* Calls `visit` for each bucket that has memory behind it, until it returns false. */
static void each_bucket(struct live_set *set, bool (*visit)(struct bucket *bucket, void *context),
                        void *context)
{
    bucket_place *places;
    for (unsigned table = 0; table < LIVE_TABLES && (places = places_of(set, table)) != NULL;
         table++)
        for (size_t i = 0; i < buckets_of(table); i++) {
            struct bucket *bucket = bucket_at(&places[i]);
            if (bucket != NULL && !visit(bucket, context))
                return;
        }
}

struct visitor {
    bool (*visit)(const struct record *record, void *context);
    void *context;
};

static bool visit_records(struct bucket *bucket, void *context)
{
    const struct visitor *visitor = context;
    struct record record;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        if (bucket_read(bucket, i, &record) && !visitor->visit(&record, visitor->context))
            return false;
    return true;
}

void live_each(struct live_set *set, bool (*visit)(const struct record *record, void *context),
               void *context)
{
    struct visitor visitor = {.visit = visit, .context = context};
    each_bucket(set, visit_records, &visitor);
}

static bool clear_bucket(struct bucket *bucket, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uintptr_t block = atomic_load_explicit(&bucket->blocks[i], memory_order_relaxed);
        if (block != TAKEN)
            atomic_compare_exchange_strong_explicit(&bucket->blocks[i], &block, FREE,
                                                    memory_order_release, memory_order_relaxed);
    }
    return true;
}

void live_clear(struct live_set *set)
{
    each_bucket(set, clear_bucket, NULL);
}
