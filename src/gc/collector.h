/* collector.h: the one thread that collects, or looks at all objects, and how it stops the others.
 */
#ifndef GC_COLLECTOR_H
#define GC_COLLECTOR_H

#include <stdbool.h>

/* The calling thread becomes the collector, or not. */
bool collector_try_begin(void);

/* The calling thread becomes the collector as soon as no other thread is, and comes to safepoints
 * meanwhile; *begins: it was not the collector before. 0, or an error number: EBUSY where the
 * thread must leave objects alone, or ENOMEM. */
int collector_begin(bool *begins);
void collector_end(void);

bool collector_is_mine(void);    /* the calling thread is the collector */
bool collector_is_running(void); /* some thread is */

/* All other threads that use objects stand still until safepoint_resume_world. False: one did not
 * come within `ms` milliseconds, and all run again. By the collector. */
bool collector_stop_world(unsigned ms);

/* While a forked child is repaired: whether a thread that is gone was the collector; then nobody
 * is. */
bool collector_is_left(void);
void collector_repair(void);

#endif
