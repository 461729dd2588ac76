/* step.h: doing something one instruction at a time.
 *
 * With the processor's trap flag set a signal comes after each instruction. For x86-64; under
 * sanitizers it would take too long. */
#ifndef UNIT_STEP_H
#define UNIT_STEP_H

#include <stdbool.h>

/* Whether there are single steps here; else says that the test is skipped. */
bool step_is_possible(const char *test);

/* From now on `after` is called, in a signal handler, after each of the calling thread's
 * instructions within this program, so not in libc, until step_end. One thread steps at a time. */
void step_begin(void (*after)(void));
void step_end(void);

#endif
