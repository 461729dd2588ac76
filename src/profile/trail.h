/* trail.h: the way of the last walk, which most of the next one takes again.
 *
 * Who records every block walks from the same places over and over, and the callers further up
 * change seldom. So each step is kept: the frame, and where its caller's registers have been read
 * from. A frame whose registers are the same as one of the last walk's has its rule and its places,
 * too; if the same words stand there, the caller's frame is the same, and so on.
 *
 *     last walk     malloc   make_name   parse    read_file   main      steps: two loads each
 *     this walk     malloc   make_list ──┘ joins here, and looks whether the words still hold
 *
 * So a step that has been taken before takes two loads and no look at its rule, and nothing is
 * assumed: each word that the walk depends on is read again. When a library is unloaded all trails
 * end.
 *
 * Several threads share a trail by turns: who finds it taken walks without one. */
#ifndef PROFILE_TRAIL_H
#define PROFILE_TRAIL_H

#include "walk.h"

struct stack;

/* The thread's trail for walks that begin at that stack pointer: calls of different depths do not
 * push each other out. NULL: it is taken, or there is no memory for it. Waits for nothing. */
struct trail *trail_take(uintptr_t sp);
void trail_give(struct trail *trail);

/* Walks up to the end, along the trail where that leads there, and returns the stack without molt's
 * own frames; NULL if there is no memory for it. */
const struct stack *trail_stack(struct trail *trail, struct walk *walk);

/* In a forked child: trails of threads that are gone are given back. */
void trail_repair(void);

#endif
