/* leak.h: the report on blocks that were never freed.
 *
 *   leak: 48 bytes in 3 blocks, unreachable, allocated at:
 *       /usr/bin/program+0x1185
 *       /lib/x86_64-linux-gnu/libc.so.6+0x27249
 *   …
 *   leaks: 48 bytes in 3 blocks are unreachable
 *   leaks: 1024 bytes in 1 block are still reachable
 *
 * A search (search.h) tells which blocks can be reached; the records of a profile (record.h) tell
 * of blocks what was asked for, when, and where. Records are grouped by stack, type and kind.
 *
 * What counts as reachable though nothing that is scanned leads to it: blocks that the loader has
 * allocated, which it keeps in memory of its own.
 *
 * At exit the report comes after all destructors, so what static C++ objects held is free by then.
 * Threads may still run: they are stopped meanwhile. */
#ifndef PROFILE_LEAK_H
#define PROFILE_LEAK_H

#include "roots.h"

#include <stddef.h>

/* Writes the report on a profile's records. Returns how many unreachable blocks it told of, or -1
 * and errno, as molt_leaks_check (molt.h). */
long leak_check(int fd, const struct roots_caller *caller);

/* Has the signal of the option `leaks_signal` ask for a report. */
void leak_take_signal(void);

/* Writes the report that a signal has asked for, to standard error, and marks the moment as
 * molt_leaks_mark does. The thread of alloc/background.h calls it: to look for leaks takes locks
 * that the thread may have which is interrupted by the signal. */
void leak_in_background(void);

/* Does what molt_ctl("leaks", …) asks for: "check" and "mark" are commands. 0, or errno; -1: it is
 * no command. */
int leak_command(const char *name, const char *value, size_t length);

#endif
