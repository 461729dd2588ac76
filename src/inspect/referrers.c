/* referrers.c: one walk over all live objects. */
#include "referrers.h"

#include "snapshot.h"
#include "walk.h"

#include "gc/exclusive.h"
#include "object/header.h"

struct referrers {
    const void *wanted;
    void *visited;      /* the object whose references are being visited */
    void *first;        /* the first object that refers to `wanted` */
    struct place place; /* of the reference in it */
    size_t fields;      /* references to `wanted` */
};

static int count_if_wanted(void *target, struct place place, void *context)
{
    struct referrers *referrers = context;
    if (target != referrers->wanted)
        return 0;
    if (referrers->fields++ == 0) {
        referrers->first = referrers->visited;
        referrers->place = place;
    }
    return 0;
}

static void search_fields(void *object, uint32_t number, void *context)
{
    (void)number;
    ((struct referrers *)context)->visited = object;
    walk_declared_references(object, count_if_wanted, context);
}

static void append_referrers(struct report_line *line, const struct referrers *referrers)
{
    report_append(line, "; %p (", referrers->first);
    walk_append_type(line, header_type(header_of(referrers->first)), false);
    report_append(line, ") ");
    walk_append_place(line, referrers->place);
    if (referrers->fields == 1)
        report_append(line, " refers to it");
    else
        report_append(line, " and %zu more field%s refer to it", referrers->fields - 1,
                      referrers->fields == 2 ? "" : "s");
}

void referrers_append(struct report_line *line, const void *p)
{
    struct exclusive exclusive;
    struct snapshot snapshot;
    struct referrers referrers = {.wanted = p};
    if (exclusive_try_begin(&exclusive) != 0)
        return;
    if (snapshot_make(&snapshot, 0)) {
        snapshot_visit(&snapshot, search_fields, &referrers);
        if (referrers.fields != 0)
            append_referrers(line, &referrers);
    }
    snapshot_free(&snapshot);
    exclusive_end(&exclusive);
}
