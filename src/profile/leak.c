/* leak.c: from records and what the search tells of their blocks to lines of text. */
#include "leak.h"

#include "leak_groups.h"
#include "listing.h"
#include "record.h"
#include "search.h"
#include "signals.h"
#include "stack.h"
#include "suppress.h"

#include "alloc/background.h" // background_notify
#include "alloc/init.h"
#include "base/options.h"
#include "base/report.h"
#include "os/os.h"

#include "molt.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FAILED_STATUS 23 /* as LeakSanitizer's */

static _Atomic uint64_t marked_ns; /* when molt_leaks_mark was called last; 0: never */

struct sum {
    uint64_t blocks, bytes;
};

/* One check, from the search to the last line. */
struct check {
    struct listing listing;
    uintptr_t *kept; /* the loader's blocks */
    size_t kept_count, kept_capacity, kept_bytes;
    uint64_t suspect_from_ns, suspect_to_ns; /* allocated between these, and kept: a suspect */
    struct search search;
    struct leak_groups groups;
    struct suppressions suppressions;
    struct record_totals totals;
    struct sum sums[LEAK_KINDS], inside, suppressed;
};

static void add(struct sum *sum, uint64_t blocks, uint64_t bytes)
{
    sum->blocks += blocks;
    sum->bytes += bytes;
}

/* ---- The loader's blocks ---- */

static bool keep_if_loaders(const struct record *record, void *context)
{
    struct check *check = context;
    const struct stack *stack = record->site->stack;
    if (stack->depth > 0 && roots_is_loader(&check->search.roots, stack->frames[0]))
        check->kept[check->kept_count++] = (uintptr_t)record->block;
    return check->kept_count < check->kept_capacity;
}

/* Those that are allocated meanwhile are found by the next check. */
static bool find_kept(struct check *check)
{
    check->kept_capacity = (size_t)check->totals.live_count + 1;
    check->kept_bytes = os_round_to_pages(check->kept_capacity * sizeof *check->kept);
    check->kept = os_map(check->kept_bytes);
    if (check->kept == NULL || !search_begin(&check->search))
        return false;
    record_each_live(keep_if_loaders, check);
    return true;
}

/* ---- Records ---- */

static bool is_suspect(const struct check *check, const struct record *record)
{
    return record->at_ns > check->suspect_from_ns && record->at_ns <= check->suspect_to_ns;
}

static void note_reachable(struct check *check, const struct record *record)
{
    add(&check->sums[LEAK_REACHABLE], 1, record->size);
    if (is_suspect(check, record))
        leak_groups_add(&check->groups, LEAK_SUSPECT, record);
    else if (options.leaks_reachable)
        leak_groups_add(&check->groups, LEAK_REACHABLE, record);
}

/* Blocks that have been allocated since the search, or were just being freed, are left out. */
static bool note_record(const struct record *record, void *context)
{
    struct check *check = context;
    if (record->at_ns > check->search.at_ns)
        return true;
    switch (reach_state(&check->search.reach, record->block)) {
    case REACH_DIRECT:
        leak_groups_add(&check->groups, LEAK_DIRECT, record);
        break;
    case REACH_THROUGH:
        leak_groups_add(&check->groups, LEAK_THROUGH, record);
        break;
    case REACH_BY_INSIDE:
        add(&check->inside, 1, record->size);
        note_reachable(check, record);
        break;
    case REACH_BY_START:
        note_reachable(check, record);
        break;
    default:
        break;
    }
    return true;
}

/* ---- Lines ---- */

static void append_sum(struct report_line *line, const struct sum *sum)
{
    report_append(line, "%zu byte%s in %zu block%s", (size_t)sum->bytes, sum->bytes == 1 ? "" : "s",
                  (size_t)sum->blocks, sum->blocks == 1 ? "" : "s");
}

static const char *const kinds[LEAK_KINDS] = {
    [LEAK_DIRECT] = "unreachable",
    [LEAK_THROUGH] = "reachable from leaked blocks alone",
    [LEAK_SUSPECT] = "reachable",
    [LEAK_REACHABLE] = "still reachable",
};

