/* site.c: the chains of all sites, and counting in one. */
#include "site.h"

#include "memory.h" // profile_memory_take

enum { CHAINS = 8192 };

/* Taken when the first site is: NULL until then. */
static _Atomic(chain *) table;

/* All sites, the newest first; and those that were dropped since others were faster to add an equal
 * one: these count nothing. */
static _Atomic(struct site *) newest;

static void list(struct site *site)
{
    site->older = atomic_load_explicit(&newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&newest, &site->older, site, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

static bool is_equal(const struct chain_link *element, const void *key)
{
    const struct site *site = (const struct site *)element, *wanted = key;
    return site->stack == wanted->stack && site->bytes == wanted->bytes &&
           site->tag == wanted->tag && site->type == wanted->type && site->thread == wanted->thread;
}

static struct chain_link *make(const void *key)
{
    const struct site *wanted = key;
    struct site *site = profile_memory_take(sizeof *site);
    if (site == NULL)
        return NULL;
    site->stack = wanted->stack;
    site->bytes = wanted->bytes;
    site->tag = wanted->tag;
    site->type = wanted->type;
    site->thread = wanted->thread;
    list(site);
    return &site->link;
}

/* Returns the table; NULL if there is no memory for it. */
static chain *table_ready(void)
{
    chain *ready = atomic_load_explicit(&table, memory_order_acquire);
    if (ready != NULL)
        return ready;
    chain *made = profile_memory_take(CHAINS * sizeof *made);
    if (made == NULL || atomic_compare_exchange_strong_explicit(
                            &table, &ready, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    return ready;
}

struct site *site_intern(const struct stack *stack, size_t bytes, const char *tag, const char *type,
                         const char *thread)
{
    static const struct chain_kind sites = {is_equal, make};
    chain *chains = table_ready();
    if (chains == NULL)
        return NULL;
    uint64_t hash = chain_hash(chain_hash(0, (uintptr_t)stack), bytes);
    hash = chain_hash(chain_hash(hash, (uintptr_t)tag), (uintptr_t)type);
    hash = chain_hash(hash, (uintptr_t)thread);
    struct site key = {.stack = stack, .bytes = bytes, .tag = tag, .type = type, .thread = thread};
    return (struct site *)chain_intern(&chains[(hash >> 32) % CHAINS], &sites, &key);
}

void site_each(void (*visit)(struct site *site, void *context), void *context)
{
    struct site *site = atomic_load_explicit(&newest, memory_order_acquire);
    for (; site != NULL; site = site->older)
        visit(site, context);
}

/* ---- Counting ---- */

static void add(_Atomic(uint64_t) *number, uint64_t amount)
{
    atomic_fetch_add_explicit(number, amount, memory_order_relaxed);
}

static void subtract(_Atomic(uint64_t) *number, uint64_t amount)
{
    atomic_fetch_sub_explicit(number, amount, memory_order_relaxed);
}

static uint64_t get(_Atomic(uint64_t) *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void set(_Atomic(uint64_t) *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static void add_to_total(struct site *site, uint64_t count, uint64_t size, uint64_t block_bytes)
{
    add(&site->total_count, count);
    add(&site->total_bytes, size);
    add(&site->total_block_bytes, block_bytes);
}

void site_add_live(struct site *site, size_t size, size_t block_bytes)
{
    add(&site->live_count, 1);
    add(&site->live_bytes, size);
    add(&site->live_block_bytes, block_bytes);
}

void site_add(struct site *site, size_t size, size_t block_bytes)
{
    add_to_total(site, 1, size, block_bytes);
    site_add_live(site, size, block_bytes);
}

void site_undo_add(struct site *site, size_t size, size_t block_bytes)
{
    site_remove(site, size, block_bytes);
    add_to_total(site, -UINT64_C(1), -(uint64_t)size, -(uint64_t)block_bytes);
}

void site_remove(struct site *site, size_t size, size_t block_bytes)
{
    subtract(&site->live_count, 1);
    subtract(&site->live_bytes, size);
    subtract(&site->live_block_bytes, block_bytes);
}

/* What was asked for once stays in the total. */
void site_resize(struct site *site, size_t old_size, size_t size)
{
    add(&site->live_bytes, size - old_size);
    if (size > old_size)
        add(&site->total_bytes, size - old_size);
}

static unsigned lifetime_index(uint64_t ns)
{
    unsigned i = 0;
    for (uint64_t below = 1000; ns >= below && i < SITE_LIFETIMES - 1; below *= 10)
        i++;
    return i;
}

void site_note_lifetime(struct site *site, uint64_t ns, bool is_temporary)
{
    add(&site->lifetimes[lifetime_index(ns)], 1);
    if (is_temporary)
        add(&site->temporary_count, 1);
}

void site_keep_peak(struct site *site)
{
    set(&site->peak_count, get(&site->live_count));
    set(&site->peak_bytes, get(&site->live_bytes));
    set(&site->peak_block_bytes, get(&site->live_block_bytes));
}

void site_forget_live(struct site *site)
{
    set(&site->live_count, 0);
    set(&site->live_bytes, 0);
    set(&site->live_block_bytes, 0);
}

void site_forget(struct site *site)
{
    site_forget_live(site);
    site_keep_peak(site);
    set(&site->total_count, 0);
    set(&site->total_bytes, 0);
    set(&site->total_block_bytes, 0);
    set(&site->temporary_count, 0);
    for (unsigned i = 0; i < SITE_LIFETIMES; i++)
        set(&site->lifetimes[i], 0);
}
