/* unwind.h: the stack of the calling thread, as return addresses.
 *
 * The option prof_stack chooses how it is found: see enum prof_stack and doc/options.md. */
#ifndef PROFILE_UNWIND_H
#define PROFILE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* Makes ready what unwind_capture uses, perhaps by opening a library: so it must not be called
 * inside malloc, nor under a lock of molt's. Called again, it follows the option. */
void unwind_prepare(void);

/* Fills in the return addresses of the functions that have led here, the innermost first: those of
 * molt's own code that come first are left out. Returns how many there are, at most `max`; 0 when
 * none is found, before unwind_prepare, and where the unwinder itself has called malloc.
 *
 * Any thread may call it at any time, in a signal handler, too. Keeps errno. */
unsigned unwind_capture(uintptr_t frames[], unsigned max);

#endif