static void write_group(struct check *check, const struct leak_group *group)
{
    struct report_line line = {.length = 0};
    struct sum sum = {group->blocks, group->bytes};
    report_append(&line, group->kind == LEAK_SUSPECT ? "suspect: " : "leak: ");
    append_sum(&line, &sum);
    if (group->type != NULL)
        report_append(&line, " (%s)", group->type);
    report_append(&line, ", %s, allocated", kinds[group->kind]);
    if (group->kind == LEAK_SUSPECT)
        report_append(&line, " up to %zu s ago",
                      (size_t)((check->search.at_ns - group->oldest_ns) / 1000000000));
    listing_write_stack(&check->listing, &line, group->stack);
}

static void write_groups(struct check *check)
{
    leak_groups_sort(&check->groups);
    for (size_t n = 0; n < check->groups.count; n++) {
        const struct leak_group *group = &check->groups.groups[n];
        bool is_leak = group->kind == LEAK_DIRECT || group->kind == LEAK_THROUGH;
        bool is_known = is_leak && suppress_has(&check->suppressions, group->stack);
        if (is_leak || group->kind == LEAK_SUSPECT)
            add(is_known ? &check->suppressed : &check->sums[group->kind], group->blocks,
                group->bytes);
        if (!is_known)
            write_group(check, group);
    }
}

static void write_leaked(struct check *check)
{
    struct report_line line = {.length = 0};
    struct sum sum = check->sums[LEAK_DIRECT];
    const struct sum *through = &check->sums[LEAK_THROUGH];
    add(&sum, through->blocks, through->bytes);
    report_append(&line, "leaks: ");
    append_sum(&line, &sum);
    report_append(&line, sum.blocks == 1 ? " is unreachable" : " are unreachable");
    if (through->blocks != 0) {
        report_append(&line, "; ");
        append_sum(&line, through);
        report_append(&line, " of them from leaked blocks");
    }
    listing_write(&check->listing, &line);
}

static void write_reachable(struct check *check)
{
    struct report_line line = {.length = 0};
    const struct sum *sum = &check->sums[LEAK_REACHABLE];
    report_append(&line, "leaks: ");
    append_sum(&line, sum);
    report_append(&line, sum->blocks == 1 ? " is still reachable" : " are still reachable");
    if (check->inside.blocks != 0) {
        report_append(&line, "; ");
        append_sum(&line, &check->inside);
        report_append(&line, " of them by pointers into their middle alone");
    }
    listing_write(&check->listing, &line);
}

static void write_suppressed(struct check *check)
{
    struct report_line line = {.length = 0};
    if (check->suppressed.blocks == 0)
        return;
    report_append(&line, "leaks: ");
    append_sum(&line, &check->suppressed);
    report_append(&line, " suppressed");
    listing_write(&check->listing, &line);
}

/* What the reader has to know of how the numbers came about. */
static void write_limits(struct check *check)
{
    struct report_line line = {.length = 0};
    bool has_leaks = check->sums[LEAK_DIRECT].blocks + check->sums[LEAK_THROUGH].blocks != 0;
    if (check->totals.mean > 1) {
        report_append(&line, "leaks: of samples: one in %zu bytes", check->totals.mean);
        listing_write(&check->listing, &line);
    }
    if (check->totals.missed_count + check->groups.left_out != 0) {
        report_append(&line, "leaks: %zu blocks are not known: there was no memory to record them",
                      (size_t)(check->totals.missed_count + check->groups.left_out));
        listing_write(&check->listing, &line);
    }
    if (!check->search.has_stopped) {
        report_append(&line, "leaks: other threads could not be stopped: what they held in "
                             "registers, or moved meanwhile, may be reachable");
        listing_write(&check->listing, &line);
    }
    if (has_leaks) {
        report_append(&line, "leaks: memory that the program has mapped itself (mmap, sbrk) was "
                             "not searched for pointers");
        listing_write(&check->listing, &line);
    }
}

/* ---- A check ---- */

static void end_check(struct check *check)
{
    search_end(&check->search);
    leak_groups_end(&check->groups);
    suppress_end(&check->suppressions);
    if (check->kept != NULL)
        os_unmap(check->kept, check->kept_bytes);
}

