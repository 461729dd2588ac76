/* holders.c: one walk over all live objects. */
#include "holders.h"

#include "header.h"
#include "look.h"
#include "roster.h"

struct holders {
    const void *wanted;
    void *visited, *first; /* objects */
    struct place place;    /* in the first */
    size_t fields;
};

static int compare(void *target, struct place place, void *context)
{
    struct holders *holders = context;
    if (target != holders->wanted)
        return 0;
    if (holders->fields++ == 0) {
        holders->first = holders->visited;
        holders->place = place;
    }
    return 0;
}

static void visit(void *object, uint32_t number, void *context)
{
    (void)number;
    ((struct holders *)context)->visited = object;
    look_declared_references(object, compare, context);
}

static void append(struct report_line *line, const struct holders *holders)
{
    report_append(line, "; %p (", holders->first);
    look_append_type(line, header_type(header_of(holders->first)), false);
    report_append(line, ") ");
    look_append_place(line, holders->place);
    if (holders->fields == 1)
        report_append(line, " refers to it");
    else
        report_append(line, " and %zu more field%s refer to it", holders->fields - 1,
                      holders->fields == 2 ? "" : "s");
}

void holders_append(struct report_line *line, const void *p)
{
    struct look look;
    struct roster roster;
    struct holders holders = {.wanted = p};
    if (look_try_begin(&look) != 0)
        return;
    if (roster_make(&roster, 0)) {
        roster_visit(&roster, visit, &holders);
        if (holders.fields != 0)
            append(line, &holders);
    }
    roster_free(&roster);
    look_end(&look);
}
