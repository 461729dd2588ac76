/* test_profile_record.c: the records of sampled blocks, and all that is counted of them. Blocks are
 * addresses alone here, which nobody reads. */
#include "requests.h"
#include "step.h"
#include "suites.h"
#include "unit.h"

#include "base/fork.h"
#include "base/tunables.h"
#include "molt.h"
#include "os/os.h"
#include "profile/memory.h"
#include "base/random.h"
#include "profile/record.h"
#include "profile/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 16, STACKS = 40 };

static struct stack *stacks[STACKS];

static void make_stacks(void)
{
    for (unsigned i = 0; i < STACKS; i++)
        stacks[i] = calloc(1, sizeof *stacks[i]);
    fork_set_repair(FORK_PROFILE, record_repair);
    record_restart(1);
}

/* The nth block's address. */
static void *block(size_t n)
{
    return (void *)(0x7f0000000000 + n * 16);
}

static bool add_object(void *of, size_t size, size_t bytes, const struct stack *stack,
                       const char *type)
{
    struct sample sample = {of, size, bytes, stack, type, .home = 0};
    return record_add(&sample);
}

static bool add_block(void *of, size_t size, size_t bytes, const struct stack *stack)
{
    return add_object(of, size, bytes, stack, NULL);
}

static void add(size_t n, size_t size, size_t bytes, size_t stack)
{
    bool is_added = add_block(block(n), size, bytes, stacks[stack]);
    REQUIRE(is_added, "block %zu", n);
}

static void drop(size_t n)
{
    bool is_removed = record_remove(block(n));
    REQUIRE(is_removed, "block %zu", n);
}

/* ---- What there is ---- */

static struct record_totals totals(void)
{
    struct record_totals totals;
    record_totals_get(&totals);
    return totals;
}

struct search {
    const struct stack *stack;
    size_t bytes;
    const struct site *found;
    unsigned sites;
};

static void look_at_site(const struct site *site, void *context)
{
    struct search *search = context;
    search->sites++;
    if (site->stack == search->stack && (search->bytes == 0 || site->bytes == search->bytes))
        search->found = site;
}

/* The site of the stack's blocks of that size; 0: of any. */
static const struct site *site_of(unsigned stack, size_t bytes)
{
    struct search search = {.stack = stacks[stack], .bytes = bytes};
    record_each_site(look_at_site, &search);
    ck_assert_ptr_nonnull(search.found);
    return search.found;
}

static unsigned sites(void)
{
    struct search search = {.sites = 0};
    record_each_site(look_at_site, &search);
    return search.sites;
}

static void count_in(const struct site *site, void *context)
{
    (void)context;
    REQUIRE(site->live_count == 0 && site->live_bytes == 0 && site->live_block_bytes == 0,
            "%zu live blocks of %zu bytes too many", (size_t)site->live_count,
            (size_t)site->live_bytes);
}

static bool subtract_record(const struct record *record, void *context)
{
    struct record_totals *left = context;
    left->live_count--;
    left->live_bytes -= record->size;
    left->live_estimate -=
        (uint64_t)((double)record->bytes * random_weight(record->bytes, left->mean));
    return true;
}

/* The sums are those over the live records. */
static bool sums_are_right(void)
{
    struct record_totals left = totals();
    record_each_live(subtract_record, &left);
    return left.live_count == 0 && left.live_bytes == 0 && left.live_estimate == 0;
}

static void check_that_nothing_lives(void)
{
    ck_assert_uint_eq(totals().live_count, 0);
    ck_assert_uint_eq(totals().live_bytes, 0);
    ck_assert_uint_eq(totals().live_estimate, 0);
    record_each_site(count_in, NULL);
    ck_assert(sums_are_right());
}

/* ---- One thread ---- */

START_TEST(test_a_block_is_counted)
{
    add(1, 50, 64, 0);
    add(2, 64, 64, 0);
    const struct site *site = site_of(0, 64);
    ck_assert_uint_eq(site->live_count, 2);
    ck_assert_uint_eq(site->live_bytes, 114);
    ck_assert_uint_eq(site->live_block_bytes, 128);
    drop(1);
    ck_assert_uint_eq(site->live_count, 1);
    ck_assert_uint_eq(site->live_bytes, 64);
    ck_assert_uint_eq(site->live_block_bytes, 64);
    ck_assert_uint_eq(site->total_count, 2);
    ck_assert_uint_eq(site->total_bytes, 114);
    ck_assert_uint_eq(site->total_block_bytes, 128);
    ck_assert_uint_eq(totals().live_count, 1);
    ck_assert_uint_eq(totals().total_count, 2);
    ck_assert_uint_eq(totals().sites, 1);
    ck_assert_uint_eq(totals().missed_count, 0);
    drop(2);
    check_that_nothing_lives();
}
END_TEST

