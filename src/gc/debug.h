/* debug.h: what molt_gc_set_debug has asked collections to say and to keep. */
#ifndef GC_DEBUG_H
#define GC_DEBUG_H

#include "collect.h"

/* A collection that says and keeps what is asked for now. */
struct collection debug_collection(int generation, unsigned stop_ms);

#endif
