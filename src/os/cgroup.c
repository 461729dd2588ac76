/* cgroup.c: the memory that the process's control group may have, and has.
 *
 * /proc/self/cgroup has a line for each hierarchy, "number:controllers:path". In version 2 there is
 * one, "0::path"; in version 1 the one that has the memory controller counts. The path leads from
 * the hierarchy's mount to the process's group, and each group on the way may have a limit, which
 * holds for all below it. A container sees its own group at the mount, often without the path to
 * it: so what is not there is passed over. */
#include "os.h"

#include "base/options.h" // option_part

#include <stdint.h>
#include <string.h>

struct hierarchy {
    const char *controller; /* as /proc/self/cgroup names it */
    const char *mount;      /* below the tree */
    const char *limit;      /* files of a group: what it may have, */
    const char *high;       /* above what it is slowed down, */
    const char *usage;      /* what it has; */
    const char *droppable;  /* and a line of memory.stat: files that can be dropped at once */
};

static const struct hierarchy hierarchies[] = {
    {"", "", "memory.max", "memory.high", "memory.current", "inactive_file "},
    {"memory", "/memory", "memory.limit_in_bytes", NULL, "memory.usage_in_bytes",
     "total_inactive_file "},
};

/* Whether a list, which ends at a colon, has the word. */
static bool has_word(const char *list, const char *word)
{
    for (size_t length;; list += length + 1) {
        length = strcspn(list, ",:");
        if (length == strlen(word) && memcmp(list, word, length) == 0)
            return true;
        if (list[length] != ',')
            return false;
    }
}

/* The path in a line of the hierarchy that has the controller; NULL if the line is another's. */
static const char *path_in(const char *line, const char *controller)
{
    const char *list = strchr(line, ':');
    const char *path = list != NULL ? strchr(list + 1, ':') : NULL;
    return path != NULL && has_word(list + 1, controller) ? path + 1 : NULL;
}

/* The number at the start of a text; SIZE_MAX if it is none ("max"), or too large. */
static size_t parse_number(const char *text)
{
    size_t number = 0;
    if (*text < '0' || *text > '9')
        return SIZE_MAX;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (size_t)(*text - '0'), &number))
            return SIZE_MAX;
    return number;
}

/* ---- A group, whose path is that of the walk ---- */

/* Appends to the path, at `*at`; false if it gets too long. */
static COLD bool append(struct os_cgroup_walk *walk, size_t *at, const char *text, size_t length)
{
    if (length >= sizeof walk->path - *at)
        return false;
    memcpy(walk->path + *at, text, length);
    *at += length;
    walk->path[*at] = '\0';
    return true;
}

/* Reads a file of the group to the walk's text. */
static COLD bool read_file(struct os_cgroup_walk *walk, const char *file)
{
    size_t at = walk->length;
    bool fits = file != NULL && append(walk, &at, "/", 1) && append(walk, &at, file, strlen(file));
    return fits && os_read_file(walk->path, walk->text, sizeof walk->text) > 0;
}

/* The number in a file of the group; SIZE_MAX if there is no such file or no number in it. */
static COLD size_t read_number(struct os_cgroup_walk *walk, const char *file)
{
    return read_file(walk, file) ? parse_number(walk->text) : SIZE_MAX;
}

/* ---- The groups ---- */

typedef void visitor(struct os_cgroup_walk *walk, const struct hierarchy *hierarchy, void *context);

/* Visits a group, whose path has `length` bytes, and those above it. */
static void visit_upwards(struct os_cgroup_walk *walk, const struct hierarchy *hierarchy,
                          const char *group, size_t length, visitor *visit, void *context)
{
    size_t mount = 0;
    if (!append(walk, &mount, walk->tree, strlen(walk->tree)) ||
        !append(walk, &mount, hierarchy->mount, strlen(hierarchy->mount)))
        return;
    for (;; length--) {
        walk->length = mount;
        if (append(walk, &walk->length, group, length))
            visit(walk, hierarchy, context);
        while (length > 0 && group[length - 1] != '/')
            length--;
        if (length == 0)
            return;
    }
}

static COLD void visit_groups(struct os_cgroup_walk *walk, visitor *visit, void *context)
{
    if (os_read_file(walk->groups, walk->list, sizeof walk->list) <= 0)
        return;
    for (const char *line = walk->list; *line != '\0'; line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
            const char *path = path_in(line, hierarchies[i].controller);
            if (path != NULL && path <= line + length)
                visit_upwards(walk, &hierarchies[i], path, strcspn(path, "\n"), visit, context);
        }
        line += length;
    }
}

/* ---- Limits ---- */

static COLD void take_least(struct os_cgroup_walk *walk, const struct hierarchy *hierarchy,
                            void *context)
{
    size_t *least = context, limit = read_number(walk, hierarchy->limit);
    if (limit < *least)
        *least = limit;
}

COLD size_t os_cgroup_limit(const char *groups, const char *tree)
{
    struct os_cgroup_walk walk = {.groups = groups, .tree = tree};
    size_t least = SIZE_MAX;
    visit_groups(&walk, take_least, &least);
    return least;
}

/* ---- Usage ---- */

struct fill_search {
    bool of_high;
    unsigned percent;
    struct os_cgroup_fill fullest;
};

/* The number in a line that begins with the name; 0 if there is none. */
static size_t number_in(const char *text, const char *name)
{
    size_t length = strlen(name);
    while (strncmp(text, name, length) != 0) {
        text += strcspn(text, "\n");
        if (*text++ == '\0')
            return 0;
    }
    return parse_number(text + length);
}

/* What the group has without files that the kernel drops first. */
static COLD size_t needed_of(struct os_cgroup_walk *walk, const struct hierarchy *hierarchy,
                             size_t usage)
{
    size_t droppable =
        read_file(walk, "memory.stat") ? number_in(walk->text, hierarchy->droppable) : 0;
    return droppable < usage ? usage - droppable : usage;
}

static COLD void take_fullest(struct os_cgroup_walk *walk, const struct hierarchy *hierarchy,
                              void *context)
{
    struct fill_search *search = context;
    struct os_cgroup_fill *fullest = &search->fullest;
    size_t limit = read_number(walk, search->of_high ? hierarchy->high : hierarchy->limit);
    size_t used = read_number(walk, hierarchy->usage), mark = option_part(limit, search->percent);
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return;
    if (used >= mark) /* else there is room anyway */
        used = needed_of(walk, hierarchy, used);
    if ((double)used * (double)fullest->mark >= (double)fullest->used * (double)mark)
        *fullest = (struct os_cgroup_fill){.used = used, .mark = mark};
}

struct os_cgroup_fill os_cgroup_fullest(struct os_cgroup_walk *walk, bool of_high, unsigned percent)
{
    struct fill_search search = {
        .of_high = of_high, .percent = percent, .fullest = {.used = 0, .mark = SIZE_MAX}};
    visit_groups(walk, take_fullest, &search);
    return search.fullest;
}
