/* account.c: the walks, the sums and the classes. */
#include "account.h"

#include "arena.h"
#include "figure.h"
#include "heap.h"
#include "hole.h"
#include "huge.h"
#include "map.h"
#include "remote.h"
#include "sample.h" // profile_hooks

#include "base/bits.h"
#include "base/report.h"
#include "os/os.h"

#include <stdint.h>

/* ---- Blocks ---- */

static unsigned waiting_blocks(const struct pool *pool)
{
    return (unsigned)(atomic_load_explicit(&pool->remote, memory_order_relaxed) >> 48);
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Each number is at most what the others leave: the pool may change meanwhile. */
struct pool_blocks account_pool(const struct pool *pool)
{
    struct pool_blocks blocks = {0};
    unsigned left = pool_carved(pool);
    blocks.in_holes = smaller(hole_blocks(pool), left);
    left -= blocks.in_holes;
    if (pool_state(pool) == POOL_ACTIVE) {
        const struct block_list *list = heap_free_list(map_heap(pool_heap(pool)), pool->size_class);
        blocks.listed = smaller(pool_count_list(pool, block_list_first(list)), left);
    } else {
        blocks.listed = left - smaller(pool_live(pool), left);
    }
    left -= blocks.listed;
    blocks.waiting = smaller(waiting_blocks(pool), left);
    blocks.live = left - blocks.waiting;
    return blocks;
}

static void visit_pools(uint32_t number, void (*visit)(const struct pool *pool, void *context),
                        void *context)
{
    const struct pool *pools = map_pool((void *)map_arena_start(number));
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
        if (pool_state(&pools[slot]) != POOL_NONE)
            visit(&pools[slot], context);
}

/* False: another thread has had the lock for some milliseconds, or the caller is a signal handler
 * that has interrupted the thread that has it. */
static bool try_lock_arenas(void)
{
    enum { TRIES = 100, PAUSE_US = 20 };
    for (unsigned i = 0; i < TRIES && !lock_is_mine(&arena_lock); i++) {
        if (lock_try(&arena_lock))
            return true;
        os_sleep_us(PAUSE_US);
    }
    return false;
}

static bool lock_arenas(bool may_wait)
{
    if (!may_wait)
        return try_lock_arenas();
    lock_acquire(&arena_lock);
    return true;
}

static bool each_pool_of(uint32_t arena, bool may_wait,
                         void (*visit)(const struct pool *pool, void *context), void *context)
{
    if (!lock_arenas(may_wait))
        return false;
    visit_pools(arena, visit, context);
    lock_release(&arena_lock);
    return true;
}

static bool each_pool(bool may_wait, void (*visit)(const struct pool *pool, void *context),
                      void *context)
{
    uint32_t arenas = map_arena_end();
    for (uint32_t number = 0; number < arenas; number++)
        if (!each_pool_of(number, may_wait, visit, context))
            return false;
    return true;
}

void account_each_pool_of(uint32_t arena, void (*visit)(const struct pool *pool, void *context),
                          void *context)
{
    each_pool_of(arena, true, visit, context);
}

void account_each_pool(void (*visit)(const struct pool *pool, void *context), void *context)
{
    each_pool(true, visit, context);
}

void account_each_start(void (*visit)(const struct pool *pool, unsigned blocks, void *context),
                        void *context)
{
    for (uint32_t number = 1; number <= map.heap_end; number++) {
        const struct heap *heap = map_heap(number);
        for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
            const struct block *first = block_list_first(&heap->free[size_class]);
            if (first != NULL && heap_is_starting(heap, size_class))
                visit(map_pool(first), pool_count_list(map_pool(first), first), context);
        }
    }
}

/* Calls the function for blocks that account_pool counts as live though the program has not got
 * them. */
static void each_moving(void (*visit)(const struct pool *pool, unsigned blocks, void *context),
                        void *context)
{
    account_each_start(visit, context);
    for (uint32_t number = 1; number <= map.heap_end; number++)
        remote_each_chain(map_heap(number), visit, context);
}

/* ---- Pages of the arenas ---- */

struct accounting {
    struct molt_account sums;
    int pagemap;                          /* for os_resident_pages */
    unsigned char there[ARENA_PAGES_MAX]; /* the pages of an arena that are resident */
};

