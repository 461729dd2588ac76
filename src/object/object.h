/* object.h: what making objects shares with the collector. */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that tracked objects have taken into use, in pages and large objects, since the collector
 * last set this to 0. */
extern HIDDEN _Atomic size_t object_new_bytes;

/* molt_new runs no code of the program (finalizers, callbacks): counts that others have queued wait
 * to be merged until the program asks for it (molt_gc_set_deferred). */
extern HIDDEN atomic_bool object_is_deferred;

#endif
