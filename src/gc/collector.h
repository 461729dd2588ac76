/* collector.h: the collector: the one thread that collects, or walks over all objects, and how it
 * stops the others. A thread that only reads objects becomes the collector by exclusive.h. Threads
 * that keep it from stopping the world are stragglers (straggler.h); those that make garbage faster
 * than it frees it are throttled (throttle.h); the program may defer it (deferral.h). */
#ifndef GC_COLLECTOR_H
#define GC_COLLECTOR_H

#include <stdbool.h>

/* Makes the calling thread the collector unless some thread is. False: one is. */
bool collector_try_begin(void);

/* Makes the calling thread the collector; while another thread is, waits at safepoints. *begins: it
 * was not the collector before, so it owes collector_end. 0, or an error number, which is in errno,
 * too: EBUSY in a traverse callback or a blocking region, or ENOMEM. */
int collector_begin(bool *begins);
void collector_end(void);

bool collector_is_mine(void);    /* the calling thread is the collector */
bool collector_is_running(void); /* some thread is the collector */

/* Stops all other threads that use objects until safepoint_resume_world. False: one came to no
 * safepoint within `ms` milliseconds, and all are running. By the collector. */
bool collector_stop_world(unsigned ms);

/* While a forked child is repaired: whether a thread that is gone is the collector; and that it is
 * no longer. */
bool collector_is_left(void);
void collector_repair(void);

#endif