START_TEST(test_blocks_without_a_record)
{
    ck_assert(!record_remove(block(1)));
    add(1, 8, 8, 0);
    for (size_t n = 2; n < 100 * 1000; n++)
        REQUIRE(!record_remove(block(n)), "block %zu", n);
    for (uintptr_t low = 0; low < 1000; low++)
        REQUIRE(!record_remove((void *)low), "address %zu", (size_t)low);
    record_resize(block(2), 3);
    drop(1);
    ck_assert(!record_remove(block(1)));
    check_that_nothing_lives();
}
END_TEST

static bool copy_record(const struct record *record, void *context)
{
    *(struct record *)context = *record;
    return true;
}

START_TEST(test_what_a_record_says)
{
    struct record record = {0};
    uint64_t before = os_now_ns();
    add(1, 100, 112, 0);
    record_each_live(copy_record, &record);
    ck_assert_ptr_eq(record.block, block(1));
    ck_assert_uint_eq(record.size, 100);
    ck_assert_uint_eq(record.bytes, 112);
    ck_assert_ptr_eq(record.site, site_of(0, 112));
    ck_assert_uint_eq(record.thread, (unsigned)gettid());
    ck_assert_uint_ge(record.at_ns, before);
    ck_assert_uint_le(record.at_ns, os_now_ns());
}
END_TEST

/* One site for the same stack, size, tag and type; else another one. */
START_TEST(test_sites)
{
    char type[] = "node";
    size_t n = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned stack = 0; stack < STACKS; stack++)
            for (size_t bytes = 16; bytes <= 160; bytes += 16)
                add(n++, bytes, bytes, stack);
        ck_assert_uint_eq(sites(), STACKS * 10);
    }
    for (unsigned round = 0; round < 2; round++) {
        ck_assert(add_object(block(n++), 16, 16, stacks[0], type));
        molt_tag_push(type);
        add(n++, 16, 16, 0);
        ck_assert(add_object(block(n++), 16, 16, stacks[0], "node"));
        molt_tag_pop();
        ck_assert(add_object(block(n++), 16, 16, stacks[0], "edge"));
        ck_assert_uint_eq(sites(), STACKS * 10 + 4);
    }
    ck_assert_uint_eq(totals().live_count, n);
    ck_assert_uint_eq(totals().sites, STACKS * 10 + 4);
}
END_TEST

/* The name's memory may go. */
START_TEST(test_type_and_tag_of_a_site)
{
    char text[] = "tree";
    molt_tag_push(text);
    strcpy(text, "node");
    ck_assert(add_object(block(1), 16, 16, stacks[0], text));
    strcpy(text, "gone");
    ck_assert_str_eq(site_of(0, 16)->tag, "tree");
    ck_assert_str_eq(site_of(0, 16)->type, "node");
    molt_tag_pop();
    add(2, 16, 16, 1);
    ck_assert_ptr_null(site_of(1, 16)->tag);
    ck_assert_ptr_null(site_of(1, 16)->type);
}
END_TEST

START_TEST(test_no_stack)
{
    ck_assert(add_block(block(1), 16, 16, NULL));
    ck_assert(add_block(block(2), 16, 16, NULL));
    struct record record = {0};
    record_each_live(copy_record, &record);
    ck_assert_ptr_nonnull(record.site->stack);
    ck_assert_uint_eq(record.site->stack->depth, 0);
    ck_assert_uint_eq(record.site->live_count, 2);
}
END_TEST

/* Large blocks of which next to each is sampled share sites, eight a doubling; others do not, since
 * they are not sampled alike. */
START_TEST(test_sites_of_large_blocks)
{
    size_t n = 0, page = 4096, bytes = 0;
    for (size_t pages = 9; pages < 8192; pages++) {
        bytes += pages * page;
        add(n++, pages * page - 1, pages * page, 0);
    }
    ck_assert_uint_gt(sites(), 70);
    ck_assert_uint_lt(sites(), 90);
    ck_assert_uint_eq(totals().live_bytes, bytes - n);
    ck_assert_uint_eq(totals().live_estimate, bytes);
    record_restart(512 << 10);
    for (size_t pages = 9; pages < 2048; pages++) /* less than 16 means */
        add(pages, 1, pages * page, 0);
    ck_assert_uint_eq(sites(), 2048 - 9);
    for (size_t pages = 2048; pages < 8192; pages++)
        add(pages, 1, pages * page, 1);
    ck_assert_uint_eq(sites(), 2048 - 9 + 17);
    add(0, 1, SIZE_MAX / 2, 2);
    ck_assert_uint_ge(site_of(2, 0)->bytes, SIZE_MAX / 2);
}
END_TEST

