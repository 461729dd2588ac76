/* generation.c: promotion, lists, and the permanent generation. */
#include "generation.h"

#include "object/safepoint.h" // safepoint_world_is_mine

#include <string.h>

static void promote_bits(struct gc_table *table, unsigned w, uint64_t bits, int collected)
{
    gc_table_words(table, GC_OLD)[w] |= bits;
    if (collected == GENERATION_YOUNG)
        gc_table_words(table, GC_MIDDLE)[w] |= bits;
    else
        gc_table_words(table, GC_MIDDLE)[w] &= ~bits;
}

void generation_promote(struct gc_table *tables, int collected)
{
    for_each_table (table, tables)
        for (unsigned w = 0; w < table->words; w++)
            promote_bits(table, w, table->white[w], collected);
}

void generation_promote_one(struct gc_table *table, unsigned index)
{
    void *object = gc_table_object(table, index);
    header_set(object, header_of(object) | HEADER_OLD);
    promote_bits(table, index / 64, UINT64_C(1) << (index % 64), GENERATION_OLD);
}

/* Also one that is dying. A free block has a link where the header was, whose bits say nothing. */
static bool is_old(const void *object)
{
    uint64_t header = header_of(object);
    return header_tag(header) != BLOCK_MARK && (header & HEADER_OLD) != 0;
}

static void refresh_table(struct gc_table *table)
{
    for_each_bit (i, table, GC_OLD)
        if (!is_old(gc_table_object(table, i)))
            gc_table_forget(table, i);
    atomic_store_explicit(&table->is_stale, false, memory_order_relaxed);
    if (!link_is_linked(&table->young))
        ring_add(&gc_table_young, &table->young);
}

/* A table leaves the stale ones when all is right: a child that is forked in between goes on. */
void generation_refresh(void)
{
    struct link *link;
    while ((link = gc_table_stale.next) != &gc_table_stale) {
        refresh_table(LINK_OWNER(link, struct gc_table, stale));
        atomic_signal_fence(memory_order_release);
        link_remove(link);
    }
}

/* New objects come to active pools alone, so only their tables stay in the young ring. After a
 * young collection its survivors are middle-aged; after any other no object is. */
void generation_update_lists(int collected)
{
    struct link *next;
    for (struct link *link = gc_table_young.next; link != &gc_table_young; link = next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, young);
        next = link->next;
        if (collected == GENERATION_YOUNG && !link_is_linked(&table->middle))
            ring_add(&gc_table_middle, &table->middle);
        if (table->pool == NULL || pool_state(table->pool) != POOL_ACTIVE)
            link_remove(link);
    }
    while (collected > GENERATION_YOUNG && ring_pop(&gc_table_middle) != NULL)
        continue;
}

size_t generation_visit(int generation, int (*visit)(void *, void *), void *arg)
{
    size_t count = 0;
    int result = 0;
    if (safepoint_world_is_mine())
        generation_refresh();
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        for (unsigned w = 0; w < table->words; w++) {
            uint64_t bits = generation_bits(table, w, generation);
            for (; bits != 0; bits &= bits - 1) {
                void *object = gc_table_object(table, w * 64 + (unsigned)__builtin_ctzll(bits));
                if (!header_is_tracked(header_of(object)))
                    continue;
                count++;
                if (visit != NULL && result == 0)
                    result = visit(object, arg);
            }
        }
    }
    return count;
}

static int freeze_one(void *object, void *arg)
{
    (void)arg;
    struct gc_table *table = gc_table_of(object, header_of(object));
    unsigned i = gc_table_index(table, object);
    generation_promote_one(table, i);
    gc_table_set(table, GC_FROZEN, i);
    return 0;
}

void generation_freeze(void)
{
    generation_visit(GENERATION_ANY, freeze_one, NULL);
}

void generation_unfreeze(void)
{
    generation_refresh();
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        memset(gc_table_words(table, GC_FROZEN), 0, table->words * sizeof(uint64_t));
    }
}
