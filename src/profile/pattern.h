/* pattern.h: names of files from a pattern.
 *
 *   %p  the process's number        %e  its program        %n  a number that the caller counts
 *   %%  a percent sign              any other % stands for itself */
#ifndef PROFILE_PATTERN_H
#define PROFILE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a program's name that stand in a file's name, the NUL counted: the default pattern,
 * filled in, is then a valid name of a file. */
#define PATTERN_PROGRAM_SIZE 129

struct pattern_values {
    const char *program;
    unsigned process;
    unsigned number;
};

/* Writes the pattern with its values filled in, NUL-terminated. Returns its length, or
 * -ENAMETOOLONG: there is no room for it. */
long pattern_expand(const char *pattern, const struct pattern_values *values, char *out,
                    size_t size);

/* Whether the pattern has a value of this kind, 'p', 'e' or 'n'. */
bool pattern_has(const char *pattern, char kind);

/* Writes what %e stands for, NUL-terminated: the name as it can stand in a file's name. Blanks,
 * slashes and control characters become underscores; a long name is cut, but not inside a UTF-8
 * character. */
void pattern_clean_program(const char *name, char out[PATTERN_PROGRAM_SIZE]);

/* The same for the running program's file, by the thread's name if /proc does not tell. */
void pattern_program(char out[PATTERN_PROGRAM_SIZE]);

#endif
