/* callback.h: the program's callbacks at the beginning and end of each collection
 * (molt_gc_add_callback). */
#ifndef GC_CALLBACK_H
#define GC_CALLBACK_H

#include "molt_object.h"

/* Calls all callbacks, while no lock but the collector's is held. By the collector. */
void callback_call_all(enum molt_gc_phase phase, const struct molt_gc_info *info);

/* While a forked child is repaired. */
void callback_repair(void);

#endif
