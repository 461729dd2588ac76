/* path.c: why an object lives: the shortest path of references to it from a root. A root is an
 * object that is held from outside: it has more references than live objects hold.
 *
 *   count_references   inside[object] = references to it from live objects
 *   add_root           each root is reached: the search begins there
 *   find_path          breadth first; from[object] = 1 + the object whose reference led to it
 *   write_path         backward along from[], then forward in lines
 */
#include "snapshot.h"
#include "walk.h"

#include "gc/exclusive.h"
#include "object/count.h" // count_of
#include "object/error.h"

#include <errno.h>

#define FROM_OUTSIDE UINT32_MAX

struct path_search {
    struct snapshot snapshot;
    uint32_t *inside; /* by number: references from live objects */
    uint32_t *from;  /* by number: 1 + the number before it; 0: not reached; FROM_OUTSIDE: a root */
    uint32_t *queue; /* numbers of the objects reached; not visited yet: [next, end) */
    uint32_t next, end;
    uint32_t wanted;  /* number of the object to which a path is wanted */
    uint32_t visited; /* number of the object whose references are being visited */
};

static int count_reference(void *target, struct place place, void *context)
{
    struct path_search *search = context;
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

/* References to the object that no live object holds; SIZE_MAX of an immortal one. */
static size_t count_outside(const struct path_search *search, const void *object, uint32_t number)
{
    size_t count = count_of(object), inside = search->inside[number];
    if (count == SIZE_MAX)
        return SIZE_MAX;
    return count > inside ? count - inside : 0;
}

/* The wanted object itself is left out: a path from it would be empty. */
static void add_root(void *object, uint32_t number, void *context)
{
    struct path_search *search = context;
    if (number == search->wanted || count_outside(search, object, number) == 0)
        return;
    search->from[number] = FROM_OUTSIDE;
    search->queue[search->end++] = number;
}

static int reach(void *target, struct place place, void *context)
{
    struct path_search *search = context;
    (void)place;
    uint32_t number = snapshot_number(&search->snapshot, target);
    if (number == SNAPSHOT_NONE || search->from[number] != 0)
        return 0;
    search->from[number] = search->visited + 1;
    search->queue[search->end++] = number;
    return number == search->wanted;
}

/* Whether there is a path from a root. */
static bool find_path(struct path_search *search)
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

static int write_held(const struct path_search *search, uint32_t number, int fd)
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

static int write_step(const struct path_search *search, uint32_t from, uint32_t to, int fd)
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

/* The queue is done with, so its memory holds the path, backward. */
static int write_path(struct path_search *search, int fd)
{
    uint32_t *path = search->queue, length = 0;
    path[length++] = search->wanted;
    while (search->from[path[length - 1]] != FROM_OUTSIDE) {
        path[length] = search->from[path[length - 1]] - 1;
        length++;
    }
    int result = write_held(search, path[--length], fd);
    while (result == 0 && length-- > 0)
        result = write_step(search, path[length + 1], path[length], fd);
    return result;
}

/* For an object that is neither held from outside nor reached from a root. */
static int write_nothing(const struct path_search *search, const void *object, int fd)
{
    struct report_line line = {.length = 0};
    append_object(&line, object);
    report_append(&line, search->inside[search->wanted] != 0
                             ? ": only unreachable objects refer to it"
                             : ": nothing known refers to it");
    return report_write_line(fd, &line);
}

static int explain(struct path_search *search, void *object, int fd)
{
    search->wanted = snapshot_number(&search->snapshot, object);
    if (search->wanted == SNAPSHOT_NONE) {
        error_if_no_object("molt_gc_why", object);
        return exclusive_fail(EINVAL); /* it has died meanwhile */
    }
    bool found = find_path(search);
    bool is_held = count_outside(search, object, search->wanted) != 0;
    if (!found && !is_held)
        return write_nothing(search, object, fd);
    int result = is_held ? write_held(search, search->wanted, fd) : 0;
    return result == 0 && found ? write_path(search, fd) : result;
}

int molt_gc_why(void *object, int fd)
{
    struct exclusive exclusive;
    struct path_search search = {.next = 0};
    if (object == NULL)
        return exclusive_fail(EINVAL);
    error_if_no_object("molt_gc_why", object);
    int error = exclusive_begin_still(&exclusive);
    if (error != 0)
        return exclusive_fail(error);
    int result;
    if (snapshot_make(&search.snapshot, 3)) {
        search.inside = snapshot_array(&search.snapshot, 0);
        search.from = snapshot_array(&search.snapshot, 1);
        search.queue = snapshot_array(&search.snapshot, 2);
        result = explain(&search, object, fd);
    } else {
        result = exclusive_fail(ENOMEM);
    }
    snapshot_free(&search.snapshot);
    exclusive_end(&exclusive);
    return result;
}
