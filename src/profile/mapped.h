/* mapped.h: the mappings at the end of a profile: which file each frame's code is in. */
#ifndef PROFILE_MAPPED_H
#define PROFILE_MAPPED_H

#include "output.h"

/* Writes the mappings that there are now, and the code of modules that are gone, or are told to be
 * elsewhere (module.h). One thread at a time. */
void mapped_write(struct output *output);

#endif
