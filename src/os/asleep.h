/* asleep.h: whether another thread of this process is certainly in no function of molt's.
 *
 * A thread that is blocked in a system call executes no instruction of the program. But the call
 * may have been made by a signal handler, which has interrupted anything. A handler runs with its
 * signal blocked, unless it was set up with SA_NODEFER; so a thread that blocks no signal, in a
 * process without such handlers, is in none. (Or in one that has unblocked its signal by hand and
 * then waits: nobody can tell.)
 *
 * /proc tells all this. It tells nothing where it is not mounted, or not for the process's own
 * numbers, or where the process may not read about itself. */
#ifndef OS_ASLEEP_H
#define OS_ASLEEP_H

#include <stdbool.h>

/* Whether handlers can run with their signals unblocked. Then no thread counts as asleep. */
bool asleep_handlers_nest(void);

/* Whether the thread is blocked in a call that waits, outside of any handler. It may wake up at any
 * time: so what it must not do from then on has to be closed before. */
bool asleep_in_call(int thread);

#endif
