/* cgroup.c: the memory that the process's control group may have.
 *
 * /proc/self/cgroup has a line for each hierarchy, "number:controllers:path". In version 2 there is
 * one, "0::path"; in version 1 the one that has the memory controller counts. The path leads from
 * the hierarchy's mount to the process's group, and each group on the way may have a limit, which
 * holds for all below it. A container sees its own group at the mount, often without the path to
 * it: so what is not there is passed over. */
#include "os.h"

#include <stdint.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

struct hierarchy {
    const char *controller; /* as /proc/self/cgroup names it */
    const char *mount;      /* below the tree */
    const char *file;       /* that has a group's limit */
};

static const struct hierarchy hierarchies[] = {
    {"", "", "memory.max"},
    {"memory", "/memory", "memory.limit_in_bytes"},
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

/* The limit in a file; SIZE_MAX if it says "max", and where there is no such file. */
static size_t read_limit(const char *path)
{
    char text[32];
    size_t limit = 0;
    const char *at = text;
    if (os_read_file(path, text, sizeof text) <= 0 || *at < '0' || *at > '9')
        return SIZE_MAX;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(limit, 10, &limit) ||
            __builtin_add_overflow(limit, (size_t)(*at - '0'), &limit))
            return SIZE_MAX;
    return limit;
}

/* Appends to a path; false if it gets too long. */
static bool append(char *path, size_t *at, const char *text, size_t length)
{
    if (length >= PATH_BYTES - *at)
        return false;
    memcpy(path + *at, text, length);
    *at += length;
    path[*at] = '\0';
    return true;
}

/* The least of the limits of a group, whose path has `length` bytes, and of those above it. */
static size_t least_limit(const struct hierarchy *hierarchy, const char *tree, const char *group,
                          size_t length)
{
    char path[PATH_BYTES];
    size_t mount = 0, least = SIZE_MAX;
    if (!append(path, &mount, tree, strlen(tree)) ||
        !append(path, &mount, hierarchy->mount, strlen(hierarchy->mount)))
        return least;
    for (;; length--) {
        size_t at = mount;
        bool fits = append(path, &at, group, length) && append(path, &at, "/", 1) &&
                    append(path, &at, hierarchy->file, strlen(hierarchy->file));
        size_t limit = fits ? read_limit(path) : SIZE_MAX;
        least = limit < least ? limit : least;
        while (length > 0 && group[length - 1] != '/')
            length--;
        if (length == 0)
            return least;
    }
}

size_t os_cgroup_limit(const char *groups, const char *tree)
{
    char text[4096];
    size_t least = SIZE_MAX;
    if (os_read_file(groups, text, sizeof text) <= 0)
        return least;
    for (const char *line = text; *line != '\0'; line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
            const char *path = path_in(line, hierarchies[i].controller);
            size_t limit = path == NULL || path > line + length
                               ? SIZE_MAX
                               : least_limit(&hierarchies[i], tree, path, strcspn(path, "\n"));
            least = limit < least ? limit : least;
        }
        line += length;
    }
    return least;
}
