/* dump.c: the header, the rows and the mappings. */
#include "dump.h"

#include "lines.h"
#include "mapped.h"
#include "memory.h" // profile_memory_bytes
#include "record.h"

#include "alloc/account.h"
#include "base/random.h" // random_weight
#include "base/report.h"

#include <stdatomic.h>
#include <stdbool.h>

/* ---- Numbers ---- */

/* A number that others change may be below 0 for a moment. */
static size_t read_number(const _Atomic(uint64_t) *number)
{
    uint64_t value = atomic_load_explicit(number, memory_order_relaxed);
    return value <= INT64_MAX ? (size_t)value : 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct numbers read_site(const struct site *site, bool is_peak, bool is_exact)
{
    const _Atomic(uint64_t) *live = is_exact ? &site->live_bytes : &site->live_block_bytes;
    const _Atomic(uint64_t) *peak = is_exact ? &site->peak_bytes : &site->peak_block_bytes;
    return (struct numbers){
        .count = read_number(is_peak ? &site->peak_count : &site->live_count),
        .bytes = read_number(is_peak ? peak : live),
        .all_count = read_number(&site->total_count),
        .all_bytes = read_number(is_exact ? &site->total_bytes : &site->total_block_bytes),
    };
}

static struct numbers read_numbers(const struct site *site, bool is_peak, bool is_exact)
{
    struct numbers numbers = read_site(site, is_peak, is_exact);
    numbers.all_count = larger(numbers.all_count, numbers.count);
    numbers.bytes = lines_likely_bytes(numbers.count, numbers.bytes, is_exact);
    numbers.all_bytes = lines_likely_bytes(numbers.all_count, numbers.all_bytes, is_exact);
    numbers.all_bytes = larger(numbers.all_bytes, numbers.bytes);
    return numbers;
}

/* A walk over all sites: first their sum, then their rows. */
struct walk {
    struct output *output;
    bool is_peak;
    bool is_exact; /* every block is recorded */
    struct numbers sum;
};

static void add_site(const struct site *site, void *argument)
{
    struct walk *walk = argument;
    struct numbers numbers = read_numbers(site, walk->is_peak, walk->is_exact);
    walk->sum.count += numbers.count;
    walk->sum.bytes += numbers.bytes;
    walk->sum.all_count += numbers.all_count;
    walk->sum.all_bytes += numbers.all_bytes;
}

/* ---- Lines ---- */

static void write_facts(struct output *output, const struct dump_facts *facts,
                        const struct record_totals *totals)
{
    struct report_line line = {.length = 0};
    lines_write_process(output, facts->program, facts->process);
    report_append(&line, "# samples: %zu\n# missed samples: %zu\n", (size_t)totals->total_count,
                  (size_t)totals->missed_count);
    report_append(&line, "# estimate: %zu\n# estimate at the peak: %zu\n",
                  (size_t)totals->live_estimate, (size_t)totals->peak_estimate);
    report_append(&line, "# profiler's memory: %zu\n", profile_memory_bytes());
    report_append(&line, "# in use: %s\n", facts->view == DUMP_PEAK ? "at the peak" : "now");
    output_line(output, &line);
    lines_write_comment(output, "written", facts->why);
}

/* Writes what has been counted of the site's blocks besides: the bytes that they were asked for
 * with, how many were temporary, and how long those lived that are freed (site.h). */
static void write_counts(struct output *output, const struct site *site, bool is_peak)
{
    struct report_line line = {.length = 0};
    unsigned end = SITE_LIFETIMES;
    while (end > 0 && read_number(&site->lifetimes[end - 1]) == 0)
        end--;
    report_append(&line, "# requested: %zu [%zu], temporary: %zu, lifetimes:",
                  read_number(is_peak ? &site->peak_bytes : &site->live_bytes),
                  read_number(&site->total_bytes), read_number(&site->temporary_count));
    for (unsigned i = 0; i < end; i++)
        report_append(&line, " %zu", read_number(&site->lifetimes[i]));
    report_append(&line, "\n");
    output_line(output, &line);
}

static void write_row(const struct site *site, void *argument)
{
    const struct walk *walk = argument;
    struct numbers numbers = read_numbers(site, walk->is_peak, walk->is_exact);
    struct report_line line = {.length = 0};
    if (numbers.all_count == 0)
        return;
    lines_write_names(walk->output, site);
    write_counts(walk->output, site, walk->is_peak);
    report_append(&line, "%zu: %zu [%zu: %zu] @", numbers.count, numbers.bytes, numbers.all_count,
                  numbers.all_bytes);
    output_line(walk->output, &line);
    lines_write_stack(walk->output, site->stack);
}

/* ---- Size classes ---- */

/* How many blocks of each class the live samples stand for. */
struct estimates {
    size_t mean;
    double blocks[CLASS_COUNT];
};

static void estimate_site(const struct site *site, void *argument)
{
    struct estimates *estimates = argument;
    if (site->type == NULL && site->bytes <= BLOCK_MAX)
        estimates->blocks[size_class_of(site->bytes)] +=
            (double)read_number(&site->live_count) * random_weight(site->bytes, estimates->mean);
}

static void write_class(struct output *output, const struct molt_class *class, double estimate)
{
    struct report_line line = {.length = 0};
    report_append(&line, "# class: ");
    account_append_class(&line, class);
    if (class->kind == MOLT_CLASS_BLOCKS)
        report_append(&line, " estimate %zu", (size_t)(estimate + 0.5));
    report_append(&line, "\n");
    output_line(output, &line);
}

/* One profile is written at a time, so the numbers need not be on the stack, which may be small. */
static void write_classes(struct output *output, size_t mean)
{
    static struct molt_class classes[ACCOUNT_CLASSES];
    static const char none[] = "# classes: not known: the allocator is at work\n";
    struct estimates estimates = {.mean = mean};
    if (!account_try_classes(classes)) {
        output_write(output, none, sizeof none - 1);
        return;
    }
    record_each_site(estimate_site, &estimates);
    for (unsigned i = 0; i < ACCOUNT_CLASSES; i++)
        if (classes[i].pools != 0)
            write_class(output, &classes[i], i < CLASS_COUNT ? estimates.blocks[i] : 0);
}

/* ---- All of it ---- */

void dump_write(struct output *output, const struct dump_facts *facts)
{
    struct record_totals totals;
    record_totals_get(&totals);
    struct walk walk = {
        .output = output,
        .is_peak = facts->view == DUMP_PEAK,
        .is_exact = totals.mean <= 1,
    };
    bool has_rows = totals.mean != 0; /* else one profile is over, and the next has not begun */
    if (has_rows)
        record_each_site(add_site, &walk);
    lines_write_header(output, &walk.sum, totals.mean);
    write_facts(output, facts, &totals);
    if (!walk.is_peak)
        write_classes(output, totals.mean);
    if (has_rows)
        record_each_site(write_row, &walk);
    mapped_write(output);
}
