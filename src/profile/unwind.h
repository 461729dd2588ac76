/* unwind.h: the stack of the calling thread, as return addresses.
 *
 * The option prof_stack chooses how it is found: see enum prof_stack and doc/options.md. */
#ifndef PROFILE_UNWIND_H
#define PROFILE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

struct stack;

/* Makes ready what unwind_capture uses, perhaps by opening a library: so it must not be called
 * inside malloc, nor under a lock of molt's. Called again, it follows the option. */
void unwind_prepare(void);

/* Fills in the return addresses of the functions that have led here, the innermost first: those of
 * molt's own code that come first are left out. Where a signal has interrupted a function, one is
 * added to the address, as if a call stood there. Returns how many there are, at most `max` and
 * STACK_DEPTH_MAX; 0 where none is found, and before unwind_prepare.
 *
 * Any thread may call it at any time, in a signal handler, too. Keeps errno. */
unsigned unwind_capture(uintptr_t frames[], unsigned max);

/* The same as one of the stacks that are stored once (stack.h); NULL if there is no memory for it.
 * `often`: the thread comes from similar places again and again, so that its last walks are worth
 * remembering (trail.h). */
const struct stack *unwind_stack(bool often);

/* Captures by molt's own walk, whichever unwinder is chosen: so it takes no lock, and may be called
 * under any. */
unsigned unwind_walk(uintptr_t frames[], unsigned max);

/* In a forked child, before it captures. */
void unwind_repair(void);

#endif
