/* generation.c: promotion, lists, and the permanent generation. */
#include "generation.h"

#include "object/safepoint.h" // safepoint_world_is_mine

static void promote(struct side *side, unsigned w, uint64_t bits, int collected)
{
    side_bits(side, SIDE_OLD)[w] |= bits;
    if (collected == 0)
        side_bits(side, SIDE_MIDDLE)[w] |= bits;
    else
        side_bits(side, SIDE_MIDDLE)[w] &= ~bits;
}

void generation_promote(struct side *sides, int collected)
{
    for_each_side (side, sides)
        for (unsigned w = 0; w < side->words; w++)
            promote(side, w, side->white[w], collected);
}

void generation_promote_one(struct side *side, unsigned index)
{
    void *object = side_object(side, index);
    header_set(object, header_of(object) | HEADER_OLD);
    promote(side, index / 64, UINT64_C(1) << (index % 64), 2);
}

static void refresh(struct side *side)
{
    for_each_bit (i, side, SIDE_OLD)
        if ((header_of(side_object(side, i)) & HEADER_OLD) == 0)
            side_forget(side, i);
    atomic_store_explicit(&side->is_stale, false, memory_order_relaxed);
    if (!link_is_linked(&side->young))
        ring_add(&side_young, &side->young);
}

void generation_refresh(void)
{
    struct link *link;
    while ((link = ring_pop(&side_stale)) != NULL)
        refresh(LINK_OWNER(link, struct side, stale));
}

/* Young objects are where pools go on being allocated from; the survivors of a young collection are
 * in the middle, and those of others no longer. */
void generation_update_lists(int collected)
{
    struct link *next;
    for (struct link *link = side_young.next; link != &side_young; link = next) {
        struct side *side = LINK_OWNER(link, struct side, young);
        next = link->next;
        if (collected == 0 && !link_is_linked(&side->middle))
            ring_add(&side_middle, &side->middle);
        if (side->pool == NULL || pool_state(side->pool) != POOL_ACTIVE)
            link_remove(link);
    }
    while (collected > 0 && ring_pop(&side_middle) != NULL)
        ;
}

size_t generation_visit(int generation, int (*visit)(void *, void *), void *arg)
{
    size_t count = 0;
    int result = 0;
    if (safepoint_world_is_mine())
        generation_refresh();
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        for (unsigned w = 0; w < side->words; w++) {
            uint64_t bits = generation_bits(side, w, generation);
            for (; bits != 0; bits &= bits - 1) {
                void *object = side_object(side, w * 64 + (unsigned)__builtin_ctzll(bits));
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
    struct side *side = side_of(object, header_of(object));
    unsigned i = side_index(side, object);
    generation_promote_one(side, i);
    side_set(side, SIDE_FROZEN, i);
    return 0;
}

void generation_freeze(void)
{
    generation_visit(GENERATION_ANY, freeze_one, NULL);
}

void generation_unfreeze(void)
{
    generation_refresh();
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        for (unsigned w = 0; w < side->words; w++)
            side_bits(side, SIDE_FROZEN)[w] = 0;
    }
}
