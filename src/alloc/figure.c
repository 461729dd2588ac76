/* figure.c: the three output formats. */
#include "figure.h"

#include "base/report.h"

#include <errno.h>

bool figure_has_format(enum molt_format format)
{
    bool is_known = format == MOLT_TEXT || format == MOLT_JSON || format == MOLT_PROMETHEUS;
    if (!is_known)
        errno = EINVAL;
    return is_known;
}

static void append_figure(struct report_line *line, const struct figure *figure, const char *prefix,
                          size_t value, enum molt_format format, bool is_first)
{
    const char *name = figure->name;
    switch (format) {
    case MOLT_JSON:
        report_append(line, "%s\"%s%s\": %zu", is_first ? "{" : ", ", prefix, name, value);
        break;
    case MOLT_PROMETHEUS:
        report_append(line, "# HELP molt_%s%s %s\n# TYPE molt_%s%s gauge\nmolt_%s%s %zu\n", prefix,
                      name, figure->help, prefix, name, prefix, name, value);
        break;
    default:
        report_append(line, "molt: %s%s: %zu (%s)\n", prefix, name, value, figure->help);
        break;
    }
}

int figure_write_all(int fd, enum molt_format format, const char *prefix,
                     const struct figure *figures, size_t count, const void *values)
{
    for (size_t i = 0; i < count; i++) {
        struct report_line line = {.length = 0};
        append_figure(&line, &figures[i], prefix, figure_value(&figures[i], values), format,
                      i == 0);
        if (report_write(fd, line.text, line.length) != 0)
            return -1;
    }
    return 0;
}
