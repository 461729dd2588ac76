/* code_map.h: which files' code lies where in memory, as readers of profiles need it to name
 * addresses. One thread at a time. */
#ifndef PROFILE_CODE_MAP_H
#define PROFILE_CODE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks at the process's mappings, and writes those that can be executed, a line each as
 * /proc/self/maps has it (without the number of the file), as long as there is room. Returns how
 * many bytes all lines have. */
size_t code_map_write(char *text, size_t room);

/* Whether the address is in a mapping that was there at the last look. */
bool code_map_has(uintptr_t address);

#endif