START_TEST(test_resize)
{
    add(1, 100, 128, 0);
    const struct site *site = site_of(0, 128);
    record_resize(block(1), 120);
    ck_assert_uint_eq(site->live_bytes, 120);
    ck_assert_uint_eq(site->total_bytes, 120);
    record_resize(block(1), 0);
    ck_assert_uint_eq(site->live_bytes, 0);
    ck_assert_uint_eq(site->total_bytes, 120);
    record_resize(block(1), 128);
    ck_assert(sums_are_right());
    drop(1);
    check_that_nothing_lives();
}
END_TEST

/* While a block is resized another one may get its address. */
START_TEST(test_set_aside)
{
    struct record before, after;
    add(1, 100, 128, 0);
    record_each_live(copy_record, &before);
    record_set_aside(block(1));
    ck_assert_uint_eq(totals().live_count, 1);
    record_each_live(copy_record, &after);
    ck_assert_mem_eq(&before, &after, offsetof(struct record, place) - sizeof(uint32_t));
    ck_assert(!record_remove(block(1)));
    record_put_back(block(1));
    record_set_aside(block(1));
    add(1, 200, 256, 1);
    ck_assert_uint_eq(totals().live_bytes, 300);
    record_remove_aside(block(1));
    record_remove_aside(block(1));
    record_put_back(block(1));
    record_each_live(copy_record, &after);
    ck_assert_uint_eq(after.size, 200);
    ck_assert_uint_eq(totals().live_bytes, 200);
    ck_assert(sums_are_right());
    drop(1);
    check_that_nothing_lives();
}
END_TEST

/* What was set aside in the profile before does not come back. */
START_TEST(test_set_aside_in_a_restart)
{
    add(1, 100, 128, 0);
    record_set_aside(block(1));
    record_set_aside(block(2));
    record_restart(5);
    record_put_back(block(1));
    record_remove_aside(block(1));
    record_remove_aside(block(2));
    ck_assert(!record_remove(block(1)));
    check_that_nothing_lives();
}
END_TEST

static void *remove_first(void *unused)
{
    drop(1);
    return unused;
}

START_TEST(test_temporary_blocks)
{
    add(1, 16, 16, 0);
    const struct site *site = site_of(0, 16);
    drop(1);
    ck_assert_uint_eq(site->temporary_count, 1);
    add(1, 16, 16, 0);
    add(2, 16, 16, 0);
    drop(1); /* another sample came before */
    ck_assert_uint_eq(site->temporary_count, 1);
    drop(2);
    ck_assert_uint_eq(site->temporary_count, 2);
    add(1, 16, 16, 0);
    unit_in_thread(remove_first, NULL); /* no thread's next sample came, but it is not its thread */
    ck_assert_uint_eq(site->temporary_count, 2);
    ck_assert_uint_eq(totals().temporary_count, 2);
}
END_TEST

START_TEST(test_lifetimes)
{
    struct site site = {.total_count = 0};
    uint64_t ns = 1000;
    for (unsigned i = 0; i < SITE_LIFETIMES; i++, ns *= 10) {
        site_note_lifetime(&site, i == 0 ? 0 : ns / 10, false);
        site_note_lifetime(&site, i == SITE_LIFETIMES - 1 ? UINT64_MAX : ns - 1, false);
        for (unsigned j = 0; j < SITE_LIFETIMES; j++)
            ck_assert_uint_eq(site.lifetimes[j], j <= i ? 2 : 0);
    }
    ck_assert_uint_eq(site.temporary_count, 0);
}
END_TEST

/* A real one: of 2 ms at least, and not of hours. */
START_TEST(test_a_lifetime)
{
    add(1, 16, 16, 0);
    usleep(2000);
    drop(1);
    const struct site *site = site_of(0, 16);
    uint64_t sum = 0;
    for (unsigned i = 4; i < SITE_LIFETIMES; i++)
        sum += site->lifetimes[i];
    ck_assert_uint_eq(sum, 1);
}
END_TEST

/* ---- Estimates and the peak ---- */

START_TEST(test_estimate)
{
    static const size_t sizes[] = {8, 48, 32 << 10, 600 << 10, 9 << 20};
    double expected = 0;
    record_restart(512 << 10);
    ck_assert_uint_eq(totals().mean, 512 << 10);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        add(i, sizes[i] - 1, sizes[i], i);
        expected += (double)sizes[i] * random_weight(sizes[i], 512 << 10);
    }
    ck_assert_double_eq_tol((double)totals().live_estimate, expected, COUNT_OF(sizes));
    ck_assert_uint_gt(totals().live_estimate, 3 * 512 << 10);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++)
        drop(i);
    check_that_nothing_lives();
}
END_TEST

