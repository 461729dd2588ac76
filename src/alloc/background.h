/* background.h: a thread that does what is due while the program sleeps (MOLT=background).
 *
 * Without it, looks at the clock come from the program's own calls, and what is free in a program
 * that makes none stays. The thread does for all heaps what those looks do (tick.h). It looks each
 * tenth of a second while memory is going back, and for some time after much was freed last; else
 * it sleeps without a limit, until a heap that has released a mebibyte wakes it. So a program that
 * does nothing is never woken, unless it goes on without its first thread: others may end without
 * a word.
 *
 * It takes no signals, has no heap, and allocates nothing. A child made by fork() gets its own at
 * once; one made by _Fork() or clone() has none. When it is the last thread, it ends, too, and with
 * it the process. */
#ifndef ALLOC_BACKGROUND_H
#define ALLOC_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the thread if the option is on and there is none, or ends it. Makes a thread: so under no
 * lock and inside no slow path. */
void background_adjust(void);

/* Much was released: there will be something to return soon. Takes no lock. */
void background_notify(void);

/* Does what a look at the clock does, for all heaps: as much as is due at once. Whether there is
 * memory that may go later. The thread's step, by itself for tests. */
bool background_step(uint64_t now_ms, uint64_t elapsed_ms);

/* In a forked child: the thread is gone. */
void background_repair(void);

#endif
