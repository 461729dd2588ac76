/* pressure.h: whether the memory of the process's control group is nearly used up (prof_dump_at).
 *
 * What the group has is asked for while memory is allocated: ten times a second at most, but sooner
 * where an eighth of what is left has been allocated since, from 1 to 32 MiB. So the last looks
 * before the mark come quickly one after the other, and a program that allocates little looks
 * seldom. */
#ifndef PROFILE_PRESSURE_H
#define PROFILE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* So many bytes more have been allocated, more or less. Returns whether the mark has been passed:
 * once, and then again when usage was well below it. Any thread, signal handlers too. */
bool pressure_has_come(uint64_t bytes);

/* In a forked child: frees the lock if a thread that is gone was looking. */
void pressure_repair(void);

#endif
