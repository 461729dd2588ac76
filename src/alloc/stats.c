/* stats.c: the walk and the three output formats. */
#include "stats.h"

#include "arena.h"
#include "footprint.h"
#include "heap.h"
#include "hole.h"
#include "huge.h"
#include "map.h"
#include "registry.h"
#include "span_cache.h" // span_totals

#include "base/report.h"

#include <errno.h>

static unsigned free_blocks_of(const struct pool *pool)
{
    unsigned waiting = (unsigned)(atomic_load_explicit(&pool->remote, memory_order_relaxed) >> 48);
    unsigned carved = pool_carved(pool);
    if (pool_state(pool) == POOL_ACTIVE) {
        const struct block_list *list = heap_free_list(map_heap(pool_heap(pool)), pool->size_class);
        return pool_count_list(pool, block_list_first(list)) + hole_blocks(pool) + waiting;
    }
    unsigned live = pool_live(pool);
    return live < carved ? carved - live + waiting : waiting;
}

static void count_pool(const struct pool *pool, struct molt_stats *stats)
{
    size_t bytes = pool_block_bytes(pool);
    unsigned carved = pool_carved(pool), unused = free_blocks_of(pool);
    unsigned live = unused < carved ? carved - unused : 0;
    stats->live_blocks += live;
    stats->pool_bytes += live * bytes;
    size_t free_bytes = (carved - live) * bytes;
    size_t holes = (size_t)__builtin_popcount(pool_holes(pool)) << os_page_shift;
    stats->free_bytes += free_bytes > holes ? free_bytes - holes : 0;
}

static void count_arena(uint32_t number, struct molt_stats *stats)
{
    const struct pool *pools = map_pool((void *)map_arena_start(number));
    lock_acquire(&arena_lock); /* so that no memory goes while links in it are read */
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
        if (pool_state(&pools[slot]) != POOL_NONE)
            count_pool(&pools[slot], stats);
    for (unsigned page = 0; page < arena_pages(); page++) {
        uint16_t entry = atomic_load_explicit(&map_arena(number)->runs[page], memory_order_relaxed);
        if ((entry & RUN_RETIRED) != 0) {
            stats->cached_bytes += (size_t)(entry & ~RUN_RETIRED) << os_page_shift;
            continue;
        }
        stats->live_blocks += entry != 0;
        stats->run_bytes += (size_t)entry << os_page_shift;
    }
    lock_release(&arena_lock);
}

/* Blocks that a heap has from the starter and has not given out: count_pool has counted them as
 * live. */
static void count_starts(struct heap *heap, struct molt_stats *stats)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        const struct block *first = block_list_first(&heap->free[size_class]);
        if (!heap_is_starting(heap, size_class) || first == NULL)
            continue;
        const struct pool *pool = map_pool(first);
        unsigned count = pool_count_list(pool, first);
        stats->live_blocks -= count;
        stats->pool_bytes -= count * pool_block_bytes(pool);
        stats->free_bytes += count * pool_block_bytes(pool);
    }
}

void stats_get(struct molt_stats *out)
{
    struct molt_stats stats = {0};
    uint32_t arenas = map_arena_end();
    for (uint32_t number = 0; number < arenas; number++)
        count_arena(number, &stats);
    for (uint32_t number = 1; number <= map.heap_end; number++)
        count_starts(map_heap(number), &stats);
    stats.huge_bytes = huge_totals.bytes;
    stats.huge_blocks = huge_totals.blocks;
    stats.live_blocks += stats.huge_blocks;
    stats.live_bytes = stats.pool_bytes + stats.run_bytes + stats.huge_bytes;
    stats.dirty_bytes = arena_totals.idle_pages << os_page_shift;
    stats.free_bytes += stats.dirty_bytes;
    stats.cached_bytes += span_totals.cached_bytes;
    stats.committed_bytes = footprint_now();
    stats.peak_bytes = footprint_peak();
    stats.metadata_bytes = map.metadata_bytes + huge_totals.table_bytes;
    stats.purged_bytes = (arena_totals.purged_pages << os_page_shift) + span_totals.purged_bytes;
    stats.arenas = arenas;
    registry_count(&stats.heaps, &stats.parked_heaps);
    *out = stats;
}

struct field {
    const char *name, *help;
    size_t offset;
};

static const struct field fields[] = {
#define FIELD(name, help)                              \
    {                                                  \
#name, help, offsetof(struct molt_stats, name) \
    }
    FIELD(live_blocks, "blocks in use"),
    FIELD(live_bytes, "their usable bytes"),
    FIELD(pool_bytes, "live bytes in pools"),
    FIELD(run_bytes, "live bytes in runs"),
    FIELD(huge_bytes, "live bytes in mappings of their own"),
    FIELD(huge_blocks, "blocks with a mapping of their own"),
    FIELD(free_bytes, "free blocks in pools and free dirty pages"),
    FIELD(dirty_bytes, "whole free pages that could go back to the OS"),
    FIELD(cached_bytes, "mappings of freed huge blocks kept for the next"),
    FIELD(committed_bytes, "memory taken from the OS"),
    FIELD(peak_bytes, "highest committed bytes seen"),
    FIELD(metadata_bytes, "molt's own tables"),
    FIELD(purged_bytes, "returned to the OS so far"),
    FIELD(arenas, "arenas in use"),
    FIELD(heaps, "thread heaps, parked ones included"),
    FIELD(parked_heaps, "heaps that wait for a thread"),
#undef FIELD
};

static void append_field(struct report_line *line, const struct field *field, size_t value,
                         enum molt_format format, bool is_first)
{
    switch (format) {
    case MOLT_JSON:
        report_append(line, "%s\"%s\": %zu", is_first ? "{" : ", ", field->name, value);
        break;
    case MOLT_PROMETHEUS:
        report_append(line, "# HELP molt_%s %s\n# TYPE molt_%s gauge\nmolt_%s %zu\n", field->name,
                      field->help, field->name, field->name, value);
        break;
    default:
        report_append(line, "molt: %s: %zu (%s)\n", field->name, value, field->help);
        break;
    }
}

int stats_write(int fd, enum molt_format format)
{
    if (format != MOLT_TEXT && format != MOLT_JSON && format != MOLT_PROMETHEUS) {
        errno = EINVAL;
        return -1;
    }
    struct molt_stats stats;
    stats_get(&stats);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct report_line line = {.length = 0};
        size_t value = *(const size_t *)((const char *)&stats + fields[i].offset);
        append_field(&line, &fields[i], value, format, i == 0);
        if (report_write(fd, line.text, line.length) != 0)
            return -1;
    }
    return format == MOLT_JSON ? report_write(fd, "}\n", 2) : 0;
}
