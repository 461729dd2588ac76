/* histogram.c: live objects by type. It reads no more than headers, so it can be taken while other
 * threads run: then it is nearly right. */
#include "walk.h"

#include "alloc/object_block.h"
#include "base/sort.h"
#include "gc/exclusive.h"
#include "gc/straggler.h" // straggler_append_missing
#include "object/gc_table.h"
#include "object/type.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

enum column { BYTES, OBJECTS, TRACKED, UNTRACKED, LARGE, IMMORTAL, COLUMNS };

static const char *const titles[COLUMNS] = {
    [BYTES] = "bytes",         [OBJECTS] = "objects", [TRACKED] = "tracked",
    [UNTRACKED] = "untracked", [LARGE] = "large",     [IMMORTAL] = "immortal",
};

struct row {
    size_t columns[COLUMNS];
    unsigned type; /* number of the type; 0: the row of the total */
};

struct histogram {
    struct row *rows;
    unsigned row_count;
};

/* ---- Counting ---- */

static void add_to_row(struct row *row, uint64_t header, bool is_tracked, size_t bytes)
{
    row->columns[BYTES] += bytes;
    row->columns[OBJECTS]++;
    row->columns[is_tracked ? TRACKED : UNTRACKED]++;
    row->columns[LARGE] += (header & HEADER_LARGE) != 0;
    row->columns[IMMORTAL] += tag_is_immortal(header_tag(header));
}

static void count_block(struct histogram *histogram, const void *object, size_t bytes)
{
    uint64_t header = header_of(object);
    unsigned number = header_type(header);
    const struct descriptor *type = type_by_number(number);
    if (!tag_is_live(header_tag(header)) || type == NULL || number >= histogram->row_count)
        return;
    bool is_tracked = type->tracked && (header & HEADER_UNTRACKED) == 0;
    add_to_row(&histogram->rows[number], header, is_tracked, bytes);
    add_to_row(&histogram->rows[0], header, is_tracked, bytes);
}

static void count_pool(const struct pool *pool, void *histogram)
{
    size_t bytes = pool_block_bytes(pool);
    unsigned carved = pool_carved(pool);
    for (unsigned i = 0; i < carved; i++)
        count_block(histogram, (const void *)(pool->start + i * bytes), bytes);
}

static void count_all(struct histogram *histogram)
{
    for (unsigned n = 0; n < histogram->row_count; n++)
        histogram->rows[n].type = n;
    object_block_visit_pools(count_pool, histogram);
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        const struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        if (table->pool == NULL)
            count_block(histogram, (const void *)table->start, table->block_bytes);
    }
}

/* ---- Writing ---- */

/* The most bytes first. */
static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    for (unsigned column = BYTES; column <= OBJECTS; column++)
        if (left->columns[column] != right->columns[column])
            return left->columns[column] > right->columns[column] ? -1 : 1;
    return left->type < right->type ? -1 : left->type > right->type;
}

static size_t digits(size_t value)
{
    size_t count = 1;
    while ((value /= 10) != 0)
        count++;
    return count;
}

static void append_blanks(struct report_line *line, size_t count)
{
    while (count-- > 0)
        report_append(line, " ");
}

/* No number is longer than the total's. */
static size_t column_width(const struct row *total, unsigned column)
{
    size_t title = strlen(titles[column]), number = digits(total->columns[column]);
    return title > number ? title : number;
}

static COLD int write_titles(const struct row *total, int fd)
{
    struct report_line line = {.length = 0};
    for (unsigned column = 0; column < COLUMNS; column++) {
        append_blanks(&line, column_width(total, column) - strlen(titles[column]));
        report_append(&line, "%s  ", titles[column]);
    }
    report_append(&line, "type");
    return report_write_line(fd, &line);
}

static COLD int write_row(const struct row *row, const struct row *total, int fd)
{
    struct report_line line = {.length = 0};
    for (unsigned column = 0; column < COLUMNS; column++) {
        append_blanks(&line, column_width(total, column) - digits(row->columns[column]));
        report_append(&line, "%zu  ", row->columns[column]);
    }
    if (row == total)
        report_append(&line, "total");
    else
        walk_append_type(&line, row->type, false);
    return report_write_line(fd, &line);
}

static int write_all(struct histogram *histogram, int fd)
{
    const struct row *total = histogram->rows;
    sort(histogram->rows + 1, histogram->row_count - 1, sizeof(struct row), compare_rows);
    int result = write_titles(total, fd);
    for (unsigned n = 1; result == 0 && n < histogram->row_count; n++)
        if (histogram->rows[n].columns[OBJECTS] != 0)
            result = write_row(&histogram->rows[n], total, fd);
    return result == 0 ? write_row(total, total, fd) : result;
}

/* Tells of the thread that is missing at collections, and of collections that were skipped. */
static COLD int write_missing(int fd)
{
    struct report_line line = {.length = 0};
    struct molt_gc_stats stats;
    uint64_t skipped = 0;
    for (int generation = 0; generation < 3; generation++) {
        molt_gc_get_stats(generation, &stats);
        skipped += stats.skipped_busy;
    }
    bool is_missing = straggler_append_missing(&line);
    if (skipped != 0)
        report_append(&line, "%s%zu %s skipped%s", is_missing ? "; " : "", (size_t)skipped,
                      skipped == 1 ? "collection was" : "collections were",
                      is_missing ? "" : " because a thread came to no safepoint in time");
    return line.length != 0 ? report_write_line(fd, &line) : 0;
}

int molt_gc_report(int fd)
{
    struct exclusive exclusive;
    int error = exclusive_begin(&exclusive);
    if (error != 0)
        return exclusive_fail(error);
    struct histogram histogram = {.row_count = type_count() + 1};
    size_t bytes = os_round_to_pages(histogram.row_count * sizeof(struct row));
    histogram.rows = os_map(bytes);
    if (histogram.rows != NULL)
        count_all(&histogram);
    exclusive_end(&exclusive);
    if (histogram.rows == NULL)
        return exclusive_fail(ENOMEM);
    int result = write_all(&histogram, fd);
    if (result == 0)
        result = write_missing(fd);
    os_unmap(histogram.rows, bytes);
    return result;
}
