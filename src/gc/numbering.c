/* numbering.c: giving numbers, and the scratch memory of a deduction. */
#include "numbering.h"

#include "gc_refs.h"
#include "generation.h" // for_each_table
#include "scratch.h"

struct numbering numbering;

/* Two for each table, so that pools which lie close together do not collide. */
static size_t entries_for(size_t tables)
{
    size_t entries = 4;
    while (entries < 2 * tables)
        entries *= 2;
    return entries;
}

/* Takes the scratch memory of all arrays, each a multiple of a cache line:
 *
 *   | gc_refs | entries |   marks | stack | wide gc_refs |
 *   | zeroed            |   uninitialized                |
 */
static bool allocate_arrays(size_t words, size_t entries)
{
    size_t blocks = words * 64, entries_bytes = entries * sizeof(struct pool_entry),
           marks_bytes = (words + 3) / 4 * 4 * sizeof(struct marks),
           stack_bytes = (blocks + 8) * sizeof(void *);
    char *zeroed = scratch_take(GC_REFS_ZEROED_BYTES(blocks) + entries_bytes,
                                marks_bytes + stack_bytes + GC_REFS_WIDE_BYTES(blocks));
    if (zeroed == NULL)
        return false;
    char *more = zeroed + GC_REFS_ZEROED_BYTES(blocks) + entries_bytes;
    numbering = (struct numbering){
        .entries = (struct pool_entry *)(void *)(zeroed + GC_REFS_ZEROED_BYTES(blocks)),
        .entry_mask = entries - 1,
        .marks = (struct marks *)(void *)more,
        .stack = (void **)(void *)(more + marks_bytes),
    };
    gc_refs_begin(zeroed, more + marks_bytes + stack_bytes, blocks);
    return true;
}

/* Of two pools that collide the later one has the entry. */
static void set_entry(const struct gc_table *table)
{
    if (table->pool == NULL)
        return;
    numbering.entries[table->start >> POOL_SHIFT & numbering.entry_mask] =
        (struct pool_entry){.pool = (uint32_t)(table->start >> POOL_SHIFT) + 1,
                            .first_word = table->numbered - 1,
                            .reciprocal = table->reciprocal};
}

bool numbering_begin(struct gc_table *tables)
{
    size_t count = 0, words = 0;
    for_each_table (table, tables) {
        count++;
        words += gc_table_carved_words(table);
    }
    if (words >= UINT32_MAX || !allocate_arrays(words, entries_for(count)))
        return false;
    words = 0;
    for_each_table (table, tables) {
        table->numbered = (uint32_t)words + 1;
        words += gc_table_carved_words(table);
        set_entry(table);
    }
    return true;
}

void numbering_end(struct gc_table *tables)
{
    for_each_table (table, tables)
        table->numbered = 0;
    scratch_give();
}

static const struct gc_table *numbered_table(const void *object)
{
    const struct gc_table *table = gc_table_if_any(object);
    return table != NULL && table->numbered != 0 ? table : NULL;
}

size_t numbering_slow(const void *target)
{
    const struct gc_table *table = numbered_table(target);
    return table != NULL ? numbering_of_table(table).first + gc_table_index(table, target)
                         : NUMBER_NONE;
}

struct numbered_pool numbering_pool_slow(const void *object)
{
    const struct gc_table *table = numbered_table(object);
    return table != NULL ? numbering_of_table(table) : (struct numbered_pool){.start = 1};
}
