/* background.h: a thread that ticks while the program sleeps (MOLT=background).
 *
 * Without it ticks (tick.h) come from the program's own calls only, and a program that makes none
 * keeps what is free. The thread does what ticks do, for all heaps: each tenth of a second while
 * memory is going back, and for some time after the last large release. Then it sleeps without a
 * limit, until a heap that has released a mebibyte wakes it. So it never wakes in a program that
 * does nothing; but where the program's first thread has ended, it goes on ticking, since the other
 * threads may end without waking it.
 *
 * With `leaks_signal` there is such a thread, too: what a signal's handler may not do, it does.
 *
 * The thread takes no signals, has no heap, and allocates nothing. A child made by fork() gets a
 * thread of its own at once; one made by _Fork() or clone() has none. When it is the last thread of
 * the process, it ends, and the process with it. */
#ifndef ALLOC_BACKGROUND_H
#define ALLOC_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the thread if an option wants it and there is none; ends it if none does. The caller
 * holds no lock and is inside no slow path, since a thread is made. */
void background_adjust(void);

/* Wakes the thread: much was released, which will go back soon; or profile_hooks.in_background has
 * something to do. Takes no lock; signal handlers, too. */
void background_notify(void);

/* One step of the thread: does all that is due, for all heaps. Whether there is memory that may go
 * back later. Exported for tests. */
bool background_step(uint64_t now_ms, uint64_t elapsed_ms);

/* In a forked child: notes that the thread is gone. */
void background_repair(void);

#endif
