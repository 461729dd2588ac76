/* mirror.c: rows, and the cells in them. */
#include "mirror.h"

#include "decimal.h"
#include "lines.h"
#include "mirror_file.h"
#include "place.h"
#include "site.h"
#include "stack.h"

#include "base/fork.h"
#include "base/lock.h"
#include "base/mask.h"
#include "base/options.h"
#include "base/report.h"
#include "os/os.h" // os_process_id

#include <string.h>

_Atomic(enum mirror_state) mirror_state;

/* Held while the file begins or grows, and while a site gets its rows. Its holder's signals are
 * blocked, so it always goes on, and can be waited for. */
static struct lock mirror_lock = LOCK_INIT(RANK_MIRROR);

static struct {
    bool is_exact; /* every block is recorded: bytes are those that were asked for */
    size_t mean;   /* of the profile */
    size_t cells;  /* where those of the header are */
    struct place_series files;
    struct output output;           /* for text that is about to be put into the file */
    char pattern[OPTION_TEXT_SIZE]; /* the option as it was when the profile began */
} mirror;

/* ---- Text ---- */

/* The beginnings of rows; a cell is what a number has been written to. */
struct row {
    char temporary_name[16], temporary[16];
    char peak_name[16], peak_count[16], peak_bytes[16];
    char live_count[16], live_bytes[16];
};

struct total_row {
    char hider[16], count[16], bytes[16];
};

static const struct row new_row = {
    "# temporary:    ",  "00000000000000, ", "peak:           ", "00000000000000: ",
    "00000000000000 \n", "#0000000000000: ", "00000000000000 [",
};

static const struct total_row new_total_row = {
    "#         0: 0 [",
    "00000000000000: ",
    "00000000000000] ",
};

/* The header's cells. */
struct header_cells {
    char missed_name[32], missed[16];
    char left_out_name[32], left_out[16];
};

static const struct header_cells new_header_cells = {
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n# missed samples: ",
    "00000000000000 \n",
    "\n\n\n\n\n\n\n\n\n# samples not in here: ",
    "00000000000000 \n",
};

/* New lines up to a multiple of 16 bytes. */
static void align(struct output *output)
{
    output_write(output, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", -output->length % 16);
}

static void write_head(struct output *output)
{
    const struct numbers none = {0};
    output->length = 0;
    lines_write_header(output, &none, mirror.mean);
    lines_write_process(output, place_program(), os_process_id());
    lines_write_comment(output, "in use", "now");
    lines_write_comment(output, "written", "all the time; the first line has no sums");
    align(output);
    mirror.cells = output->length;
    output_write(output, (const char *)&new_header_cells, sizeof new_header_cells);
}

static struct header_cells *header_cells(void)
{
    return (struct header_cells *)(void *)(mirror_file_text() + mirror.cells);
}

/* Writes the rows of a site, hidden. Where in them their beginnings are goes to `row` and `total`.
 */
static void write_rows(struct output *output, const struct site *site, size_t *row, size_t *total)
{
    output->length = 0;
    lines_write_names(output, site);
    align(output);
    *row = output->length;
    output_write(output, (const char *)&new_row, sizeof new_row);
    output_write(output, "0: 0] @", 7);
    lines_write_stack(output, site->stack);
    lines_write_names(output, site);
    align(output);
    *total = output->length;
    output_write(output, (const char *)&new_total_row, sizeof new_total_row);
    output_write(output, "@", 1);
    lines_write_stack(output, site->stack);
    align(output);
}

/* Copies from the start to the end: each line's # comes first. */
static void copy_in_order(char *to, const struct output *output)
{
    for (size_t i = 0; i < output->length; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, output->buffer + i, sizeof word);
        *(volatile uint64_t *)(void *)(to + i) = word;
    }
}

/* ---- Rows ---- */

static struct row *row_of(struct site *site)
{
    return (struct row *)(void *)atomic_load_explicit(&site->row, memory_order_acquire);
}

static struct total_row *total_row_of(struct site *site)
{
    return (struct total_row *)(void *)site->total_row;
}

