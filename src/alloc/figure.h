/* figure.h: writing the fields of a struct of numbers, as text, JSON or for Prometheus. */
#ifndef ALLOC_FIGURE_H
#define ALLOC_FIGURE_H

#include "molt.h" // enum molt_format

#include <stdbool.h>
#include <stddef.h>

struct figure {
    const char *name, *help;
    size_t offset; /* of a size_t in the struct */
};

#define FIGURE(type, field, help)                  \
    {                                              \
#field, help, offsetof(struct type, field) \
    }

static inline size_t figure_value(const struct figure *figure, const void *values)
{
    return *(const size_t *)((const char *)values + figure->offset);
}

/* Whether it is one of the formats; else errno is EINVAL. */
bool figure_has_format(enum molt_format format);

/* Writes them, each in a line of its own, under names that begin with the prefix; in JSON as an
 * object that is still open. 0, or -1 and errno. */
int figure_write_all(int fd, enum molt_format format, const char *prefix,
                     const struct figure *figures, size_t count, const void *values);

#endif
