/* huge.c: the table of huge blocks and the cache of their mappings. */
#include "huge.h"

#include "footprint.h"

#include "base/options.h"
#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

struct lock huge_lock = LOCK_INIT(RANK_HUGE);
struct huge_totals huge_totals;

/* ---- The table: open addressing, linear probing; freed entries keep probes going ---- */

struct entry {
    uintptr_t address; /* 0: empty; with FREED in it: was freed; written last */
    size_t bytes;
};

#define FREED ((uintptr_t)1)

struct table {
    size_t capacity; /* entries, a power of two */
    size_t filled;   /* entries that are not empty, freed ones included */
    struct entry entries[];
};

static struct table *table;

static size_t table_bytes(size_t capacity)
{
    return os_round_to_pages(sizeof(struct table) + capacity * sizeof(struct entry));
}

static size_t hash(uintptr_t address)
{
    return (size_t)((address >> os_page_shift) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static bool is_live(const struct entry *entry)
{
    return entry->address != 0 && (entry->address & FREED) == 0;
}

/* The entry of a block at p, or of one that was there (`freed`); NULL if there is none. */
static struct entry *find(const void *p, uintptr_t freed)
{
    uintptr_t address = (uintptr_t)p | freed;
    if (table == NULL || p == NULL || (uintptr_t)p % os_page_bytes() != 0)
        return NULL;
    for (size_t i = hash((uintptr_t)p);; i++) {
        struct entry *entry = &table->entries[i & (table->capacity - 1)];
        if (entry->address == address)
            return entry;
        if (entry->address == 0)
            return NULL;
    }
}

/* There must be room. */
static void insert(struct table *into, uintptr_t address, size_t bytes)
{
    size_t i = hash(address);
    while (is_live(&into->entries[i & (into->capacity - 1)]))
        i++;
    struct entry *entry = &into->entries[i & (into->capacity - 1)];
    into->filled += entry->address == 0;
    entry->bytes = bytes;
    __atomic_store_n(&entry->address, address, __ATOMIC_RELEASE);
}

static void replace_table(struct table *bigger)
{
    struct table *old = table;
    for (size_t i = 0; old != NULL && i < old->capacity; i++)
        if (is_live(&old->entries[i]))
            insert(bigger, old->entries[i].address, old->entries[i].bytes);
    __atomic_store_n(&table, bigger, __ATOMIC_RELEASE);
    huge_totals.table_bytes = table_bytes(bigger->capacity);
    if (old != NULL)
        os_unmap(old, table_bytes(old->capacity));
}

/* Makes room for one more entry: at least half of the table stays empty. */
static bool make_room(void)
{
    if (table != NULL && (table->filled + 1) * 2 <= table->capacity)
        return true;
    size_t capacity = 128;
    while (capacity < (huge_totals.blocks + 1) * 4)
        capacity *= 2;
    struct table *bigger = os_map(table_bytes(capacity));
    if (bigger == NULL)
        return false;
    bigger->capacity = capacity;
    replace_table(bigger);
    return true;
}

static void add_block(uintptr_t address, size_t bytes)
{
    insert(table, address, bytes);
    huge_totals.bytes += bytes;
    huge_totals.blocks++;
}

static void remove_block(struct entry *entry)
{
    huge_totals.bytes -= entry->bytes;
    huge_totals.blocks--;
    __atomic_store_n(&entry->address, entry->address | FREED, __ATOMIC_RELEASE);
}

/* ---- The cache ---- */

struct cached {
    void *address; /* NULL: an empty place */
    size_t bytes;
    uint64_t since_ms;
};

static struct cached cache[HUGE_CACHE_SLOTS];

/* Gives a mapping back. Too many mappings make munmap fail where it would split one: then at least
 * the pages go. */
static bool give_back(void *address, size_t bytes)
{
    bool gone = os_unmap(address, bytes) || os_purge(address, bytes);
    if (gone) {
        huge_totals.purged_bytes += bytes;
        footprint_shrink(bytes);
    }
    return gone;
}

static bool drop(struct cached *cached)
{
    if (!give_back(cached->address, cached->bytes))
        return false;
    huge_totals.cached_bytes -= cached->bytes;
    cached->address = NULL;
    return true;
}

/* The mapping that has been kept longest, or an empty place. */
static struct cached *oldest(void)
{
    struct cached *oldest = &cache[0];
    for (struct cached *c = cache + 1; c < cache + HUGE_CACHE_SLOTS; c++)
        if (c->address != NULL && (oldest->address == NULL || c->since_ms < oldest->since_ms))
            oldest = c;
    return oldest;
}

static struct cached *empty_place(void)
{
    for (struct cached *c = cache; c < cache + HUGE_CACHE_SLOTS; c++)
        if (c->address == NULL)
            return c;
    return NULL;
}

/* Keeps a mapping, at the cost of the oldest ones; one above the whole budget goes at once. */
static void keep(void *address, size_t bytes)
{
    bool fits = bytes <= options.huge_cache;
    while (fits && (empty_place() == NULL || huge_totals.cached_bytes + bytes > options.huge_cache))
        fits = drop(oldest());
    if (!fits) {
        give_back(address, bytes);
        return;
    }
    *empty_place() = (struct cached){address, bytes, os_now_ms()};
    huge_totals.cached_bytes += bytes;
}

static void note_resized(size_t from, size_t to)
{
    if (to > from)
        footprint_grow(to - from);
    else
        footprint_shrink(from - to);
}

/* The cached mapping nearest in size, resized to `bytes`; NULL if there is none. `*carried` becomes
 * the bytes that may not be zero. */
static void *take_cached(size_t bytes, size_t *carried)
{
    struct cached *best = NULL;
    size_t best_difference = SIZE_MAX;
    for (struct cached *c = cache; c < cache + HUGE_CACHE_SLOTS; c++) {
        size_t difference = c->bytes > bytes ? c->bytes - bytes : bytes - c->bytes;
        if (c->address != NULL && difference < best_difference) {
            best = c;
            best_difference = difference;
        }
    }
    if (best == NULL)
        return NULL;
    void *address = best->address;
    if (best->bytes != bytes)
        address = os_remap(best->address, best->bytes, bytes);
    if (address == NULL)
        return NULL;
    *carried = best->bytes < bytes ? best->bytes : bytes;
    note_resized(best->bytes, bytes);
    huge_totals.cached_bytes -= best->bytes;
    best->address = NULL;
    return address;
}

/* ---- Mappings ---- */

/* A fresh mapping at a multiple of the alignment: maps more and gives the ends back. */
static void *map_aligned(size_t bytes, size_t alignment)
{
    size_t slack = alignment - os_page_bytes();
    char *start = bytes + slack < bytes ? NULL : os_map(bytes + slack);
    if (start == NULL || slack == 0)
        return start;
    char *aligned = (char *)(((uintptr_t)start + alignment - 1) & ~(alignment - 1));
    size_t before = (size_t)(aligned - start), behind = slack - before;
    if (before > 0)
        os_unmap(start, before);
    if (behind > 0)
        os_unmap(aligned + bytes, behind);
    return aligned;
}

/* Memory that was carried over from another block: above this many bytes it is cheaper to let the
 * kernel zero it when touched. */
#define ZERO_BY_HAND_MAX ((size_t)4 << 20)

static void zero_carried(void *address, size_t carried)
{
    if (carried <= ZERO_BY_HAND_MAX || !os_purge(address, carried))
        memset(address, 0, carried);
}

/* A large block is mostly written from end to end, and faults in faster by huge pages. One of
 * calloc may stay untouched for the most part: it is left to the system's setting, or kept free of
 * them if the mapping's last block asked for them. */
static void advise_huge_pages(void *p, size_t bytes, bool zero, bool carried)
{
    if (bytes < HUGE_PAGE_BLOCK_MIN || !options.thp)
        return;
    if (!zero)
        os_allow_huge_pages(p, bytes);
    else if (carried)
        os_forbid_huge_pages(p, bytes);
}

void *huge_alloc(size_t size, size_t alignment, bool zero)
{
    size_t bytes = os_round_to_pages(size == 0 ? 1 : size);
    if (bytes < size)
        return NULL;
    if (alignment < os_page_bytes())
        alignment = os_page_bytes();
    lock_acquire(&huge_lock);
    size_t carried = 0;
    void *p = NULL;
    if (make_room()) {
        if (alignment == os_page_bytes())
            p = take_cached(bytes, &carried);
        if (p == NULL && (p = map_aligned(bytes, alignment)) != NULL)
            footprint_grow(bytes);
        if (p != NULL)
            add_block((uintptr_t)p, bytes);
    }
    lock_release(&huge_lock);
    if (p == NULL)
        return NULL;
    advise_huge_pages(p, bytes, zero, carried > 0);
    if (zero && carried > 0)
        zero_carried(p, carried);
    return p;
}

size_t huge_bytes(const void *p)
{
    bool is_mine = lock_is_mine(&huge_lock); /* a signal handler: the table is whole all the same */
    if (!is_mine)
        lock_acquire(&huge_lock);
    const struct entry *entry = find(p, 0);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    if (!is_mine)
        lock_release(&huge_lock);
    return bytes;
}

size_t huge_free(void *p)
{
    lock_acquire(&huge_lock);
    struct entry *entry = find(p, 0);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    if (entry != NULL) {
        remove_block(entry);
        keep(p, bytes);
    }
    lock_release(&huge_lock);
    return bytes;
}

/* The entry is marked freed while the mapping moves: a forked child that sees it half-way loses the
 * block, but holds no entry for an address that is no block. */
void *huge_resize(void *p, size_t size)
{
    size_t bytes = os_round_to_pages(size);
    if (bytes < size)
        return NULL;
    void *moved = NULL;
    lock_acquire(&huge_lock);
    struct entry *entry = find(p, 0);
    if (entry != NULL && entry->bytes == bytes) {
        moved = p;
    } else if (make_room() && (entry = find(p, 0)) != NULL) {
        size_t old_bytes = entry->bytes;
        remove_block(entry);
        moved = os_remap(p, old_bytes, bytes);
        if (moved != NULL)
            note_resized(old_bytes, bytes);
        add_block((uintptr_t)(moved != NULL ? moved : p), moved != NULL ? bytes : old_bytes);
    }
    lock_release(&huge_lock);
    return moved;
}

void huge_repair(void)
{
    memset(cache, 0, sizeof cache); /* one may be unmapped or moved already */
    huge_totals.cached_bytes = huge_totals.bytes = huge_totals.blocks = 0;
    for (size_t i = 0; table != NULL && i < table->capacity; i++) {
        if (!is_live(&table->entries[i]))
            continue;
        huge_totals.bytes += table->entries[i].bytes;
        huge_totals.blocks++;
    }
}

uintptr_t huge_find(const void *p, size_t *bytes)
{
    uintptr_t start = 0;
    lock_acquire(&huge_lock);
    for (size_t i = 0; table != NULL && i < table->capacity; i++) {
        const struct entry *entry = &table->entries[i];
        if (is_live(entry) && (uintptr_t)p - entry->address < entry->bytes) {
            start = entry->address;
            *bytes = entry->bytes;
        }
    }
    lock_release(&huge_lock);
    return start;
}

size_t huge_freed_bytes(const void *p)
{
    lock_acquire(&huge_lock);
    const struct entry *entry = find(p, FREED);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    lock_release(&huge_lock);
    return bytes;
}

/* Whether there is something to drop, and the lock with it. */
static bool enter_cache(void)
{
    return __atomic_load_n(&huge_totals.cached_bytes, __ATOMIC_RELAXED) > 0 && lock_try(&huge_lock);
}

void huge_tick(uint64_t now_ms)
{
    if (!enter_cache())
        return;
    for (struct cached *c = cache; c < cache + HUGE_CACHE_SLOTS; c++)
        if (c->address != NULL && now_ms - c->since_ms >= options.decay)
            drop(c);
    lock_release(&huge_lock);
}

void huge_drop_oldest(size_t bytes)
{
    if (bytes == 0 || !enter_cache())
        return;
    size_t before = huge_totals.cached_bytes;
    while (huge_totals.cached_bytes > 0 && before - huge_totals.cached_bytes < bytes)
        if (!drop(oldest()))
            break;
    lock_release(&huge_lock);
}

size_t huge_purge_all(void)
{
    lock_acquire(&huge_lock);
    size_t before = huge_totals.cached_bytes;
    for (struct cached *c = cache; c < cache + HUGE_CACHE_SLOTS; c++)
        if (c->address != NULL)
            drop(c);
    size_t returned = before - huge_totals.cached_bytes;
    lock_release(&huge_lock);
    return returned;
}
