/* callback.h: what the program has called when a collection begins and ends: molt_gc_add_callback.
 */
#ifndef GC_CALLBACK_H
#define GC_CALLBACK_H

#include "molt_object.h"

/* Calls all callbacks, without a lock. By the thread that collects. */
void callback_call_all(enum molt_gc_phase phase, const struct molt_gc_info *info);

/* While a forked child is repaired. */
void callback_repair(void);

#endif
