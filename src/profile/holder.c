/* holder.c: the pools, the shares of records in them, and the lines. */
#include "holder.h"

#include "listing.h"
#include "record.h"
#include "stack.h"

#include "alloc/account.h"
#include "alloc/init.h" // init_done
#include "alloc/map.h"
#include "base/random.h" // random_weight
#include "base/sort.h"
#include "molt.h"
#include "os/os.h"

#include <errno.h>
#include <stdbool.h>

/* The stacks that are listed are the first ones that hold so much together; at most so many. */
enum { LISTED_PERCENT = 80, LISTED_MAX = 100 };

/* Size classes; those of objects that can be in a cycle and those that cannot count as one. */
enum { KINDS = OBJECT_CLASS_FIRST + OBJECT_CLASSES };

struct pool_use {
    uint32_t free_bytes;
    uint16_t live; /* 0: there is no such pool, or nothing lives in it */
    uint16_t kind;
};

struct kind_use {
    size_t free_bytes, live; /* of the pools in which anything lives */
    size_t lone_bytes, lone; /* free bytes of those in which one block does, and how many */
    double recorded;         /* live blocks that the samples stand for … */
    double variance;         /* … and the variance of that */
    double held;             /* sum over the samples */
};

/* What a record's blocks hold; later what all blocks of a stack hold. */
struct share {
    const struct stack *stack;
    const char *type;
    double held, blocks;
    uint64_t oldest_ns, median_ns; /* when they were allocated */
    uint32_t least_bytes, most_bytes;
    unsigned kind;
};

struct holding {
    struct listing listing;
    struct record_totals totals;
    struct pool_use *pools; /* by their places in the window */
    size_t pool_count;
    struct kind_use *kinds;
    struct share *shares;
    size_t count, capacity;
    double free_bytes, empty_bytes; /* in all pools; in those in which nothing lives */
    uint64_t now_ns;
};

static unsigned kind_of(unsigned size_class)
{
    return size_class < KINDS ? size_class : size_class - OBJECT_CLASSES;
}

/* ---- Pools ---- */

static void note_pool(const struct pool *pool, void *context)
{
    struct holding *holding = context;
    struct pool_blocks blocks = account_pool(pool);
    size_t free_bytes = (blocks.listed + blocks.waiting) * pool_block_bytes(pool);
    size_t place = (pool->start - map.base) / POOL_BYTES;
    struct kind_use *kind = &holding->kinds[kind_of(pool->size_class)];
    holding->free_bytes += (double)free_bytes;
    if (blocks.live == 0)
        holding->empty_bytes += (double)free_bytes;
    if (blocks.live == 0 || place >= holding->pool_count)
        return;
    holding->pools[place] = (struct pool_use){(uint32_t)free_bytes, (uint16_t)blocks.live,
                                              (uint16_t)kind_of(pool->size_class)};
    kind->free_bytes += free_bytes;
    kind->live += blocks.live;
    kind->lone += blocks.live == 1;
    kind->lone_bytes += blocks.live == 1 ? free_bytes : 0;
}

/* What is known of a pool with blocks of that size; NULL: it is none, or nothing lives in it. */
static const struct pool_use *use_of(const struct holding *holding, uintptr_t address, size_t bytes)
{
    size_t place = (address - map.base) / POOL_BYTES;
    if (address < map.base || place >= holding->pool_count)
        return NULL;
    const struct pool_use *use = &holding->pools[place];
    return use->live != 0 && (bytes == 0 || size_class_bytes(use->kind) == bytes) ? use : NULL;
}

/* ---- Shares ---- */

static void share_exactly(struct holding *holding, const struct record *record, struct share *share)
{
    const struct pool_use *use = use_of(holding, (uintptr_t)record->block, 0);
    share->blocks = 1;
    if (use != NULL)
        share->held = (double)use->free_bytes / use->live;
}

/* The free bytes that the block would hold alone. */
static double lone_bytes(const struct kind_use *kind)
{
    return kind->lone == 0 ? (double)os_page_bytes()
                           : (double)kind->lone_bytes / (double)kind->lone;
}

static void share_by_home(struct holding *holding, const struct record *record, struct share *share)
{
    const struct pool *home = map_pool_by_number(record->home);
    if (home == NULL || record->bytes > BLOCK_MAX)
        return;
    const struct pool_use *use = use_of(holding, home->start, record->bytes);
    if (use != NULL)
        share->kind = use->kind;
    else
        share->kind = share->type == NULL ? size_class_of(record->bytes)
                                          : object_class_of(record->bytes, true);
    struct kind_use *kind = &holding->kinds[share->kind];
    double held = use != NULL ? (double)use->free_bytes / (use->live + 1) : lone_bytes(kind);
    share->blocks = random_weight(record->bytes, holding->totals.mean);
    share->held = share->blocks * held;
    kind->held += share->held;
    kind->recorded += share->blocks;
    kind->variance += share->blocks * (share->blocks - 1);
}

