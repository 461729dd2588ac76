/* numbering.c: numbers for blocks, and the memory they lead to. */
#include "numbering.h"

#include "edges.h"
#include "generation.h" // for_each_side
#include "scratch.h"

struct numbering numbering;

/* Twice as many as sides: pools that lie close together get an entry each. */
static size_t entries_for(size_t sides)
{
    size_t entries = 4;
    while (entries < 2 * sides)
        entries *= 2;
    return entries;
}

/* Each array's size is a multiple of a cache line. */
static bool lay_out(size_t words, size_t entries)
{
    size_t blocks = words * 64, entries_bytes = entries * sizeof(struct entry),
           marks_bytes = (words + 3) / 4 * 4 * sizeof(struct marks),
           stack_bytes = (blocks + 8) * sizeof(void *);
    char *zeroed = scratch_take(EDGES_BYTES(blocks) + entries_bytes,
                                marks_bytes + stack_bytes + EDGES_MORE_BYTES(blocks));
    if (zeroed == NULL)
        return false;
    char *more = zeroed + EDGES_BYTES(blocks) + entries_bytes;
    numbering = (struct numbering){
        .entries = (struct entry *)(void *)(zeroed + EDGES_BYTES(blocks)),
        .entry_mask = entries - 1,
        .marks = (struct marks *)(void *)more,
        .stack = (void **)(void *)(more + marks_bytes),
    };
    edges_begin(zeroed, more + marks_bytes + stack_bytes, blocks);
    return true;
}

/* The later of two pools with one entry gets it. A large object has none. */
static void set_entry(const struct side *side)
{
    if (side->pool == NULL)
        return;
    numbering.entries[side->start >> POOL_SHIFT & numbering.entry_mask] =
        (struct entry){.pool = (uint32_t)(side->start >> POOL_SHIFT) + 1,
                       .first_word = side->numbered - 1,
                       .reciprocal = side->reciprocal};
}

bool numbering_begin(struct side *sides)
{
    size_t count = 0, words = 0;
    for_each_side (side, sides) {
        count++;
        words += side_carved_words(side);
    }
    if (words >= UINT32_MAX || !lay_out(words, entries_for(count)))
        return false;
    words = 0;
    for_each_side (side, sides) {
        side->numbered = (uint32_t)words + 1;
        words += side_carved_words(side);
        set_entry(side);
    }
    return true;
}

void numbering_end(struct side *sides)
{
    for_each_side (side, sides)
        side->numbered = 0;
    scratch_give();
}

static const struct side *side_taking_part(const void *object)
{
    const struct side *side = side_if_any(object);
    return side != NULL && side->numbered != 0 ? side : NULL;
}

size_t numbering_slow(const void *target)
{
    const struct side *side = side_taking_part(target);
    return side != NULL ? numbering_of_side(side).first + side_index(side, target) : NUMBER_NONE;
}

struct span numbering_span_slow(const void *object)
{
    const struct side *side = side_taking_part(object);
    return side != NULL ? numbering_of_side(side) : (struct span){.start = 1};
}
