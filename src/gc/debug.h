/* debug.h: molt_gc_set_debug: what collections are asked to say and to keep. */
#ifndef GC_DEBUG_H
#define GC_DEBUG_H

#include "collect.h"

/* A collection to be done, with the debug flags of now. */
struct collection debug_collection(int generation, unsigned stop_ms);

#endif
