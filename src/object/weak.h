/* weak.h: weak references.
 *
 * An object knows only that it has some: a bit in its shared word (count.h). The weak references
 * themselves are found in a hash table by the object's address, in shards with a lock each. A weak
 * reference is in the table as long as its object lives; who lets the object die takes them out
 * under the lock before the block is freed, and who wants a strong reference asks under the lock.
 * So an object that has none costs nothing, and a get never meets a block that is no object any
 * more.
 *
 * A callback that is due is called by who let the object die, from a chain that is that thread's
 * alone. Who frees such a weak reference only says so in it. In a forked child, which lacks the
 * thread, the chain may be cut off: nothing leads into it, and it stays where it is. */
#ifndef OBJECT_WEAK_H
#define OBJECT_WEAK_H

#include "molt_object.h"

#include <stdbool.h>

/* The object is dead: its weak references give NULL from now on, and their callbacks run. */
void weak_tell(void *object);

/* The same in two steps: takes those that have a callback, or all, out of the table; those with one
 * join the chain at *due, or are never called if due is NULL. weak_call calls them, the newest of
 * an object first. */
void weak_take(void *object, bool only_with_callback, molt_weak **due);
void weak_call(molt_weak **due);

/* Whether the object has weak references. */
bool weak_has(const void *object);

/* While a forked child is repaired. */
void weak_repair(void);

#endif