static uint64_t get(const _Atomic(uint64_t) *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void show_total(struct total_row *row)
{
    *(volatile char *)row->hider = ' ';
}

static void add_live(struct row *row, uint64_t count, uint64_t bytes)
{
    decimal_add(row->live_bytes, bytes);
    decimal_add_hiding(row->live_count, count);
}

static void add_total(struct total_row *row, uint64_t count, uint64_t bytes)
{
    decimal_add(row->bytes, bytes);
    decimal_add(row->count, count);
    show_total(row);
}

/* Tells rows what has been counted without them. Of blocks that threads of a forked child's parent
 * were counting there may be a count, or bytes, alone. */
static void add_counted(struct site *site, struct row *row, struct total_row *total)
{
    uint64_t live = get(&site->live_count), all = get(&site->total_count);
    uint64_t live_bytes = get(mirror.is_exact ? &site->live_bytes : &site->live_block_bytes);
    uint64_t all_bytes = get(mirror.is_exact ? &site->total_bytes : &site->total_block_bytes);
    if (all == 0)
        return;
    decimal_set(row->temporary, get(&site->temporary_count));
    add_total(total, all, lines_likely_bytes(all, all_bytes, mirror.is_exact));
    add_live(row, live, lines_likely_bytes(live, live_bytes, mirror.is_exact));
}

void mirror_keep_peak(struct site *site)
{
    struct row *row = row_of(site);
    if (row == NULL)
        return;
    decimal_set(row->peak_count, get(&site->peak_count));
    decimal_set(row->peak_bytes,
                get(mirror.is_exact ? &site->peak_bytes : &site->peak_block_bytes));
}

static COLD void make_rows(struct site *site)
{
    size_t row_at, total_at;
    write_rows(&mirror.output, site, &row_at, &total_at);
    char *text = mirror_file_room(mirror.output.length);
    if (text == NULL)
        return;
    mirror_file_follow(site->stack);
    copy_in_order(text, &mirror.output);
    site->total_row = text + total_at;
    add_counted(site, (struct row *)(void *)(text + row_at), total_row_of(site));
    atomic_store_explicit(&site->row, text + row_at, memory_order_release);
    mirror_keep_peak(site);
}

static void make_rows_if_counted(struct site *site, void *unused)
{
    (void)unused;
    if (get(&site->total_count) != 0)
        make_rows(site);
}

/* ---- Beginning ---- */

static void forget_rows(struct site *site, void *unused)
{
    (void)unused;
    atomic_store_explicit(&site->row, NULL, memory_order_relaxed);
}

static COLD void begin_locked(void)
{
    static char path[OUTPUT_PATH_SIZE];
    const char *pattern = mirror.pattern;
    write_head(&mirror.output);
    bool has_begun =
        place_next(&mirror.files, &pattern, "", path) && mirror_file_begin(path, &mirror.output);
    if (has_begun)
        site_each(make_rows_if_counted, NULL);
    atomic_store(&mirror_state, has_begun ? MIRROR_ON : MIRROR_OFF);
}

COLD void mirror_begin(size_t mean, bool unmap)
{
    struct mask signals;
    const char *option = __atomic_load_n(&options.prof_file, __ATOMIC_ACQUIRE);
    bool is_wanted = *option != '\0';
    if (!is_wanted && atomic_load(&mirror_state) == MIRROR_OFF)
        return;
    place_note();
    mask_all(&signals);
    lock_acquire(&mirror_lock);
    atomic_store(&mirror_state, MIRROR_OFF);
    site_each(forget_rows, NULL);
    mirror_file_end(unmap);
    mirror.mean = mean;
    mirror.is_exact = mean <= 1;
    memcpy(mirror.pattern, option, strlen(option) + 1);
    if (is_wanted && fork_is_noticed())
        begin_locked();
    else if (is_wanted)
        report_warning("prof_file: the kernel is too old for it");
    lock_release(&mirror_lock);
    mask_restore(&signals);
}

/* ---- Counting ---- */

static COLD void see_to_rows(struct site *site)
{
    lock_acquire(&mirror_lock);
    if (atomic_load(&mirror_state) == MIRROR_WANTED)
        begin_locked();
    if (atomic_load(&mirror_state) == MIRROR_ON && row_of(site) == NULL)
        make_rows(site);
    lock_release(&mirror_lock);
}

static void catch_up(void)
{
    if (!lock_try(&mirror_lock))
        return;
    mirror_file_catch_up();
    lock_release(&mirror_lock);
}

/* Whether the site has no rows, and may get some. */
static bool lacks_rows(struct site *site)
{
    return site != NULL && row_of(site) == NULL && !mirror_file_is_full() &&
           atomic_load(&mirror_state) != MIRROR_OFF;
}

/* Signals are blocked before the fork is asked for: from then on this process is the same. */
COLD void mirror_enter_slow(struct mask *signals, struct site *site)
{
    mask_all(signals);
    fork_check();
    if (lacks_rows(site))
        see_to_rows(site);
    if (mirror_file_is_behind())
        catch_up();
}

static bool is_on(void)
{
    return atomic_load_explicit(&mirror_state, memory_order_relaxed) == MIRROR_ON;
}

void mirror_add(struct site *site, size_t size, size_t block_bytes)
{
    struct row *row = row_of(site);
    size_t bytes = mirror.is_exact ? size : block_bytes;
    if (row != NULL) {
        add_total(total_row_of(site), 1, bytes);
        add_live(row, 1, bytes);
    } else if (is_on()) {
        decimal_add(header_cells()->left_out, 1);
    }
}

void mirror_remove(struct site *site, size_t size, size_t block_bytes)
{
    struct row *row = row_of(site);
    if (row == NULL)
        return;
    decimal_subtract_hiding(row->live_count, 1);
    decimal_subtract(row->live_bytes, mirror.is_exact ? size : block_bytes);
}

/* Only what was asked for has changed. */
void mirror_resize(struct site *site, size_t old_size, size_t size)
{
    struct row *row = row_of(site);
    if (row == NULL || !mirror.is_exact)
        return;
    if (size > old_size) {
        decimal_add(total_row_of(site)->bytes, size - old_size);
        decimal_add(row->live_bytes, size - old_size);
    } else {
        decimal_subtract(row->live_bytes, old_size - size);
    }
}

void mirror_note_temporary(struct site *site)
{
    struct row *row = row_of(site);
    if (row != NULL)
        decimal_add(row->temporary, 1);
}

void mirror_miss(void)
{
    if (is_on())
        decimal_add(header_cells()->missed, 1);
}

size_t mirror_bytes(void)
{
    return mirror_file_bytes();
}

/* ---- Fork ---- */

/* All rows are forgotten before the state says so: a child of this child begins with this. */
COLD void mirror_repair(void)
{
    if (atomic_load(&mirror_state) != MIRROR_OFF)
        atomic_store(&mirror_state, MIRROR_WANTED);
    site_each(forget_rows, NULL);
    mirror_file_forget();
    lock_free_left(&mirror_lock);
}
