/* graph.c: what an object refers to, in the DOT language of Graphviz. Breadth first. */
#include "count.h" // count_of
#include "error.h"
#include "look.h"
#include "roster.h"

#include <errno.h>

struct drawing {
    struct roster roster;
    uint32_t *level; /* 1 + the steps to the object; 0: not reached */
    uint32_t *queue; /* reached, but not drawn yet: [next, end) */
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
    look_append_type(&line, header_type(header_of(object)), true);
    report_append(&line, "\\n%p\\n", object);
    if (count == SIZE_MAX)
        report_append(&line, "immortal\"];");
    else
        report_append(&line, "count %zu\"];", count);
    return report_write_line(drawing->fd, &line);
}

static int write_edge(void *target, struct place place, void *context)
{
    struct drawing *drawing = context;
    struct report_line line = {.length = 0};
    uint32_t number = roster_number(&drawing->roster, target);
    if (number != ROSTER_NONE && drawing->level[number] == 0) {
        drawing->level[number] = drawing->from_level + 1;
        drawing->queue[drawing->end++] = number;
    }
    report_append(&line, "  \"%p\" -> \"%p\" [label=\"", drawing->from, target);
    look_append_place(&line, place);
    report_append(&line, number == ROSTER_NONE ? "\", style=dashed];" : "\"];");
    return report_write_line(drawing->fd, &line);
}

static int draw(struct drawing *drawing, unsigned depth)
{
    static const char head[] = "digraph molt {\n  node [shape=box];\n";
    int result = report_write(drawing->fd, head, sizeof head - 1);
    while (result == 0 && drawing->next != drawing->end) {
        uint32_t number = drawing->queue[drawing->next++];
        drawing->from = roster_object(&drawing->roster, number);
        drawing->from_level = drawing->level[number];
        result = write_node(drawing, drawing->from);
        if (result == 0 && drawing->from_level <= depth)
            result = look_references(drawing->from, write_edge, drawing);
    }
    return result == 0 ? report_write(drawing->fd, "}\n", 2) : result;
}

static int begin(struct drawing *drawing, void *object, unsigned depth)
{
    if (!roster_make(&drawing->roster, 2))
        return look_fail(ENOMEM);
    uint32_t number = roster_number(&drawing->roster, object);
    if (number == ROSTER_NONE)
        return look_fail(EINVAL); /* it has no type */
    drawing->level = roster_array(&drawing->roster, 0);
    drawing->queue = roster_array(&drawing->roster, 1);
    drawing->level[number] = 1;
    drawing->queue[drawing->end++] = number;
    return draw(drawing, depth);
}

int molt_gc_graph(void *object, unsigned depth, int fd)
{
    struct look look;
    struct drawing drawing = {.fd = fd};
    if (object == NULL)
        return look_fail(EINVAL);
    error_if_no_object("molt_gc_graph", object);
    int error = look_begin_still(&look);
    if (error != 0)
        return look_fail(error);
    int result = begin(&drawing, object, depth);
    roster_free(&drawing.roster);
    look_end(&look);
    return result;
}
