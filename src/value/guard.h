/* guard.h: the lock over what all values share: the small ints and the table of interned strings.
 *
 * No object is made or released while it is held, so no code of the program runs and no collection
 * waits for it. What it guards changes by single stores: in a forked child, whose parent's other
 * threads are gone, it is free again and all is whole. */
#ifndef VALUE_GUARD_H
#define VALUE_GUARD_H

void guard_acquire(void);
void guard_release(void);

#endif