/* Takes `bytes` of *rest, or as many as there are. */
static size_t take(size_t *rest, size_t bytes)
{
    size_t taken = bytes < *rest ? bytes : *rest;
    *rest -= taken;
    return taken;
}

static void account_pool_pages(const struct pool *pool, void *context)
{
    struct accounting *accounting = context;
    unsigned char *there = &accounting->there[arena_page_of((void *)pool->start)];
    struct pool_blocks blocks = account_pool(pool);
    size_t bytes = pool_block_bytes(pool), carved = pool_carved(pool) * bytes;
    size_t page = os_page_bytes(), in_blocks = 0, resident = 0;
    for (size_t at = 0; at < POOL_BYTES; at += page, there++) {
        size_t of_blocks = at >= carved ? 0 : carved - at < page ? carved - at : page;
        resident += *there * page;
        in_blocks += *there * of_blocks;
        *there = 0;
    }
    accounting->sums.uncarved_bytes += resident - in_blocks;
    accounting->sums.live_pool_bytes += take(&in_blocks, blocks.live * bytes);
    accounting->sums.moving_bytes += take(&in_blocks, blocks.waiting * bytes);
    accounting->sums.free_bytes += in_blocks;
}

static void account_run(struct accounting *accounting, unsigned first, uint16_t entry)
{
    unsigned end = first + (entry & ~RUN_RETIRED);
    size_t resident = 0;
    for (unsigned page = first; page < end && page < arena_pages(); page++) {
        resident += accounting->there[page];
        accounting->there[page] = 0;
    }
    bool is_live = (entry & RUN_RETIRED) == 0;
    *(is_live ? &accounting->sums.live_run_bytes : &accounting->sums.cached_bytes) +=
        resident << os_page_shift;
}

/* Pools and runs clear their pages in `there`; what is left is idle, or nobody's. */
static void account_arena(struct accounting *accounting, uint32_t number)
{
    const struct arena *arena = map_arena(number);
    lock_acquire(&arena_lock);
    os_resident_pages(accounting->pagemap, (void *)map_arena_start(number), arena_pages(),
                      accounting->there);
    visit_pools(number, account_pool_pages, accounting);
    for (unsigned page = 0; page < arena_pages(); page++) {
        uint16_t entry = atomic_load_explicit(&arena->runs[page], memory_order_relaxed);
        if (entry != 0)
            account_run(accounting, page, entry);
    }
    for (unsigned page = 0; page < arena_pages(); page++) {
        bool is_used = bits_test(arena->used, page);
        *(is_used ? &accounting->sums.lost_bytes : &accounting->sums.idle_bytes) +=
            (size_t)accounting->there[page] << os_page_shift;
    }
    lock_release(&arena_lock);
}

/* ---- All else ---- */

static void account_span(const char *start, size_t bytes, size_t span_bytes, void *context)
{
    struct accounting *accounting = context;
    size_t block = os_resident_bytes(accounting->pagemap, start, bytes);
    size_t behind = os_resident_bytes(accounting->pagemap, start + bytes, span_bytes - bytes);
    accounting->sums.live_huge_bytes += block;
    *(bytes > 0 ? &accounting->sums.slack_bytes : &accounting->sums.cached_bytes) += behind;
}

static void account_table(const void *start, size_t bytes, void *context)
{
    struct accounting *accounting = context;
    accounting->sums.table_bytes += os_resident_bytes(accounting->pagemap, start, bytes);
}

static void account_moving(const struct pool *pool, unsigned blocks, void *context)
{
    struct molt_account *sums = context;
    sums->moving_bytes += take(&sums->live_pool_bytes, blocks * pool_block_bytes(pool));
}

/* What molt has. */
static void account_own(struct accounting *accounting)
{
    uint32_t arenas = map_arena_end();
    for (uint32_t number = 0; number < arenas; number++)
        account_arena(accounting, number);
    each_moving(account_moving, &accounting->sums);
    lock_acquire(&huge_lock);
    huge_each_span(account_span, accounting);
    if (huge_table() != NULL)
        account_table(huge_table(), huge_totals.table_bytes, accounting);
    lock_release(&huge_lock);
    map_each_table(account_table, accounting);
}

