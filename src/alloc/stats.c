/* stats.c: the sums. */
#include "stats.h"

#include "account.h"
#include "arena.h"
#include "figure.h"
#include "footprint.h"
#include "huge.h"
#include "map.h"
#include "registry.h"
#include "span_cache.h" // span_totals

#include "base/report.h"

static void count_pool(const struct pool *pool, void *context)
{
    struct stats_count *count = context;
    struct molt_stats *stats = &count->stats;
    struct pool_blocks blocks = account_pool(pool);
    size_t bytes = pool_block_bytes(pool);
    stats->live_blocks += blocks.live;
    stats->pool_bytes += blocks.live * bytes;
    size_t free_bytes = (pool_carved(pool) - blocks.live) * bytes;
    size_t holes = (size_t)__builtin_popcount(pool_holes(pool)) << os_page_shift;
    stats->free_bytes += free_bytes > holes ? free_bytes - holes : 0;
    if (count->classes != NULL)
        account_add_to_class(count->classes, pool, &blocks);
}

static void count_runs(uint32_t number, struct molt_stats *stats)
{
    for (unsigned page = 0; page < arena_pages(); page++) {
        uint16_t entry = atomic_load_explicit(&map_arena(number)->runs[page], memory_order_relaxed);
        if ((entry & RUN_RETIRED) != 0) {
            stats->cached_bytes += (size_t)(entry & ~RUN_RETIRED) << os_page_shift;
            continue;
        }
        stats->live_blocks += entry != 0;
        stats->run_bytes += (size_t)entry << os_page_shift;
    }
}

/* Blocks that a heap starts with and has not given out: count_pool has counted them as live. */
static void count_start(const struct pool *pool, unsigned blocks, void *context)
{
    struct molt_stats *stats = context;
    stats->live_blocks -= blocks;
    stats->pool_bytes -= blocks * pool_block_bytes(pool);
    stats->free_bytes += blocks * pool_block_bytes(pool);
}

static void end_count(struct stats_count *count)
{
    struct molt_stats *stats = &count->stats;
    account_each_start(count_start, stats);
    stats->huge_bytes = huge_totals.bytes;
    stats->huge_blocks = huge_totals.blocks;
    stats->live_blocks += stats->huge_blocks;
    stats->live_bytes = stats->pool_bytes + stats->run_bytes + stats->huge_bytes;
    stats->dirty_bytes = arena_totals.idle_pages << os_page_shift;
    stats->free_bytes += stats->dirty_bytes;
    stats->cached_bytes += span_totals.cached_bytes;
    stats->committed_bytes = footprint_now();
    stats->peak_bytes = footprint_peak();
    stats->metadata_bytes = map.metadata_bytes + huge_totals.table_bytes;
    stats->purged_bytes = (arena_totals.purged_pages << os_page_shift) + span_totals.purged_bytes;
    stats->arenas = count->arenas;
    registry_count(&stats->heaps, &stats->parked_heaps);
    if (count->classes != NULL)
        account_end_classes(count->classes);
}

void stats_begin(struct stats_count *count, struct molt_class *classes)
{
    *count = (struct stats_count){.classes = classes};
    if (classes != NULL)
        account_begin_classes(classes);
}

bool stats_step(struct stats_count *count)
{
    if (count->arenas == map_arena_end()) {
        end_count(count);
        return true;
    }
    account_each_pool_of(count->arenas, count_pool, count);
    count_runs(count->arenas, &count->stats);
    count->arenas++;
    return false;
}

void stats_get(struct molt_stats *out)
{
    struct stats_count count;
    stats_begin(&count, NULL);
    while (!stats_step(&count))
        continue;
    *out = count.stats;
}

static const struct figure figures[] = {
    FIGURE(molt_stats, live_blocks, "blocks in use"),
    FIGURE(molt_stats, live_bytes, "their usable bytes"),
    FIGURE(molt_stats, pool_bytes, "live bytes in pools"),
    FIGURE(molt_stats, run_bytes, "live bytes in runs"),
    FIGURE(molt_stats, huge_bytes, "live bytes in mappings of their own"),
    FIGURE(molt_stats, huge_blocks, "blocks with a mapping of their own"),
    FIGURE(molt_stats, free_bytes, "free blocks in pools and free dirty pages"),
    FIGURE(molt_stats, dirty_bytes, "whole free pages that could go back to the OS"),
    FIGURE(molt_stats, cached_bytes, "mappings of freed huge blocks kept for the next"),
    FIGURE(molt_stats, committed_bytes, "memory taken from the OS"),
    FIGURE(molt_stats, peak_bytes, "highest committed bytes seen"),
    FIGURE(molt_stats, metadata_bytes, "molt's own tables"),
    FIGURE(molt_stats, purged_bytes, "returned to the OS so far"),
    FIGURE(molt_stats, arenas, "arenas in use"),
    FIGURE(molt_stats, heaps, "thread heaps, parked ones included"),
    FIGURE(molt_stats, parked_heaps, "heaps that wait for a thread"),
};

int stats_write(int fd, enum molt_format format)
{
    struct molt_stats stats;
    if (!figure_has_format(format))
        return -1;
    stats_get(&stats);
    if (figure_write_all(fd, format, "", figures, sizeof figures / sizeof figures[0], &stats) != 0)
        return -1;
    return format == MOLT_JSON ? report_write(fd, "}\n", 2) : 0;
}
