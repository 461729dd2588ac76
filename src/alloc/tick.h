/* tick.h: what is due now and then, done on a thread's way out of a slow path.
 *
 * molt has no clock of its own: a tick happens when a thread calls malloc or free. Each heap counts
 * frees to its next tick (`left` in the records of its ACTIVE pools). Ticks are seldom in a busy
 * program, since thousands of frees may lie between two, and come with every free in a quiet one.
 * Three things see to it that memory goes back in a program that becomes quiet:
 *
 *   - Memory that was released makes the next malloc tick, too, which a burst of frees does not use
 *     up (heap_arm).
 *   - A tick makes the next free of threads tick that have not ticked for 20 ms
 *     (registry_call_quiet).
 *   - A tick that comes late makes all calls of the thread tick from then on, while there is
 *     memory to return. */
#ifndef ALLOC_TICK_H
#define ALLOC_TICK_H

struct heap;

/* Does what is due: hands over the outbox, reaps parked heaps, returns memory to the OS in a
 * portion of half a millisecond. Sets how many frees pass until the heap's next tick. The caller
 * has entered the heap. */
void tick(struct heap *heap);

#endif
