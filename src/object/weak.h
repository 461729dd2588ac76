/* weak.h: weak references.
 *
 * An object knows only that it has some, by a bit in its word of the shared counts (count.h). A
 * hash table finds them by the object's address; it has shards with a lock each. A weak reference
 * is in the table as long as its object lives: the thread that lets the object die takes it out,
 * under the lock, before the block is freed. molt_weak_get retains the object under the same lock.
 * So it never meets a freed block; and an object without weak references pays nothing.
 *
 * The thread that let the object die also calls the callbacks, from a chain of its own of those
 * that are due. Another thread that frees a weak reference in that chain only marks it as
 * abandoned. In a forked child, which lacks the thread, the rest of the chain is leaked: nothing
 * leads to it. */
#ifndef OBJECT_WEAK_H
#define OBJECT_WEAK_H

#include "molt_object.h"

#include "base/attributes.h"

#include <stdbool.h>

/* The object has died: its weak references give NULL from now on, and their callbacks run. */
void weak_tell(void *object);

/* The same in two steps. weak_take takes all weak references out of the table, or only those with a
 * callback. Those with a callback join the chain at *due; if due is NULL they are never called.
 * weak_call calls the callbacks, those of an object in the order from its newest weak reference. */
void weak_take(void *object, bool only_with_callback, molt_weak **due);
void weak_call(molt_weak **due);

/* Whether the object has weak references. */
bool weak_has(const void *object);

/* While a forked child is repaired. */
COLD void weak_repair(void);

#endif
