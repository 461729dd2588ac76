/* graph.c: the objects that can be reached from one, breadth first, in Graphviz' language DOT. */
#include "snapshot.h"
#include "walk.h"

#include "gc/exclusive.h"
#include "object/count.h" // count_of
#include "object/error.h"

#include <errno.h>

struct drawing {
    struct snapshot snapshot;
    uint32_t *level; /* by number: 1 + the steps to the object; 0: not reached */
    uint32_t *queue; /* numbers of the objects reached; not drawn yet: [next, end) */
    uint32_t next, end;
    void *from; /* the object that is being drawn */
    uint32_t from_level;
    int fd;
};

static int write_node(const struct drawing *drawing, const void *object)
{
    struct report_line line = {.length = 0};
    size_t count = count_of(object);
    report_append(&line, "  \"%p\" [label=\"", object);
    walk_append_type(&line, header_type(header_of(object)), true);
    report_append(&line, "\\n%p\\n", object);
    if (count == SIZE_MAX)
        report_append(&line, "immortal\"];");
    else
        report_append(&line, "count %zu\"];", count);
    return report_write_line(drawing->fd, &line);
}

static COLD int write_edge(void *target, struct place place, void *context)
{
    struct drawing *drawing = context;
    struct report_line line = {.length = 0};
    uint32_t number = snapshot_number(&drawing->snapshot, target);
    if (number != SNAPSHOT_NONE && drawing->level[number] == 0) {
        drawing->level[number] = drawing->from_level + 1;
        drawing->queue[drawing->end++] = number;
    }
    report_append(&line, "  \"%p\" -> \"%p\" [label=\"", drawing->from, target);
    walk_append_place(&line, place);
    report_append(&line, number == SNAPSHOT_NONE ? "\", style=dashed];" : "\"];");
    return report_write_line(drawing->fd, &line);
}

static int draw_queue(struct drawing *drawing, unsigned depth)
{
    static const char head[] = "digraph molt {\n  node [shape=box];\n";
    int result = report_write(drawing->fd, head, sizeof head - 1);
    while (result == 0 && drawing->next != drawing->end) {
        uint32_t number = drawing->queue[drawing->next++];
        drawing->from = snapshot_object(&drawing->snapshot, number);
        drawing->from_level = drawing->level[number];
        result = write_node(drawing, drawing->from);
        if (result == 0 && drawing->from_level <= depth)
            result = walk_references(drawing->from, write_edge, drawing);
    }
    return result == 0 ? report_write(drawing->fd, "}\n", 2) : result;
}

static int draw_from(struct drawing *drawing, void *object, unsigned depth)
{
    if (!snapshot_make(&drawing->snapshot, 2))
        return exclusive_fail(ENOMEM);
    uint32_t number = snapshot_number(&drawing->snapshot, object);
    if (number == SNAPSHOT_NONE)
        return exclusive_fail(EINVAL); /* it has died meanwhile */
    drawing->level = snapshot_array(&drawing->snapshot, 0);
    drawing->queue = snapshot_array(&drawing->snapshot, 1);
    drawing->level[number] = 1;
    drawing->queue[drawing->end++] = number;
    return draw_queue(drawing, depth);
}

int molt_gc_graph(void *object, unsigned depth, int fd)
{
    struct exclusive exclusive;
    struct drawing drawing = {.fd = fd};
    if (object == NULL)
        return exclusive_fail(EINVAL);
    error_if_no_object("molt_gc_graph", object);
    int error = exclusive_begin_still(&exclusive);
    if (error != 0)
        return exclusive_fail(error);
    int result = draw_from(&drawing, object, depth);
    snapshot_free(&drawing.snapshot);
    exclusive_end(&exclusive);
    return result;
}