static bool note_record(const struct record *record, void *context)
{
    struct holding *holding = context;
    struct share *share = &holding->shares[holding->count++];
    *share = (struct share){.stack = record->site->stack, .type = record->site->type};
    share->oldest_ns = record->at_ns;
    share->least_bytes = share->most_bytes = (uint32_t)record->bytes;
    if (holding->totals.mean <= 1)
        share_exactly(holding, record, share);
    else
        share_by_home(holding, record, share);
    if (share->held == 0)
        holding->count--;
    return holding->count < holding->capacity;
}

/* Which part of a kind's live blocks is sampled from: all, unless the samples are fewer by two
 * standard deviations. */
static double recorded_part(const struct kind_use *kind)
{
    double missing = (double)kind->live - kind->recorded;
    if (missing <= 0 || missing * missing <= 4 * kind->variance)
        return 1;
    return kind->recorded / (double)kind->live;
}

/* By how much the estimates of a kind are too high or low. */
static double scale_of(const struct kind_use *kind)
{
    return (double)kind->free_bytes * recorded_part(kind) / kind->held;
}

static void scale_shares(struct holding *holding)
{
    for (size_t n = 0; n < holding->count && holding->totals.mean > 1; n++)
        holding->shares[n].held *= scale_of(&holding->kinds[holding->shares[n].kind]);
}

/* ---- Stacks ---- */

static bool is_alike(const struct share *a, const struct share *b)
{
    return a->stack == b->stack && a->type == b->type;
}

static int compare_stacks(const void *left, const void *right)
{
    const struct share *a = left, *b = right;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return a->oldest_ns < b->oldest_ns ? -1 : a->oldest_ns > b->oldest_ns;
}

static int compare_held(const void *left, const void *right)
{
    const struct share *a = left, *b = right;
    return a->held > b->held ? -1 : a->held < b->held;
}

/* Adds up shares of one stack, the oldest first. */
static struct share sum_up(const struct share *shares, size_t count)
{
    struct share sum = shares[0];
    double half = 0;
    for (size_t n = 1; n < count; n++) {
        sum.held += shares[n].held;
        sum.blocks += shares[n].blocks;
        if (shares[n].least_bytes < sum.least_bytes)
            sum.least_bytes = shares[n].least_bytes;
        if (shares[n].most_bytes > sum.most_bytes)
            sum.most_bytes = shares[n].most_bytes;
    }
    for (size_t n = 0; n < count && half < sum.blocks / 2; n++) {
        half += shares[n].blocks;
        sum.median_ns = shares[n].oldest_ns;
    }
    return sum;
}

/* Leaves one share for each stack, those that hold most first. */
static void join_shares(struct holding *holding)
{
    struct share *shares = holding->shares;
    size_t joined = 0;
    sort(shares, holding->count, sizeof *shares, compare_stacks);
    for (size_t first = 0, end = 0; first < holding->count; first = end) {
        while (end < holding->count && is_alike(&shares[first], &shares[end]))
            end++;
        shares[joined++] = sum_up(&shares[first], end - first);
    }
    holding->count = joined;
    sort(shares, joined, sizeof *shares, compare_held);
}

/* ---- Lines ---- */

static size_t rounded(double number)
{
    return (size_t)(number + 0.5);
}

/* As "5.1 MiB". */
static void append_short(struct report_line *line, double bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    if (bytes < 1024) {
        report_append(line, "%zu bytes", rounded(bytes));
        return;
    }
    for (bytes /= 1024; bytes >= 1023.95 && unit < 3; unit++)
        bytes /= 1024;
    size_t tenths = rounded(bytes * 10);
    report_append(line, "%zu.%zu %s", tenths / 10, tenths % 10, units[unit]);
}

static void append_age(struct report_line *line, const struct holding *holding, uint64_t at_ns)
{
    uint64_t tenths = at_ns < holding->now_ns ? (holding->now_ns - at_ns) / 100000000 : 0;
    report_append(line, "%zu.%zu s", (size_t)(tenths / 10), (size_t)(tenths % 10));
}

static size_t percent_of_free(const struct holding *holding, double held)
{
    return holding->free_bytes == 0 ? 0 : rounded(100 * held / holding->free_bytes);
}

/* Returns how many of the stacks are listed, and what they hold. */
static size_t listed(const struct holding *holding, double *held)
{
    size_t count = 0;
    for (*held = 0; count < holding->count && count < LISTED_MAX; count++) {
        if (*held * 100 >= holding->free_bytes * LISTED_PERCENT)
            break;
        *held += holding->shares[count].held;
    }
    return count;
}