/* The fields of molt_account that add up to the first. */
static const struct figure figures[] = {
    FIGURE(molt_account, rss_bytes, "resident memory of the process: the sum of all that follows"),
    FIGURE(molt_account, live_pool_bytes, "blocks in use in pools, rounding included"),
    FIGURE(molt_account, live_run_bytes, "blocks in use in runs, rounding included"),
    FIGURE(molt_account, live_huge_bytes, "blocks in use with a mapping of their own"),
    FIGURE(molt_account, free_bytes, "free blocks of pools"),
    FIGURE(molt_account, moving_bytes, "blocks on the way between threads"),
    FIGURE(molt_account, uncarved_bytes, "memory of pools that is no blocks yet"),
    FIGURE(molt_account, idle_bytes, "free pages that are still memory"),
    FIGURE(molt_account, cached_bytes, "freed runs and huge blocks kept for the next"),
    FIGURE(molt_account, slack_bytes, "behind huge blocks, to the ends of their mappings"),
    FIGURE(molt_account, lost_bytes, "pages that belong to nothing, after a fork"),
    FIGURE(molt_account, table_bytes, "molt's own tables"),
    FIGURE(molt_account, profiler_bytes, "the heap profiler"),
    FIGURE(molt_account, other_bytes, "not malloc's: programs, libraries, stacks, other mappings"),
};
#define FIGURES (sizeof figures / sizeof figures[0])
_Static_assert(FIGURES == sizeof(struct molt_account) / sizeof(size_t), "a figure for each field");

static size_t sum_of_own(const struct molt_account *sums)
{
    size_t sum = 0;
    for (size_t i = 1; i < FIGURES; i++)
        sum += figure_value(&figures[i], sums);
    return sum;
}

void account_get(struct molt_account *out)
{
    struct accounting accounting = {.pagemap = os_resident_open()};
    if (map.bytes != 0)
        account_own(&accounting);
    os_resident_close(accounting.pagemap);
    accounting.sums.profiler_bytes = profile_hooks.own_bytes();
    size_t own = sum_of_own(&accounting.sums), all = os_process_bytes();
    accounting.sums.rss_bytes = all;
    accounting.sums.other_bytes = all > own ? all - own : 0;
    *out = accounting.sums;
}

/* ---- Classes ---- */

static size_t class_kind(unsigned size_class)
{
    if (size_class < OBJECT_CLASS_FIRST)
        return MOLT_CLASS_BLOCKS;
    return size_class < OBJECT_CLASS_FIRST + OBJECT_CLASSES ? MOLT_CLASS_TRACKED
                                                            : MOLT_CLASS_UNTRACKED;
}

void account_add_to_class(struct molt_class classes[ACCOUNT_CLASSES], const struct pool *pool,
                          const struct pool_blocks *blocks)
{
    struct molt_class *class = &classes[pool->size_class];
    class->pools++;
    class->live_blocks += blocks->live;
    class->free_blocks += blocks->listed;
    class->moving_blocks += blocks->waiting;
    class->hole_blocks += blocks->in_holes;
    class->uncarved_blocks += pool->capacity - pool_carved(pool);
}

static void count_in_class(const struct pool *pool, void *classes)
{
    struct pool_blocks blocks = account_pool(pool);
    account_add_to_class(classes, pool, &blocks);
}

static void move_in_class(const struct pool *pool, unsigned blocks, void *classes)
{
    struct molt_class *class = (struct molt_class *)classes + pool->size_class;
    class->moving_blocks += take(&class->live_blocks, blocks);
}

void account_begin_classes(struct molt_class out[ACCOUNT_CLASSES])
{
    for (unsigned i = 0; i < ACCOUNT_CLASSES; i++)
        out[i] = (struct molt_class){.block_bytes = size_class_bytes(i), .kind = class_kind(i)};
}

void account_end_classes(struct molt_class classes[ACCOUNT_CLASSES])
{
    each_moving(move_in_class, classes);
}

