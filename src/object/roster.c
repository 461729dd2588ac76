/* roster.c: counting, then filling, then finding. */
#include "roster.h"

#include "side.h"
#include "type.h"

#include "alloc/object_block.h"
#include "base/sort.h"
#include "os/os.h"

static bool is_live(const void *object)
{
    uint64_t header = header_of(object);
    return tag_is_live(header_tag(header)) && type_by_number(header_type(header)) != NULL;
}

/* ---- Making ---- */

/* What has been seen; once there is memory for the parts, also noted. */
struct filling {
    struct roster *roster;
    uint32_t parts;
    uint64_t blocks;
};

static void add_part(struct filling *filling, uintptr_t start, size_t block_bytes, uint32_t blocks)
{
    struct roster *roster = filling->roster;
    if (roster->parts != NULL)
        roster->parts[filling->parts] =
            (struct roster_part){.start = start, .block_bytes = block_bytes, .blocks = blocks};
    filling->parts++;
    filling->blocks += blocks;
}

static void add_pool(const struct pool *pool, void *context)
{
    size_t bytes = pool_block_bytes(pool);
    unsigned carved = pool_carved(pool);
    for (unsigned i = 0; i < carved; i++)
        if (is_live((const void *)(pool->start + i * bytes))) {
            add_part(context, pool->start, bytes, carved);
            return;
        }
}

static void add_larges(struct filling *filling)
{
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        const struct side *side = LINK_OWNER(link, struct side, all);
        if (side->pool == NULL && is_live((const void *)side->start))
            add_part(filling, side->start, side->block_bytes, 1);
    }
}

/* How many pools there are, and all else in *filling. */
static uint32_t fill(struct filling *filling)
{
    filling->parts = 0;
    filling->blocks = 0;
    object_block_visit_pools(add_pool, filling);
    uint32_t pools = filling->parts;
    add_larges(filling);
    return pools;
}

static int compare_starts(const void *a, const void *b)
{
    const struct roster_part *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static uint32_t slot_of(uintptr_t start)
{
    return (uint32_t)((start - map.base) >> POOL_SHIFT);
}

static void number_parts(struct roster *roster)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < roster->pools + roster->larges; i++) {
        roster->parts[i].first = next;
        next += roster->parts[i].blocks;
        if (i < roster->pools)
            roster->part_by_slot[slot_of(roster->parts[i].start)] = i + 1;
    }
}

bool roster_make(struct roster *roster, unsigned arrays)
{
    *roster = (struct roster){.parts = NULL};
    struct filling filling = {.roster = roster};
    roster->pools = fill(&filling);
    roster->larges = filling.parts - roster->pools;
    roster->slots = map_arena_end() * (uint32_t)ARENA_POOLS;
    if (filling.blocks >= ROSTER_NONE)
        return false;
    roster->blocks = (uint32_t)filling.blocks;
    size_t words = roster->slots + (size_t)arrays * roster->blocks;
    roster->mapped_bytes = os_round_to_pages(filling.parts * sizeof(struct roster_part) +
                                             words * sizeof(uint32_t) + 1);
    roster->parts = os_map(roster->mapped_bytes);
    if (roster->parts == NULL)
        return false;
    roster->part_by_slot = (uint32_t *)(roster->parts + filling.parts);
    roster->numbers = roster->part_by_slot + roster->slots;
    fill(&filling);
    sort(roster->parts + roster->pools, roster->larges, sizeof(struct roster_part), compare_starts);
    number_parts(roster);
    return true;
}

void roster_free(struct roster *roster)
{
    if (roster->parts != NULL)
        os_unmap(roster->parts, roster->mapped_bytes);
}

/* ---- Finding ---- */

/* The last of `count` parts, which are in order, that begins at or before p; NULL: none. */
static const struct roster_part *last_before(const struct roster_part *parts, uint32_t count,
                                             uintptr_t p)
{
    uint32_t first = 0;
    while (first < count) {
        uint32_t middle = first + (count - first) / 2;
        if (parts[middle].start <= p)
            first = middle + 1;
        else
            count = middle;
    }
    return first != 0 ? &parts[first - 1] : NULL;
}

const struct roster_part *roster_part_around(const struct roster *roster, const void *p)
{
    uint32_t slot = map_in_window(p) ? slot_of((uintptr_t)p) : UINT32_MAX;
    uint32_t number = slot < roster->slots ? roster->part_by_slot[slot] : 0;
    const struct roster_part *part =
        number != 0 ? &roster->parts[number - 1]
                    : last_before(roster->parts + roster->pools, roster->larges, (uintptr_t)p);
    bool is_inside = part != NULL && (uintptr_t)p - part->start < part->blocks * part->block_bytes;
    return is_inside ? part : NULL;
}

uint32_t roster_number(const struct roster *roster, const void *p)
{
    const struct roster_part *part = roster_part_around(roster, p);
    if (part == NULL)
        return ROSTER_NONE;
    size_t offset = (uintptr_t)p - part->start;
    bool is_object = offset % part->block_bytes == 0 && is_live(p);
    return is_object ? part->first + (uint32_t)(offset / part->block_bytes) : ROSTER_NONE;
}

void *roster_object(const struct roster *roster, uint32_t number)
{
    const struct roster_part *parts = roster->parts;
    uint32_t first = 0, end = roster->pools + roster->larges;
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;
        if (parts[middle].first <= number)
            first = middle;
        else
            end = middle;
    }
    return (void *)(parts[first].start + (number - parts[first].first) * parts[first].block_bytes);
}

void roster_visit(const struct roster *roster,
                  void (*visit)(void *object, uint32_t number, void *context), void *context)
{
    for (uint32_t n = 0; n < roster->pools + roster->larges; n++) {
        const struct roster_part *part = &roster->parts[n];
        for (uint32_t i = 0; i < part->blocks; i++) {
            void *object = (void *)(part->start + i * part->block_bytes);
            if (is_live(object))
                visit(object, part->first + i, context);
        }
    }
}