static void write_head(struct holding *holding, size_t stacks, double held)
{
    struct report_line line = {.length = 0};
    report_append(&line, "holders: %zu stack%s %zu %% of ", stacks,
                  stacks == 1 ? " holds" : "s hold", percent_of_free(holding, held));
    append_short(&line, holding->free_bytes);
    report_append(&line, " free in pools");
    listing_write(&holding->listing, &line);
}

static void write_share(struct holding *holding, const struct share *share)
{
    struct report_line line = {.length = 0};
    size_t blocks = rounded(share->blocks);
    report_append(&line, "holder: %zu bytes (%zu %%): %zu block%s of %u", rounded(share->held),
                  percent_of_free(holding, share->held), blocks, blocks == 1 ? "" : "s",
                  share->least_bytes);
    if (share->most_bytes != share->least_bytes)
        report_append(&line, " to %u", share->most_bytes);
    report_append(&line, " bytes");
    if (share->type != NULL)
        report_append(&line, " (%s)", share->type);
    report_append(&line, ", the oldest ");
    append_age(&line, holding, share->oldest_ns);
    report_append(&line, " old, half of them ");
    append_age(&line, holding, share->median_ns);
    report_append(&line, " or older, allocated");
    listing_write_stack(&holding->listing, &line, share->stack);
}

static void write_sum(struct holding *holding, double bytes, const char *what)
{
    struct report_line line = {.length = 0};
    if (rounded(bytes) == 0)
        return;
    report_append(&line, "holders: ");
    append_short(&line, bytes);
    report_append(&line, " %s", what);
    listing_write(&holding->listing, &line);
}

static void write_rest(struct holding *holding, size_t stacks)
{
    double all = 0, others = 0;
    struct report_line line = {.length = 0};
    for (size_t n = 0; n < holding->count; n++) {
        all += holding->shares[n].held;
        others += n < stacks ? 0 : holding->shares[n].held;
    }
    double unknown = holding->free_bytes - holding->empty_bytes - all;
    write_sum(holding, others, "more are held by other stacks");
    write_sum(holding, unknown > 0 ? unknown : 0,
              holding->totals.mean > 1 ? "are held by blocks that no sample stands for"
                                       : "are held by blocks that are not recorded");
    write_sum(holding, holding->empty_bytes, "are in pools in which nothing lives");
    if (holding->totals.mean > 1) {
        report_append(&line, "holders: estimated by %zu samples, one in %zu bytes",
                      (size_t)holding->totals.live_count, holding->totals.mean);
        listing_write(&holding->listing, &line);
    }
}

static void write_all(struct holding *holding)
{
    double held;
    size_t stacks = listed(holding, &held);
    write_head(holding, stacks, held);
    for (size_t n = 0; n < stacks; n++)
        write_share(holding, &holding->shares[n]);
    write_rest(holding, stacks);
}

/* ---- A report ---- */

static size_t pool_array_bytes(const struct holding *holding)
{
    return os_round_to_pages((holding->pool_count + 1) * sizeof *holding->pools);
}

static size_t kind_array_bytes(void)
{
    return os_round_to_pages(KINDS * sizeof(struct kind_use));
}

static size_t share_array_bytes(const struct holding *holding)
{
    return os_round_to_pages(holding->capacity * sizeof *holding->shares);
}

static bool begin(struct holding *holding)
{
    holding->pool_count = (size_t)map_arena_end() * ARENA_POOLS;
    holding->capacity = (size_t)holding->totals.live_count + 1;
    holding->pools = os_map(pool_array_bytes(holding));
    holding->kinds = os_map(kind_array_bytes());
    holding->shares = os_map(share_array_bytes(holding));
    return holding->pools != NULL && holding->kinds != NULL && holding->shares != NULL;
}

static void end(struct holding *holding)
{
    if (holding->pools != NULL)
        os_unmap(holding->pools, pool_array_bytes(holding));
    if (holding->kinds != NULL)
        os_unmap(holding->kinds, kind_array_bytes());
    if (holding->shares != NULL)
        os_unmap(holding->shares, share_array_bytes(holding));
}

int holder_report(int fd)
{
    struct holding holding = {.listing = {.fd = fd}};
    record_totals_get(&holding.totals);
    if (!init_done() || holding.totals.mean == 0)
        return ENODATA;
    int error = ENOMEM;
    if (begin(&holding)) {
        account_each_pool(note_pool, &holding);
        holding.now_ns = os_now_ns();
        record_each_live(note_record, &holding);
        scale_shares(&holding);
        join_shares(&holding);
        write_all(&holding);
        error = listing_end(&holding.listing);
    }
    end(&holding);
    return error;
}

int molt_profile_holders(int fd)
{
    int error = holder_report(fd);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