/* The counts are kept when 5 % more lives. */
START_TEST(test_peak)
{
    enum { BLOCK = 1000 };
    uint64_t before = os_now_ns();
    for (size_t n = 0; n < 1000; n++)
        add(n, BLOCK - 1, BLOCK, n % 2);
    uint64_t peak = totals().peak_estimate;
    ck_assert_uint_gt(peak, 1000 * BLOCK / 21 * 20);
    ck_assert_uint_le(peak, 1000 * BLOCK);
    const struct site *even = site_of(0, BLOCK), *odd = site_of(1, BLOCK);
    ck_assert_uint_eq(even->peak_block_bytes + odd->peak_block_bytes, peak);
    ck_assert_uint_eq(even->peak_count + odd->peak_count, peak / BLOCK);
    ck_assert_uint_eq(even->peak_bytes, even->peak_count * (BLOCK - 1));
    for (size_t n = 0; n < 1000; n++)
        drop(n);
    for (size_t n = 0; n < peak / BLOCK * 21 / 20; n++)
        add(n, BLOCK - 1, BLOCK, 2);
    ck_assert_uint_eq(totals().peak_estimate, peak);
    ck_assert_uint_eq(site_of(2, BLOCK)->peak_count, 0);
    ck_assert_uint_eq(even->peak_block_bytes + odd->peak_block_bytes, peak);
    add(2000, BLOCK - 1, BLOCK, 2);
    ck_assert_uint_gt(totals().peak_estimate, peak / 20 * 21);
    ck_assert_uint_eq(even->peak_count, 0);
    ck_assert_uint_eq(site_of(2, BLOCK)->peak_block_bytes, totals().peak_estimate);
    ck_assert_uint_ge(totals().peak_at_ns, before);
    ck_assert_uint_le(totals().peak_at_ns, os_now_ns());
}
END_TEST

/* ---- Many records ---- */

static uint64_t seen_sum;

static bool sum_block(const struct record *record, void *left)
{
    seen_sum += (uintptr_t)record->block;
    return --*(size_t *)left != 0;
}

START_TEST(test_many_records)
{
    size_t count = unit_is_sanitized() ? 20 * 1000 : 200 * 1000;
    uint64_t sum = 0;
    for (size_t n = 0; n < count; n++) {
        add(n * n, n, n | 1, n % STACKS);
        sum += (uintptr_t)block(n * n);
    }
    size_t left = SIZE_MAX;
    record_each_live(sum_block, &left);
    ck_assert_uint_eq(SIZE_MAX - left, count);
    ck_assert_uint_eq(seen_sum, sum);
    left = 10;
    record_each_live(sum_block, &left); /* stops when told to */
    ck_assert_uint_eq(left, 0);
    for (size_t n = 0; n < count; n++)
        if (n % 3 != 0)
            drop(n * n);
    ck_assert_uint_eq(totals().live_count, (count + 2) / 3);
    ck_assert(sums_are_right());
    for (size_t n = 0; n < count; n++)
        REQUIRE(record_remove(block(n * n)) == (n % 3 == 0), "block %zu", n);
    check_that_nothing_lives();
    ck_assert_uint_eq(totals().missed_count, 0);
}
END_TEST

/* Blocks at the addresses that sampled ones have: neighbours in a pool, and starts of pools, runs
 * and mappings. They take no more than four times what the records themselves do. */
START_TEST(test_memory_of_records)
{
    static const size_t steps[] = {16, 48, 4096, 64 << 10, 2 << 20, 4 << 20};
    enum { RECORDS = 10 * 1000 };
    size_t step = steps[_i], before = profile_memory_bytes();
    for (size_t n = 0; n < RECORDS; n++)
        add(n * (step / 16), 8, 8, 0);
    size_t slot = 56, bytes = profile_memory_bytes() - before;
    REQUIRE(bytes < 4 * RECORDS * slot, "%zu bytes", bytes);
    /* what comes and goes takes little more: free slots are used again */
    for (size_t n = 0; n < 20 * RECORDS; n++) {
        drop(n * (step / 16));
        add((n + RECORDS) * (step / 16), 8, 8, 0);
    }
    ck_assert_uint_lt(profile_memory_bytes() - before, 7 * RECORDS * slot);
}
END_TEST

/* ---- A new profile ---- */

