/* place.h: where the files of a process's profiles are: the paths that patterns (pattern.h) stand
 * for.
 *
 * A relative name belongs to the directory in which the process worked when its first profile
 * began: a daemon leaves it. If the pattern lacks %p, a forked child adds a dot and its number. */
#ifndef PROFILE_PLACE_H
#define PROFILE_PLACE_H

#include "output.h" // OUTPUT_PATH_SIZE

#include "base/options.h" // OPTION_TEXT_SIZE

#include <stdbool.h>

/* Notes directory, program and process, when first called. One thread at a time; before the other
 * functions. */
void place_note(void);

/* Returns the program's name, as %e. */
const char *place_program(void);

/* Files that one option names. Zero: none has been named yet. */
struct place_series {
    unsigned process; /* whose files are counted */
    unsigned number;  /* of the last one: %n */
    char pattern[OPTION_TEXT_SIZE];
};

/* Writes the path of the next file: what the option's pattern stands for in this process, and
 * `suffix` behind it. False: it would be too long. One thread at a time for a series. */
bool place_next(struct place_series *series, const char *const *option, const char *suffix,
                char path[OUTPUT_PATH_SIZE]);

#endif
