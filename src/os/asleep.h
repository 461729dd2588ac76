/* asleep.h: whether another thread of this process is certainly in no function of molt's.
 *
 * A thread that is blocked in a system call executes no instruction of the program. But a signal
 * handler may have made the call, after it had interrupted any function. A handler runs with its
 * own signal blocked, unless it was set up with SA_NODEFER. So, in a process without such handlers,
 * a thread that blocks no signal is in no handler. (Or it is in one that has unblocked its signal
 * by hand and then waits: nobody can tell.)
 *
 * /proc tells all this. It tells nothing where it is not mounted, or numbers threads differently,
 * or where the process may not read about itself. */
#ifndef OS_ASLEEP_H
#define OS_ASLEEP_H

#include <stdbool.h>
#include <stdint.h>

/* Whether handlers of the process can run with their own signal unblocked. Then no thread counts as
 * asleep. */
bool asleep_handlers_nest(void);

/* Whether the thread, of the id that the kernel gives it, is blocked in a call that waits, outside
 * of any handler. It may wake up at any time: so the caller must first have closed the ways to what
 * the thread must not do from then on. */
bool asleep_in_call(int thread);

/* The stack pointer of a thread that is in a call just now, whichever it is; 0: it runs, or /proc
 * does not tell. */
uintptr_t asleep_stack(int thread);

#endif