START_TEST(test_restart)
{
    for (size_t n = 0; n < 1000; n++)
        add(n, 16, 16, n % STACKS);
    drop(0);
    record_restart(4096);
    ck_assert_uint_eq(sites(), 0);
    struct record_totals now = totals(), none = {.mean = 4096};
    ck_assert_mem_eq(&now, &none, sizeof none);
    for (size_t n = 0; n < 1000; n++)
        REQUIRE(!record_remove(block(n)), "block %zu", n);
    check_that_nothing_lives();
    add(7, 16, 16, 0);
    ck_assert_uint_eq(site_of(0, 16)->total_count, 1);
    ck_assert_uint_eq(site_of(0, 16)->peak_count, 1);
    ck_assert_uint_eq(totals().live_count, 1);
    record_restart(0);
    ck_assert_uint_eq(totals().mean, 1);
}
END_TEST

/* However often: the memory is used again. */
START_TEST(test_restarts_take_no_memory)
{
    size_t bytes = 0;
    for (size_t round = 0; round < 100; round++) {
        record_restart(round + 1);
        for (size_t n = 0; n < 100; n++)
            add(n, 16, 16, n % STACKS);
        if (round == 0)
            bytes = profile_memory_bytes();
    }
    ck_assert_uint_eq(profile_memory_bytes(), bytes);
}
END_TEST

/* ---- Without memory ---- */

/* Each request for memory fails once: a sample is missed or it is not, and all is counted. */
START_TEST(test_any_request_fails)
{
    unsigned long nth = 0, missed = 0;
    do {
        char name[20];
        snprintf(name, sizeof name, "%lu", ++nth);
        molt_tag_push(name);
        requests_fail(nth);
        size_t kept = 0;
        for (size_t n = 0; n < 2000; n++)
            kept += add_object(block(n), 16, 32, stacks[n % STACKS], name);
        bool have_failed = requests_have_failed();
        requests_fail(0);
        missed += 2000 - kept;
        struct record_totals now = totals();
        ck_assert_uint_eq(now.live_count, kept);
        ck_assert_uint_eq(now.missed_count, missed);
        ck_assert_uint_eq(now.missed_estimate, missed * 32);
        ck_assert_uint_ge(kept, have_failed ? 1990 : 2000);
        for (size_t n = 0; n < 2000; n++)
            kept -= record_remove(block(n));
        ck_assert_uint_eq(kept, 0);
        check_that_nothing_lives();
        molt_tag_pop();
        if (!have_failed)
            break;
    } while (true);
    ck_assert_uint_gt(nth, STACKS);
    ck_assert_uint_gt(missed, 0);
}
END_TEST

/* All memory is used up: what is missed is counted, and freed records serve again. */
START_TEST(test_no_memory_at_all)
{
    enum { KNOWN = 1000 };
    for (size_t n = 0; n < KNOWN; n++)
        add(n, 16, 16, 0);
    requests_fail_from(1);
    size_t kept = KNOWN, tried = 0;
    for (; tried < 100 * 1000; tried++)
        kept += add_block(block(KNOWN + tried), 16, 16, stacks[0]);
    ck_assert(!add_block(block(0), 16, 16, stacks[1])); /* a new site */
    ck_assert_uint_eq(totals().live_count, kept);
    ck_assert_uint_eq(totals().missed_count, KNOWN + tried - kept + 1);
    for (size_t n = 0; n < KNOWN; n++)
        drop(n);
    size_t again = 0;
    for (size_t n = 0; n < 100 * KNOWN; n++)
        again += add_block(block(1000 * 1000 + n), 16, 16, stacks[0]);
    ck_assert_uint_eq(again, KNOWN);
    ck_assert(sums_are_right());
    requests_fail(0);
    add(0, 16, 16, 1);
}
END_TEST

/* Not even for the first record. */
START_TEST(test_no_memory_from_the_start)
{
    requests_fail_from(1);
    ck_assert(!add_block(block(1), 16, 16, stacks[0]));
    ck_assert(!add_object(block(2), 16, 16, stacks[0], "type"));
    ck_assert(!record_remove(block(1)));
    check_that_nothing_lives();
    ck_assert_uint_eq(totals().missed_count, 2);
    ck_assert_uint_eq(totals().sites, 0);
}
END_TEST

/* ---- Many threads ---- */

enum { SHARED = 4096 };

/* Blocks that all threads take and free: who has stored CHANGES owns the block. */
enum { DEAD, LIVES, CHANGES };
static atomic_int marks[SHARED];
static atomic_bool stop;
static atomic_size_t added;

