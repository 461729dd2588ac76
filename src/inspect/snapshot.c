/* snapshot.c: taking a snapshot, and finding objects in it. */
#include "snapshot.h"

#include "alloc/object_block.h"
#include "base/sort.h"
#include "object/gc_table.h"
#include "object/type.h"
#include "os/os.h"

static bool is_live(const void *object)
{
    return header_is_live(header_of(object));
}

/* ---- Making ---- */

/* Parts found so far: only counted at first, and noted once there is memory for them. */
struct filling {
    struct snapshot *snapshot;
    uint32_t parts;
    uint64_t blocks;
};

static void add_part(struct filling *filling, uintptr_t start, size_t block_bytes, uint32_t blocks)
{
    struct snapshot *snapshot = filling->snapshot;
    if (snapshot->parts != NULL)
        snapshot->parts[filling->parts] =
            (struct snapshot_part){.start = start, .block_bytes = block_bytes, .blocks = blocks};
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
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        const struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        if (table->pool == NULL && is_live((const void *)table->start))
            add_part(filling, table->start, table->block_bytes, 1);
    }
}

/* Finds all parts; returns how many of them are pools. */
static uint32_t fill_parts(struct filling *filling)
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
    const struct snapshot_part *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static uint32_t slot_of(uintptr_t start)
{
    return (uint32_t)((start - map.base) >> POOL_SHIFT);
}

static void number_parts(struct snapshot *snapshot)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < snapshot->pools + snapshot->larges; i++) {
        snapshot->parts[i].first = next;
        next += snapshot->parts[i].blocks;
        if (i < snapshot->pools)
            snapshot->part_by_slot[slot_of(snapshot->parts[i].start)] = i + 1;
    }
}

bool snapshot_make(struct snapshot *snapshot, unsigned arrays)
{
    *snapshot = (struct snapshot){.parts = NULL};
    struct filling filling = {.snapshot = snapshot};
    snapshot->pools = fill_parts(&filling);
    snapshot->larges = filling.parts - snapshot->pools;
    snapshot->slots = map_arena_end() * (uint32_t)ARENA_POOLS;
    if (filling.blocks >= SNAPSHOT_NONE)
        return false;
    snapshot->blocks = (uint32_t)filling.blocks;
    size_t words = snapshot->slots + (size_t)arrays * snapshot->blocks;
    snapshot->mapped_bytes = os_round_to_pages(filling.parts * sizeof(struct snapshot_part) +
                                               words * sizeof(uint32_t) + 1);
    snapshot->parts = os_map(snapshot->mapped_bytes);
    if (snapshot->parts == NULL)
        return false;
    snapshot->part_by_slot = (uint32_t *)(snapshot->parts + filling.parts);
    snapshot->numbers = snapshot->part_by_slot + snapshot->slots;
    fill_parts(&filling);
    sort(snapshot->parts + snapshot->pools, snapshot->larges, sizeof(struct snapshot_part),
         compare_starts);
    number_parts(snapshot);
    return true;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot->parts != NULL)
        os_unmap(snapshot->parts, snapshot->mapped_bytes);
}

/* ---- Finding ---- */

/* The last of `count` parts in the order of addresses that begins at or before p; NULL: none. */
static const struct snapshot_part *last_before(const struct snapshot_part *parts, uint32_t count,
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

const struct snapshot_part *snapshot_part_around(const struct snapshot *snapshot, const void *p)
{
    uint32_t slot = map_in_window(p) ? slot_of((uintptr_t)p) : UINT32_MAX;
    uint32_t number = slot < snapshot->slots ? snapshot->part_by_slot[slot] : 0;
    const struct snapshot_part *part = number != 0 ? &snapshot->parts[number - 1]
                                                   : last_before(snapshot->parts + snapshot->pools,
                                                                 snapshot->larges, (uintptr_t)p);
    bool is_inside = part != NULL && (uintptr_t)p - part->start < part->blocks * part->block_bytes;
    return is_inside ? part : NULL;
}

uint32_t snapshot_number(const struct snapshot *snapshot, const void *p)
{
    const struct snapshot_part *part = snapshot_part_around(snapshot, p);
    if (part == NULL)
        return SNAPSHOT_NONE;
    size_t offset = (uintptr_t)p - part->start;
    bool is_object = offset % part->block_bytes == 0 && is_live(p);
    return is_object ? part->first + (uint32_t)(offset / part->block_bytes) : SNAPSHOT_NONE;
}

void *snapshot_object(const struct snapshot *snapshot, uint32_t number)
{
    const struct snapshot_part *parts = snapshot->parts;
    uint32_t first = 0, end = snapshot->pools + snapshot->larges;
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;
        if (parts[middle].first <= number)
            first = middle;
        else
            end = middle;
    }
    return (void *)(parts[first].start + (number - parts[first].first) * parts[first].block_bytes);
}

void snapshot_visit(const struct snapshot *snapshot,
                    void (*visit)(void *object, uint32_t number, void *context), void *context)
{
    for (uint32_t n = 0; n < snapshot->pools + snapshot->larges; n++) {
        const struct snapshot_part *part = &snapshot->parts[n];
        for (uint32_t i = 0; i < part->blocks; i++) {
            void *object = (void *)(part->start + i * part->block_bytes);
            if (is_live(object))
                visit(object, part->first + i, context);
        }
    }
}
