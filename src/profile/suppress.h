/* suppress.h: leaks that are known and not to be reported, in LeakSanitizer's words:
 *
 *     leak:pattern        # a stack with a frame that the pattern fits
 *
 * A pattern fits a frame if it is found in the name of its function, as far as the loader knows it,
 * or in the path of its library or program. * stands for any letters, ^ for the beginning and $ for
 * the end. Blank lines, lines that begin with #, and what is meant for other sanitizers are left
 * out. */
#ifndef PROFILE_SUPPRESS_H
#define PROFILE_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack;

/* Whether the pattern of that length is found in the text. */
bool suppress_fits(const char *pattern, size_t length, const char *text);

struct suppressions {
    char *text; /* the file's; NULL: none */
    size_t mapped_bytes;
    uintptr_t *known; /* what was found for frames that were looked at; NULL: no memory for it */
};

/* Reads the patterns of a file, to be added to the built-in ones. 0, or errno: the file cannot be
 * read or is too long. suppress_end is due in any case. */
int suppress_begin(struct suppressions *suppressions, const char *path);
void suppress_end(struct suppressions *suppressions);

/* Whether a pattern fits a frame of the stack. Takes the loader's lock. */
bool suppress_has(struct suppressions *suppressions, const struct stack *stack);

#endif