/* Does something to the block, whose mark says that nobody else does. Returns whether it lives. */
static bool change(unsigned n, bool lives, uint64_t *random, size_t *mine)
{
    unsigned size = n % 5 * 16 + 16;
    if (!lives) {
        add(n, size, size, n % STACKS);
        ++*mine;
        return true;
    }
    if (unit_random(random) % 8 == 0) {
        record_resize(block(n), size - 1);
        record_resize(block(n), size);
        return true;
    }
    drop(n);
    return false;
}

static void *add_and_remove(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    size_t rounds = unit_is_sanitized() ? 10 * 1000 : 50 * 1000, mine = 0;
    for (size_t i = 0; i < rounds; i++) {
        unsigned n = unit_random(&random) % SHARED;
        int old = atomic_exchange(&marks[n], CHANGES);
        if (old != CHANGES)
            atomic_store(&marks[n], change(n, old == LIVES, &random, &mine) ? LIVES : DEAD);
    }
    atomic_fetch_add(&added, mine);
    return NULL;
}

static bool check_record(const struct record *record, void *context)
{
    (void)context;
    size_t n = ((uintptr_t)record->block - (uintptr_t)block(0)) / 16;
    REQUIRE(n < SHARED && record->bytes == n % 5 * 16 + 16 &&
                record->site->stack == stacks[n % STACKS] && record->bytes == record->site->bytes,
            "record of block %zu, %zu bytes", n, record->bytes);
    return true;
}

/* Whatever others do, each record is whole. */
static void *read_records(void *unused)
{
    while (!atomic_load(&stop)) {
        record_each_live(check_record, NULL);
        totals();
        sites();
    }
    return unused;
}

static void run_threads(void *(*function)(void *), pthread_t threads[THREADS])
{
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, function, (void *)(i + 1)), 0);
}

static void join_threads(pthread_t threads[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

START_TEST(test_many_threads)
{
    pthread_t threads[THREADS], reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_records, NULL), 0);
    run_threads(add_and_remove, threads);
    join_threads(threads);
    atomic_store(&stop, true);
    pthread_join(reader, NULL);
    ck_assert_uint_eq(totals().total_count, added);
    ck_assert_uint_eq(totals().missed_count, 0);
    ck_assert(sums_are_right());
    for (unsigned n = 0; n < SHARED; n++)
        REQUIRE(record_remove(block(n)) == (marks[n] == LIVES), "block %u", n);
    check_that_nothing_lives();
}
END_TEST

/* Each thread has blocks of its own: it may be told of a record that it has had, or it is gone. */
static void *add_and_lose(void *number)
{
    size_t first = (uintptr_t)number * 1000;
    while (!atomic_load(&stop)) {
        for (size_t n = first; n < first + 100; n++)
            add_block(block(n), 16, 16, stacks[n % STACKS]);
        for (size_t n = first; n < first + 100; n++)
            record_remove(block(n));
    }
    return NULL;
}

/* New profiles while threads are at work: at the end all counts are right. */
START_TEST(test_restarts_among_threads)
{
    pthread_t threads[THREADS];
    run_threads(add_and_lose, threads);
    for (unsigned i = 0; i < 40; i++) {
        record_restart(i % 3 + 1);
        usleep(i % 10 * 100);
    }
    atomic_store(&stop, true);
    join_threads(threads);
    check_that_nothing_lives();
    ck_assert_uint_eq(totals().missed_count, 0);
    ck_assert_uint_ge(totals().total_count, totals().temporary_count);
}
END_TEST

/* ---- Signal handlers ---- */

/* A handler comes after some of the instructions, other ones in each run. */
enum { TRIALS = 200 };

static struct {
    unsigned wanted, seen; /* instructions */
} trial;

/* What a handler may do: add, remove, resize; the blocks share buckets with the interrupted ones.
 */
static void handle(void)
{
    for (size_t n = 0; n < 30; n++)
        REQUIRE(add_block(block(1000 + n), 16, 16, stacks[n % 2]), "instruction %u", trial.wanted);
    for (size_t n = 0; n < 30; n++)
        record_resize(block(1000 + n), 10);
    for (size_t n = 0; n < 30; n++)
        REQUIRE(record_remove(block(1000 + n)), "instruction %u", trial.wanted);
}

static void after_instruction(void)
{
    if (trial.seen++ != trial.wanted)
        return;
    step_end();
    handle();
}

static void add_one(void)
{
    add_block(block(1), 16, 16, stacks[0]);
}

static void remove_one(void)
{
    record_remove(block(1));
}

static void resize_one(void)
{
    record_resize(block(1), 12);
}

static void fail_to_move_one(void)
{
    record_set_aside(block(1));
    record_put_back(block(1));
}

static void move_one(void)
{
    record_set_aside(block(1));
    record_remove_aside(block(1));
}

