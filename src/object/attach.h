/* attach.h: how a thread comes to own objects: its heap gets an owner (owner.h) when the thread
 * first uses objects, and keeps it; a later thread that adopts the heap takes over its owner. */
#ifndef OBJECT_ATTACH_H
#define OBJECT_ATTACH_H

#include "owner.h"

/* Attaches the calling thread, unless it is attached. Returns its owner; NULL when there is no
 * memory, or no tag for its heap (tag_fits_heap). Waits while the world stands still. */
struct owner *attach_thread(void);

#endif
