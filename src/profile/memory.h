/* memory.h: the profiler's own memory, which comes from the OS and never from malloc: so it is in
 * no profile, and malloc's state does not matter where it is asked for. It is never given back.
 *
 * Memory is cut from chunks. A chunk has a count of the bytes that are taken, which only grows; the
 * one that is being cut is found by a pointer. Both change by one atomic instruction, so any thread
 * may take memory, in a signal handler, too, and a forked child finds nothing half done. */
#ifndef PROFILE_MEMORY_H
#define PROFILE_MEMORY_H

#include <stddef.h>

/* Returns zeroed memory, aligned to 16 bytes. NULL when the option prof_memory allows no more, or
 * the OS refuses. Keeps errno. */
void *profile_memory_take(size_t bytes);

/* Allows so many times what the option says, from now on. */
void profile_memory_allow(unsigned times);

/* Returns how many bytes the OS has been asked for; pages of them that nobody has used cost
 * nothing.
 */
size_t profile_memory_bytes(void);

/* Returns how many bytes profile_memory_take has returned: most of them are resident. */
size_t profile_memory_given(void);

/* Returns how many calls of profile_memory_take have returned NULL. */
size_t profile_memory_refused(void);

#endif
