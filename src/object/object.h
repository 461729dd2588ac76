/* object.h: what making objects leaves to be seen by those above. */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that were taken into use for tracked objects: pages, and large objects. The collector sets
 * it back to 0. */
extern HIDDEN _Atomic size_t object_new_bytes;

/* Nothing that runs code of the program is done inside molt_new: it waits until the program asks
 * for it (molt_gc_set_deferred). */
extern HIDDEN atomic_bool object_is_deferred;

#endif
