/* share.h: the statistics page of the process (molt_page.h): a file that it maps, and writes its
 * statistics to while the option `share` is on.
 *
 * Nobody asks the process: it has no thread for that, no descriptor and no signal. Slow paths that
 * come now and then (tick.h, peak.h) look at the time when the next refresh is due (refresh.h). One
 * thread at a time counts, one arena after the other, for a thousandth of the time that has passed
 * since it last did; then nothing is due for a thousand times the processor's time that it took.
 * When all is counted it is written to the page. So refreshing takes a thousandth of one
 * processor's time at most, however large the heap is, and holds up no call for longer than an
 * arena takes, or half a millisecond.
 *
 * A file in memory, rather than a memfd: that is found through a descriptor that the process keeps,
 * and programs close descriptors that they do not know, or count them. The mapping needs none, and
 * refreshing makes no system call that a sandbox would forbid: it asks for the time and the
 * process's number, and blocks signals for a moment.
 * The file's memory is allocated when it is made, so that a full file system is told then, and not
 * by SIGBUS later.
 *
 * A forked child gets a page of its own at once, before it may give up rights or enter a sandbox.
 * No child writes to the page of its parent: what is written is written with all signals blocked,
 * so no handler can fork meanwhile, and by the process only that made the page, so that the child
 * of a vfork, which shares its parent's memory, does not write either. */
#ifndef PROFILE_SHARE_H
#define PROFILE_SHARE_H

#include <stdbool.h>

/* Whether the option says something else than what share_follow_options was last told by it. */
bool share_is_to_change(void);

/* Makes the page or removes it, as the option says; if it cannot be made a warning says why. One
 * thread at a time, not in malloc. */
void share_follow_options(void);

/* Counts on, and writes to the page, if it is time (refresh.h). Any thread, inside a slow path,
 * with no lock held. */
void share_refresh(void);

/* The process exits. */
void share_exit(void);

/* In a forked child: leaves the parent's page, and makes one of its own. */
void share_repair(void);

#endif