static int run_check(struct check *check, const struct roots_caller *caller)
{
    record_totals_get(&check->totals);
    if (check->totals.mean == 0)
        return ENODATA;
    int error = suppress_begin(&check->suppressions, options.leaks_suppressions);
    if (error != 0)
        report_warning("leaks_suppressions: %s: not read: error %d", options.leaks_suppressions,
                       error);
    if (!leak_groups_begin(&check->groups, LEAK_KINDS * check->totals.sites) || !find_kept(check))
        return ENOMEM;
    error = search_look(&check->search, caller, check->kept, check->kept_count);
    if (error != 0)
        return error;
    check->suspect_from_ns = atomic_load_explicit(&marked_ns, memory_order_relaxed);
    if (check->suspect_from_ns != 0)
        check->suspect_to_ns =
            check->suspect_from_ns + (check->search.at_ns - check->suspect_from_ns) / 2;
    record_each_live(note_record, check);
    write_groups(check);
    write_leaked(check);
    write_reachable(check);
    write_suppressed(check);
    write_limits(check);
    return listing_end(&check->listing);
}

long leak_check(int fd, const struct roots_caller *caller)
{
    struct check check = {.listing = {.fd = fd}};
    int error = run_check(&check, caller);
    long leaked = (long)(check.sums[LEAK_DIRECT].blocks + check.sums[LEAK_THROUGH].blocks);
    end_check(&check);
    if (error == 0)
        return leaked;
    errno = error;
    return -1;
}

/* ---- From outside ---- */

NOINLINE long molt_leaks_check(int fd)
{
    struct roots_caller caller;
    roots_note_caller(&caller);
    return leak_check(fd, &caller);
}

void molt_leaks_mark(void)
{
    atomic_store_explicit(&marked_ns, os_now_ns(), memory_order_relaxed);
}

/* ---- On a signal, and by molt_ctl ---- */

static atomic_bool is_asked_for;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_asked_for, true);
    background_notify();
}

void leak_take_signal(void)
{
    signals_take((int)options.leaks_signal, on_signal, "leaks_signal", "report");
}

/* Blocks that are allocated while the report is written are suspects of the next one, too. */
NOINLINE void leak_in_background(void)
{
    struct roots_caller caller;
    if (LIKELY(!atomic_load_explicit(&is_asked_for, memory_order_relaxed)))
        return;
    atomic_store(&is_asked_for, false);
    uint64_t now_ns = os_now_ns();
    roots_note_caller(&caller);
    if (leak_check(report_stderr(), &caller) < 0)
        report_warning("leaks: not looked for: error %d", errno);
    atomic_store_explicit(&marked_ns, now_ns, memory_order_relaxed);
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

NOINLINE int leak_command(const char *name, const char *value, size_t length)
{
    struct roots_caller caller;
    bool is_check = is_word(value, length, "check");
    if (strcmp(name, "leaks") != 0 || (!is_check && !is_word(value, length, "mark")))
        return -1;
    roots_note_caller(&caller);
    if (!is_check)
        molt_leaks_mark();
    return is_check && leak_check(report_stderr(), &caller) < 0 ? errno : 0;
}

/* ---- At exit ---- */

/* exit() calls this. Called again by it, exit goes on with what is left to do (libc's manual), such
 * as writing out streams, and ends with the last status. */
static NOINLINE void check_at_exit(void *unused)
{
    struct roots_caller caller;
    (void)unused;
    if (!options.leaks)
        return;
    roots_note_caller(&caller);
    long leaked = leak_check(report_stderr(), &caller);
    if (leaked < 0 && errno == ENXIO)
        report_warning("leaks: not looked for: /proc does not tell where the stacks are");
    else if (leaked < 0)
        report_warning("leaks: not looked for: error %d", errno);
    else if (leaked > 0 && options.leaks_fail)
        exit(FAILED_STATUS);
}

extern int __cxa_atexit(void (*function)(void *), void *argument, void *module);

/* Of no module: so it comes after the destructors of all libraries. */
__attribute__((constructor)) static void start(void)
{
    if (init_done() && options.leaks)
        __cxa_atexit(check_at_exit, NULL, NULL);
}
