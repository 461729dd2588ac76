/* path.c: why an object lives: the shortest way to it from one that is held from outside.
 *
 *   count_references   inside[object] = references to it from live objects
 *   add_roots          what has more references than that is held from outside: the first to visit
 *   search             breadth first; from[object] = 1 + who was visited before it
 *   write_path         backward along from[], then forward in lines
 */
#include "snapshot.h"
#include "walk.h"

#include "gc/pause.h"
#include "object/count.h" // count_of
#include "object/error.h"

#include <errno.h>

#define FROM_OUTSIDE UINT32_MAX

struct search {
    struct snapshot snapshot;
    uint32_t *inside; /* references from live objects */
    uint32_t *from;   /* 1 + the number of who leads here; 0: not reached; FROM_OUTSIDE */
    uint32_t *queue;  /* reached, but not looked at yet: [next, end) */
    uint32_t next, end;
    uint32_t wanted;
    uint32_t visited; /* the object whose references are being visited */
};

static int count_reference(void *target, struct place place, void *context)
{
    struct search *search = context;
    (void)place;
    uint32_t number = snapshot_number(&search->snapshot, target);
    if (number != SNAPSHOT_NONE)
        search->inside[number]++;
    return 0;
}

static void count_references(void *object, uint32_t number, void *context)
{
    (void)number;
    walk_references(object, count_reference, context);
}

/* References to the object that no live object holds; SIZE_MAX: it is immortal. */
static size_t count_outside(const struct search *search, const void *object, uint32_t number)
{
    size_t count = count_of(object), inside = search->inside[number];
    if (count == SIZE_MAX)
        return SIZE_MAX;
    return count > inside ? count - inside : 0;
}

/* The object itself is no way to it. */
static void add_root(void *object, uint32_t number, void *context)
{
    struct search *search = context;
    if (number == search->wanted || count_outside(search, object, number) == 0)
        return;
    search->from[number] = FROM_OUTSIDE;
    search->queue[search->end++] = number;
}

static int reach(void *target, struct place place, void *context)
{
    struct search *search = context;
    (void)place;
    uint32_t number = snapshot_number(&search->snapshot, target);
    if (number == SNAPSHOT_NONE || search->from[number] != 0)
        return 0;
    search->from[number] = search->visited + 1;
    search->queue[search->end++] = number;
    return number == search->wanted;
}

/* Whether a way has been found. */
static bool find_way(struct search *search)
{
    snapshot_visit(&search->snapshot, count_references, search);
    snapshot_visit(&search->snapshot, add_root, search);
    while (search->next != search->end) {
        search->visited = search->queue[search->next++];
        if (walk_references(snapshot_object(&search->snapshot, search->visited), reach, search))
            return true;
    }
    return false;
}

/* ---- Lines ---- */

static void append_object(struct report_line *line, const void *object)
{
    report_append(line, "%p ", object);
    walk_append_type(line, header_type(header_of(object)), false);
}

static int write_held(const struct search *search, uint32_t number, int fd)
{
    struct report_line line = {.length = 0};
    const void *object = snapshot_object(&search->snapshot, number);
    size_t outside = count_outside(search, object, number);
    append_object(&line, object);
    if (outside == SIZE_MAX)
        report_append(&line, ": immortal");
    else
        report_append(&line, ": %zu reference%s from outside", outside, outside == 1 ? "" : "s");
    return report_write_line(fd, &line);
}

struct step {
    const void *target;
    struct place place;
};

static int is_step(void *target, struct place place, void *context)
{
    struct step *step = context;
    step->place = place;
    return target == step->target;
}

static int write_step(const struct search *search, uint32_t from, uint32_t to, int fd)
{
    struct report_line line = {.length = 0};
    struct step step = {.target = snapshot_object(&search->snapshot, to)};
    walk_references(snapshot_object(&search->snapshot, from), is_step, &step);
    report_append(&line, "  ");
    walk_append_place(&line, step.place);
    report_append(&line, " -> ");
    append_object(&line, step.target);
    return report_write_line(fd, &line);
}

/* The queue is done with: it holds the way, backward. */
static int write_way(struct search *search, int fd)
{
    uint32_t *way = search->queue, length = 0;
    way[length++] = search->wanted;
    while (search->from[way[length - 1]] != FROM_OUTSIDE) {
        way[length] = search->from[way[length - 1]] - 1;
        length++;
    }
    int result = write_held(search, way[--length], fd);
    while (result == 0 && length-- > 0)
        result = write_step(search, way[length + 1], way[length], fd);
    return result;
}

/* Neither held from outside nor reached. */
static int write_nothing(const struct search *search, const void *object, int fd)
{
    struct report_line line = {.length = 0};
    append_object(&line, object);
    report_append(&line, search->inside[search->wanted] != 0
                             ? ": only unreachable objects refer to it"
                             : ": nothing known refers to it");
    return report_write_line(fd, &line);
}

static int explain(struct search *search, void *object, int fd)
{
    search->wanted = snapshot_number(&search->snapshot, object);
    if (search->wanted == SNAPSHOT_NONE) {
        error_if_no_object("molt_gc_why", object);
        return pause_fail(EINVAL); /* it has no type */
    }
    bool found = find_way(search);
    bool is_held = count_outside(search, object, search->wanted) != 0;
    if (!found && !is_held)
        return write_nothing(search, object, fd);
    int result = is_held ? write_held(search, search->wanted, fd) : 0;
    return result == 0 && found ? write_way(search, fd) : result;
}

int molt_gc_why(void *object, int fd)
{
    struct pause pause;
    struct search search = {.next = 0};
    if (object == NULL)
        return pause_fail(EINVAL);
    error_if_no_object("molt_gc_why", object);
    int error = pause_begin_still(&pause);
    if (error != 0)
        return pause_fail(error);
    int result;
    if (snapshot_make(&search.snapshot, 3)) {
        search.inside = snapshot_array(&search.snapshot, 0);
        search.from = snapshot_array(&search.snapshot, 1);
        search.queue = snapshot_array(&search.snapshot, 2);
        result = explain(&search, object, fd);
    } else {
        result = pause_fail(ENOMEM);
    }
    snapshot_free(&search.snapshot);
    pause_end(&pause);
    return result;
}