static bool get_classes(bool may_wait, struct molt_class out[ACCOUNT_CLASSES])
{
    account_begin_classes(out);
    if (!each_pool(may_wait, count_in_class, out))
        return false;
    account_end_classes(out);
    return true;
}

void account_get_classes(struct molt_class out[ACCOUNT_CLASSES])
{
    get_classes(true, out);
}

bool account_try_classes(struct molt_class out[ACCOUNT_CLASSES])
{
    return get_classes(false, out);
}

/* ---- Output ---- */

static const struct figure class_figures[] = {
    FIGURE(molt_class, pools, "pools of the size class"),
    FIGURE(molt_class, live_blocks, "blocks in use"),
    FIGURE(molt_class, free_blocks, "free blocks in lists"),
    FIGURE(molt_class, moving_blocks, "blocks on the way between threads"),
    FIGURE(molt_class, hole_blocks, "free blocks without memory"),
    FIGURE(molt_class, uncarved_blocks, "blocks that the pools have room for beside these"),
};
#define CLASS_FIGURES (sizeof class_figures / sizeof class_figures[0])

static const char *const kinds[] = {"blocks", "tracked objects", "untracked objects"};

static void append_class(struct report_line *line, const struct molt_class *class, bool is_json)
{
    report_append(line, is_json ? "{\"block_bytes\": %zu, \"kind\": \"%s\"" : "%zu bytes, %s:",
                  class->block_bytes, kinds[class->kind]);
    for (size_t i = 0; i < CLASS_FIGURES; i++)
        report_append(line, is_json ? ", \"%s\": %zu" : " %s %zu", class_figures[i].name,
                      figure_value(&class_figures[i], class));
}

void account_append_class(struct report_line *line, const struct molt_class *class)
{
    append_class(line, class, false);
}

static int write_class(int fd, const struct molt_class *class, bool is_json, const char *before)
{
    struct report_line line = {.length = 0};
    report_append(&line, "%s", before);
    append_class(&line, class, is_json);
    report_append(&line, is_json ? "}" : "\n");
    return report_write(fd, line.text, line.length);
}

/* JSON closes the object that figure_write_all has opened. */
static int write_classes(int fd, const struct molt_class *classes, bool is_json)
{
    const char *before = is_json ? ", \"classes\": [" : "molt: class of ";
    bool is_empty = true;
    for (unsigned i = 0; i < ACCOUNT_CLASSES; i++) {
        if (classes[i].pools == 0)
            continue;
        if (write_class(fd, &classes[i], is_json, before) != 0)
            return -1;
        is_empty = false;
        before = is_json ? ", " : before;
    }
    if (!is_json)
        return 0;
    return is_empty ? report_write(fd, "}\n", 2) : report_write(fd, "]}\n", 3);
}

/* Prometheus wants all samples of a name in one place. */
static int write_class_samples(int fd, const struct molt_class *classes)
{
    for (size_t f = 0; f < CLASS_FIGURES; f++) {
        const struct figure *figure = &class_figures[f];
        struct report_line head = {.length = 0};
        report_append(&head, "# HELP molt_class_%s %s\n# TYPE molt_class_%s gauge\n", figure->name,
                      figure->help, figure->name);
        if (report_write(fd, head.text, head.length) != 0)
            return -1;
        for (unsigned i = 0; i < ACCOUNT_CLASSES; i++) {
            struct report_line line = {.length = 0};
            report_append(&line, "molt_class_%s{bytes=\"%zu\",kind=\"%s\"} %zu\n", figure->name,
                          classes[i].block_bytes, kinds[classes[i].kind],
                          figure_value(figure, &classes[i]));
            if (classes[i].pools > 0 && report_write(fd, line.text, line.length) != 0)
                return -1;
        }
    }
    return 0;
}

int account_write(int fd, enum molt_format format)
{
    struct molt_account sums;
    struct molt_class classes[ACCOUNT_CLASSES];
    if (!figure_has_format(format))
        return -1;
    account_get(&sums);
    account_get_classes(classes);
    if (figure_write_all(fd, format, "account_", figures, FIGURES, &sums) != 0)
        return -1;
    return format == MOLT_PROMETHEUS ? write_class_samples(fd, classes)
                                     : write_classes(fd, classes, format == MOLT_JSON);
}
