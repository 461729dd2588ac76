/* frame.h: frames as text: "/path/to/module+0x1234", what addr2line and the like ask for. */
#ifndef PROFILE_FRAME_H
#define PROFILE_FRAME_H

#include "base/report.h"

#include <stdint.h>

#define FRAME_PATH_SIZE 4096

/* Returns the path of the program or library that the return address lies in, and sets its base,
 * which places are counted from; NULL: it lies in none. The path is valid until that is unloaded,
 * or is put into `buffer`, of FRAME_PATH_SIZE bytes. The address is one that is told (module.h).
 * Takes the loader's lock. */
const char *frame_path(uintptr_t address, uintptr_t *base, char *buffer);

/* Appends the place of a return address, less 1, so that it lies inside of the call; the address
 * itself where no program or library is. Takes the loader's lock. */
void frame_append(struct report_line *line, uintptr_t address);

/* The same without any lock: where the loader does not tell without one (image.h), the address
 * itself. `buffer` is of FRAME_PATH_SIZE bytes. */
void frame_append_unlocked(struct report_line *line, uintptr_t address, char *buffer);

#endif