static void add_with_a_new_site(void)
{
    add_object(block(1), 16, 16, stacks[STACKS - 1], "type");
}

static void restart(void)
{
    record_restart(1);
}

static const struct scenario {
    const char *name;
    bool has_one; /* block 1 lives before */
    void (*act)(void);
    bool forgets;
} scenarios[] = {
    {"add", false, add_one, false},      {"add with a new site", false, add_with_a_new_site, false},
    {"remove", true, remove_one, false}, {"resize", true, resize_one, false},
    {"move", true, move_one, false},     {"fail to move", true, fail_to_move_one, false},
    {"restart", true, restart, true},
};

static void prepare(const struct scenario *scenario)
{
    for (size_t n = 100; n < 110; n++)
        add_block(block(n), 16, 16, stacks[0]);
    if (scenario->has_one)
        add_one();
}

/* The handler comes after the wanted instruction. Under a restart it finds no profile, so it is
 * left out there. */
static void *interrupt_once(void *argument)
{
    const struct scenario *scenario = argument;
    prepare(scenario);
    trial.seen = 0;
    step_begin(after_instruction);
    scenario->act();
    step_end();
    REQUIRE(sums_are_right(), "%s, instruction %u", scenario->name, trial.wanted);
    record_remove(block(1));
    for (size_t n = 100; n < 110; n++)
        REQUIRE(record_remove(block(n)), "%s, instruction %u", scenario->name, trial.wanted);
    check_that_nothing_lives();
    return NULL;
}

START_TEST(test_a_handler_after_any_instruction)
{
    const struct scenario *scenario = &scenarios[_i];
    if (scenario->forgets || !step_is_possible("test_a_handler_after_any_instruction"))
        return;
    trial.wanted = ~0u;
    interrupt_once((void *)scenario);
    unsigned instructions = trial.seen;
    ck_assert_uint_gt(instructions, 50);
    unsigned stride = 1 + instructions / TRIALS;
    for (trial.wanted = (unsigned)getpid() % stride; trial.wanted < instructions;
         trial.wanted += stride)
        interrupt_once((void *)scenario);
}
END_TEST

/* While a record is read it is removed, and one of another block at the same address takes its
 * slot: what is read is one of the two. */
static bool copy_first(const struct record *record, void *copy)
{
    *(struct record *)copy = *record;
    return false;
}

static void replace(void)
{
    if (trial.seen++ != trial.wanted)
        return;
    step_end();
    drop(1);
    add(1, 20, 32, 1);
}

static void read_while_replaced(void)
{
    struct record record = {.size = 0};
    add(1, 10, 16, 0);
    trial.seen = 0;
    step_begin(replace);
    record_each_live(copy_first, &record);
    step_end();
    bool is_first = record.size == 10;
    REQUIRE(record.size == 0 || (record.bytes == (is_first ? 16 : 32) &&
                                 record.site->stack == stacks[is_first ? 0 : 1]),
            "instruction %u: %zu of %zu bytes", trial.wanted, record.size, record.bytes);
    drop(1);
}

START_TEST(test_a_record_that_becomes_another)
{
    enum { LAST = 300 }; /* instructions, of which the last ones read the record */
    if (!step_is_possible("test_a_record_that_becomes_another"))
        return;
    trial.wanted = ~0u;
    read_while_replaced();
    ck_assert_uint_gt(trial.seen, 50);
    trial.wanted = trial.seen > LAST ? trial.seen - LAST : 0;
    do
        read_while_replaced();
    while (trial.seen > trial.wanted++);
}
END_TEST

/* ---- Fork ---- */

/* A worker stops after each instruction, and the main thread forks after some of them, other ones
 * in each run. */
enum { STRIDE = 5 };
enum { RUNS, HELD, ENDED };
static atomic_int stage;
static const struct scenario *worked_at;

static void hold(void)
{
    atomic_store(&stage, HELD);
    while (atomic_load(&stage) == HELD)
        os_yield();
}

static void *work(void *unused)
{
    step_begin(hold);
    worked_at->act();
    step_end();
    atomic_store(&stage, ENDED);
    return unused;
}

