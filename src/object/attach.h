/* attach.h: how a thread comes to own objects. */
#ifndef OBJECT_ATTACH_H
#define OBJECT_ATTACH_H

#include "owner.h"

/* Attaches the calling thread, unless it is attached: its owner, or NULL when there is no memory or
 * its heap has no tag. May wait while the world stands still. */
struct owner *attach_thread(void);

#endif
