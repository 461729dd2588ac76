/* huge.c: the table of huge blocks. */
#include "huge.h"

#include "span.h"
#include "span_cache.h"

#include "base/options.h"
#include "base/tunables.h"
#include "os/os.h"

#include <string.h>

struct lock huge_lock = LOCK_INIT(RANK_HUGE);
struct huge_totals huge_totals;

/* ---- The table: open addressing, linear probing; freed entries keep probes going ---- */

struct entry {
    uintptr_t address; /* 0: empty; with FREED in it: the block was freed. Written last */
    size_t bytes;
    size_t span_bytes; /* the span's: written after it has grown, before it shrinks */
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

static size_t hash_address(uintptr_t address)
{
    return (size_t)((address >> os_page_shift) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static bool is_live_entry(const struct entry *entry)
{
    return entry->address != 0 && (entry->address & FREED) == 0;
}

/* The entry of the block at p; with `freed` (FREED), that of a freed block at p. NULL if there is
 * none. */
static struct entry *find_entry(const void *p, uintptr_t freed)
{
    uintptr_t address = (uintptr_t)p | freed;
    if (table == NULL || p == NULL || (uintptr_t)p % os_page_bytes() != 0)
        return NULL;
    for (size_t i = hash_address((uintptr_t)p);; i++) {
        struct entry *entry = &table->entries[i & (table->capacity - 1)];
        if (entry->address == address)
            return entry;
        if (entry->address == 0)
            return NULL;
    }
}

/* The table must have room. */
static void insert_entry(struct table *into, uintptr_t address, size_t bytes, size_t span_bytes)
{
    size_t i = hash_address(address);
    while (is_live_entry(&into->entries[i & (into->capacity - 1)]))
        i++;
    struct entry *entry = &into->entries[i & (into->capacity - 1)];
    into->filled += entry->address == 0;
    entry->bytes = bytes;
    entry->span_bytes = span_bytes;
    __atomic_store_n(&entry->address, address, __ATOMIC_RELEASE);
}

static void replace_huge_table(struct table *bigger)
{
    struct table *old = table;
    for (size_t i = 0; old != NULL && i < old->capacity; i++)
        if (is_live_entry(&old->entries[i]))
            insert_entry(bigger, old->entries[i].address, old->entries[i].bytes,
                         old->entries[i].span_bytes);
    __atomic_store_n(&table, bigger, __ATOMIC_RELEASE);
    huge_totals.table_bytes = table_bytes(bigger->capacity);
    if (old != NULL)
        os_unmap(old, table_bytes(old->capacity));
}

/* Makes room for one more entry: at least half of the table stays empty. */
static bool make_table_room(void)
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
    replace_huge_table(bigger);
    return true;
}

static void add_block(const struct span *span, size_t bytes)
{
    insert_entry(table, (uintptr_t)span->start, bytes, span->bytes);
    huge_totals.bytes += bytes;
    huge_totals.blocks++;
}

static void remove_block(struct entry *entry)
{
    huge_totals.bytes -= entry->bytes;
    huge_totals.blocks--;
    __atomic_store_n(&entry->address, entry->address | FREED, __ATOMIC_RELEASE);
}

/* ---- Blocks ---- */

/* Memory that comes from another block and must be zero: above this many bytes it is cheaper to
 * give it back, and have the kernel zero each page that is touched. */
#define ZERO_BY_HAND_MAX ((size_t)4 << 20)

static void zero_carried(void *address, size_t carried)
{
    if (carried <= ZERO_BY_HAND_MAX || !os_purge(address, carried))
        memset(address, 0, carried);
}

/* Asks for THPs for a large block, which is mostly written from end to end. calloc's block may stay
 * untouched for the most part: so it asks for none, and forbids them where the span's last block
 * has asked. */
static void advise_thp(const struct span *span, bool zero)
{
    if (span->bytes < THP_HUGE_MIN || !options.thp)
        return;
    if (!zero)
        os_allow_thp(span->start, span->bytes);
    else if (span->carried > 0)
        os_forbid_thp(span->start, span->bytes);
}

/* Asks for THPs for a block that grows, and is written as it grows. The last THP is filled in
 * advance then: so only if that is at most an eighth of the block, or if the block grows by such
 * small steps that its span ends with that THP in any case. */
static void advise_growing(const struct span *span, size_t step)
{
    bool is_large = span->bytes >= SPAN_SLACK_PARTS * THP_BYTES;
    bool has_small_steps = step <= span->bytes / SPAN_SLACK_PARTS;
    if (options.thp && span->bytes >= THP_BYTES && (is_large || has_small_steps))
        os_allow_thp(span->start, span->bytes);
}

/* The block's bytes for a size: whole pages. 0: there cannot be so many. */
static size_t block_bytes(size_t size)
{
    return size > PTRDIFF_MAX ? 0 : os_round_to_pages(size == 0 ? 1 : size);
}

void *huge_alloc(size_t size, size_t alignment, bool zero)
{
    size_t bytes = block_bytes(size);
    struct span span = {0};
    if (alignment < os_page_bytes())
        alignment = os_page_bytes();
    lock_acquire(&huge_lock);
    if (bytes != 0 && make_table_room())
        span = zero ? span_take_zeroed(bytes, alignment) : span_take(bytes, alignment);
    if (span.start != NULL)
        add_block(&span, bytes);
    lock_release(&huge_lock);
    if (span.start == NULL)
        return NULL;
    advise_thp(&span, zero);
    if (zero && span.carried > 0)
        zero_carried(span.start, span.carried);
    return span.start;
}

void *huge_alloc_to_grow(size_t size)
{
    size_t bytes = block_bytes(size);
    struct span span = {0};
    lock_acquire(&huge_lock);
    if (bytes != 0 && make_table_room())
        span = span_take_to_grow(bytes);
    if (span.start != NULL)
        add_block(&span, bytes);
    lock_release(&huge_lock);
    if (span.start != NULL)
        advise_growing(&span, bytes);
    return span.start;
}

size_t huge_bytes(const void *p)
{
    bool is_mine = lock_is_mine(&huge_lock); /* a signal handler: the table is always whole */
    if (!is_mine)
        lock_acquire(&huge_lock);
    const struct entry *entry = find_entry(p, 0);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    if (!is_mine)
        lock_release(&huge_lock);
    return bytes;
}

size_t huge_free(void *p)
{
    lock_acquire(&huge_lock);
    struct entry *entry = find_entry(p, 0);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    if (entry != NULL) {
        remove_block(entry);
        span_cache_keep(p, entry->span_bytes);
    }
    lock_release(&huge_lock);
    return bytes;
}

static void set_bytes(struct entry *entry, size_t bytes)
{
    huge_totals.bytes += bytes - entry->bytes;
    __atomic_store_n(&entry->bytes, bytes, __ATOMIC_RELAXED);
}

static void set_span_bytes(struct entry *entry, size_t bytes)
{
    __atomic_store_n(&entry->span_bytes, bytes, __ATOMIC_RELEASE);
}

static struct span span_of(const struct entry *entry)
{
    return (struct span){(char *)entry->address, entry->span_bytes, entry->span_bytes};
}

static void shrink_entry(struct entry *entry, size_t bytes)
{
    struct span span = span_of(entry);
    size_t needed = span_needed(&span, bytes);
    set_bytes(entry, bytes);
    if (needed == span.bytes)
        return;
    set_span_bytes(entry, needed);
    set_span_bytes(entry, span_trim(&span, needed));
}

static bool grow_in_place(struct entry *entry, size_t bytes)
{
    if (bytes > entry->span_bytes) {
        struct span span = span_of(entry);
        set_span_bytes(entry, span_extend(&span, bytes));
    }
    if (bytes > entry->span_bytes)
        return false;
    set_bytes(entry, bytes);
    return true;
}

/* Moves the block's span. The entry is marked freed meanwhile: a forked child that finds the move
 * half done has lost the block, but has no entry for an address where none is. */
static struct span move_entry(struct entry *entry, size_t bytes)
{
    struct span span = span_of(entry);
    size_t old_bytes = entry->bytes;
    remove_block(entry);
    struct span moved = span_move(&span, bytes);
    if (moved.start != NULL)
        add_block(&moved, bytes);
    else
        add_block(&span, old_bytes);
    return moved;
}

/* The block's span once it has `bytes`; its start is NULL if it cannot. */
static struct span resize_entry(struct entry *entry, size_t bytes)
{
    void *p = (void *)entry->address;
    if (bytes < entry->bytes)
        shrink_entry(entry, bytes);
    else if (bytes > entry->bytes && !grow_in_place(entry, bytes))
        return make_table_room() ? move_entry(find_entry(p, 0), bytes) : (struct span){0};
    return span_of(entry);
}

void *huge_resize(void *p, size_t size)
{
    size_t bytes = block_bytes(size), old_bytes = 0, old_span_bytes = 0;
    struct span span = {0};
    lock_acquire(&huge_lock);
    struct entry *entry = bytes != 0 ? find_entry(p, 0) : NULL;
    if (entry != NULL) {
        old_bytes = entry->bytes;
        old_span_bytes = entry->span_bytes;
        span = resize_entry(entry, bytes);
    }
    lock_release(&huge_lock);
    if (span.start != NULL && span.bytes > old_span_bytes)
        advise_growing(&span, bytes - old_bytes);
    return span.start;
}

void huge_each_span(void (*visit)(const char *start, size_t bytes, size_t span_bytes,
                                  void *context),
                    void *context)
{
    for (size_t i = 0; table != NULL && i < table->capacity; i++) {
        const struct entry *entry = &table->entries[i];
        if (is_live_entry(entry))
            visit((const char *)entry->address, entry->bytes, entry->span_bytes, context);
    }
    for (size_t bytes, i = 0; i < SPAN_PIECES; i++) {
        const char *start = span_cache_piece(i, &bytes);
        if (start != NULL)
            visit(start, 0, bytes, context);
    }
}

const void *huge_table(void)
{
    return table;
}

void huge_repair(void)
{
    span_cache_forget();
    huge_totals.bytes = huge_totals.blocks = span_totals.mapped_bytes = 0;
    for (size_t i = 0; table != NULL && i < table->capacity; i++) {
        if (!is_live_entry(&table->entries[i]))
            continue;
        huge_totals.bytes += table->entries[i].bytes;
        huge_totals.blocks++;
        span_totals.mapped_bytes += table->entries[i].span_bytes;
    }
}

void huge_visit(void (*visit)(uintptr_t start, size_t bytes, void *context), void *context)
{
    for (size_t i = 0; table != NULL && i < table->capacity; i++)
        if (is_live_entry(&table->entries[i]))
            visit(table->entries[i].address, table->entries[i].bytes, context);
}

uintptr_t huge_find(const void *p, size_t *bytes)
{
    uintptr_t start = 0;
    lock_acquire(&huge_lock);
    for (size_t i = 0; table != NULL && i < table->capacity; i++) {
        const struct entry *entry = &table->entries[i];
        if (is_live_entry(entry) && (uintptr_t)p - entry->address < entry->bytes) {
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
    const struct entry *entry = find_entry(p, FREED);
    size_t bytes = entry != NULL ? entry->bytes : 0;
    lock_release(&huge_lock);
    return bytes;
}

/* Takes huge_lock if spans are kept and no other thread has it. */
static bool enter_kept(void)
{
    return __atomic_load_n(&span_totals.cached_bytes, __ATOMIC_RELAXED) > 0 && lock_try(&huge_lock);
}

void huge_tick(uint64_t now_ms)
{
    if (now_ms < options.decay || !enter_kept())
        return;
    span_cache_decay(now_ms - options.decay);
    lock_release(&huge_lock);
}

void huge_drop_oldest(size_t bytes)
{
    if (bytes == 0 || !enter_kept())
        return;
    span_cache_drop_oldest(bytes);
    lock_release(&huge_lock);
}

size_t huge_purge_all(void)
{
    lock_acquire(&huge_lock);
    size_t before = span_totals.cached_bytes;
    span_cache_decay(UINT64_MAX);
    size_t returned = before - span_totals.cached_bytes;
    lock_release(&huge_lock);
    return returned;
}