/* The child's exit status: which of its expectations was not met. */
static int use_in_child(void)
{
    fork_check();
    if (totals().mean == 0 || !sums_are_right())
        return 1;
    for (size_t n = 2000; n < 2100; n++)
        if (!add_block(block(n), 16, 16, stacks[n % STACKS]))
            return 2;
    struct record record = {0};
    record_each_live(copy_record, &record);
    for (size_t n = 0; n < 2100; n++)
        record_remove(block(n));
    record_remove_aside(block(1)); /* whose thread is gone: in the child it is lost, but lives */
    struct record_totals now = totals();
    if (now.live_count != 0 || now.live_bytes != 0 || now.live_estimate != 0)
        return 3;
    for (size_t n = 0; n < 10 * 1000; n++) /* more than ever lived, by whatever was kept */
        add_block(block(n), 16, 16, stacks[n % STACKS]);
    if (totals().peak_estimate < 10 * 1000 * 16 / 21 * 20)
        return 4;
    uint64_t before = os_now_ns();
    record_restart(5);
    if (totals().mean != 5 || totals().total_count != 0)
        return 5;
    return os_now_ns() - before > UINT64_C(1000000000) * patience(1) ? 6 : 0;
}

static bool check_thread(const struct record *record, void *is_right)
{
    if (record->block == block(5000))
        *(bool *)is_right = record->thread == (unsigned)gettid();
    return true;
}

static int check_own_thread(void)
{
    fork_check();
    bool is_right = false;
    add_block(block(5000), 16, 16, stacks[0]);
    record_each_live(check_thread, &is_right);
    return !is_right;
}

static int in_fork(int (*function)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(patience(20));
        _exit(function());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(test_a_fork_after_any_instruction)
{
    worked_at = &scenarios[_i];
    if (!step_is_possible("test_a_fork_after_any_instruction"))
        return;
    prepare(worked_at);
    atomic_store(&stage, RUNS);
    pthread_t thread;
    unsigned instructions = 0, first = (unsigned)getpid() % STRIDE;
    ck_assert_int_eq(pthread_create(&thread, NULL, work, NULL), 0);
    while (atomic_load(&stage) != ENDED)
        if (atomic_load(&stage) == HELD) {
            int status = instructions++ % STRIDE == first ? in_fork(use_in_child) : 0;
            REQUIRE(status == 0, "%s, instruction %u: status %#x", worked_at->name,
                    instructions - 1, (unsigned)status);
            atomic_store(&stage, RUNS);
        } else
            os_yield();
    pthread_join(thread, NULL);
    ck_assert_uint_gt(instructions, 50);
    ck_assert(sums_are_right());
}
END_TEST

/* A child's thread is another one, with another id. */
START_TEST(test_the_thread_in_a_child)
{
    add_one();
    ck_assert_int_eq(in_fork(check_own_thread), 0);
    ck_assert_int_eq(check_own_thread(), 0);
}
END_TEST

Suite *suite_profile_record(void)
{
    Suite *suite = suite_create("profile_record");
    TCase *one = tcase_create("one");
    tcase_add_checked_fixture(one, make_stacks, NULL);
    tcase_add_test(one, test_a_block_is_counted);
    tcase_add_test(one, test_blocks_without_a_record);
    tcase_add_test(one, test_what_a_record_says);
    tcase_add_test(one, test_sites);
    tcase_add_test(one, test_type_and_tag_of_a_site);
    tcase_add_test(one, test_no_stack);
    tcase_add_test(one, test_sites_of_large_blocks);
    tcase_add_test(one, test_resize);
    tcase_add_test(one, test_set_aside);
    tcase_add_test(one, test_set_aside_in_a_restart);
    tcase_add_test(one, test_temporary_blocks);
    tcase_add_test(one, test_lifetimes);
    tcase_add_test(one, test_a_lifetime);
    tcase_add_test(one, test_estimate);
    tcase_add_test(one, test_peak);
    suite_add_tcase(suite, one);
    TCase *many = tcase_create("many");
    tcase_set_timeout(many, 60);
    tcase_add_checked_fixture(many, make_stacks, NULL);
    tcase_add_test(many, test_many_records);
    tcase_add_loop_test(many, test_memory_of_records, 0, 6);
    tcase_add_test(many, test_restart);
    tcase_add_test(many, test_restarts_take_no_memory);
    tcase_add_test(many, test_any_request_fails);
    tcase_add_test(many, test_no_memory_at_all);
    tcase_add_test(many, test_no_memory_from_the_start);
    tcase_add_test(many, test_many_threads);
    tcase_add_test(many, test_restarts_among_threads);
    suite_add_tcase(suite, many);
    TCase *cut = tcase_create("cut");
    tcase_set_timeout(cut, 100);
    tcase_add_checked_fixture(cut, make_stacks, NULL);
    tcase_add_loop_test(cut, test_a_handler_after_any_instruction, 0, COUNT_OF(scenarios));
    tcase_add_test(cut, test_a_record_that_becomes_another);
    tcase_add_loop_test(cut, test_a_fork_after_any_instruction, 0, COUNT_OF(scenarios));
    tcase_add_test(cut, test_the_thread_in_a_child);
    suite_add_tcase(suite, cut);
    return suite;
}
