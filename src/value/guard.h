/* guard.h: the lock over what all values share: the small ints and the table of interned strings.
 *
 * While it is held no object is made or released. So no code of the program runs under it, and no
 * collection waits for it. What it guards changes by single stores: in a forked child, where the
 * parent's other threads are gone, the lock is opened again and all is whole. */
#ifndef VALUE_GUARD_H
#define VALUE_GUARD_H

void guard_acquire(void);
void guard_release(void);

#endif
