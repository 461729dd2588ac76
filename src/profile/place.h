/* place.h: where the files of a process's profiles are: the paths that patterns (pattern.h) stand
 * for.
 *
 * A relative name belongs to the directory in which the process worked when its first profile
 * began: a daemon leaves it. If the pattern lacks %p, a forked child adds a dot and its number. */
#ifndef PROFILE_PLACE_H
#define PROFILE_PLACE_H

#include "output.h" // OUTPUT_PATH_SIZE

#include <stdbool.h>

/* Notes directory, program and process, when first called. One thread at a time; before the other
 * functions. */
void place_note(void);

/* Returns the program's name, as %e. */
const char *place_program(void);

/* Writes the path that the pattern stands for in this process, and `suffix` behind it. False: it
 * would be too long. `number` is %n. */
bool place_path(const char *pattern, unsigned number, const char *suffix,
                char path[OUTPUT_PATH_SIZE]);

#endif
