/* stack.h: stacks of return addresses, each of them stored once: so a stack is known by its
 * address.
 *
 * They form a tree in which a stack's place is given by its hash, two bits of it a level:
 *
 *     root --+-- 00: A --+-- 00: -        B has a hash that begins with 00 11
 *            |           +-- ...
 *            |           +-- 11: B
 *            +-- 01: -
 *            +-- ...
 *
 * A new stack hangs itself by one compare-and-swap into the first free place on its way, and
 * nothing is ever moved or freed. So finding and adding need no lock: any thread may do so at any
 * time, in a signal handler, too, and in a forked child. */
#ifndef PROFILE_STACK_H
#define PROFILE_STACK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_DEPTH_MAX 128

enum { STACK_BRANCHES = 4 };

struct stack {
    _Atomic(struct stack *) below[STACK_BRANCHES];
    uint64_t hash;
    uint32_t number;           /* no two stacks have the same; from 1 on */
    uint32_t depth;            /* how many frames there are; may be 0 */
    _Atomic(uint64_t) checked; /* the modules were those of the frames after so many unloads */
    const uintptr_t *captured; /* return addresses, the innermost first; often `frames` */
    uintptr_t frames[];        /* the same, as they are told (module.h) */
};

/* Returns the one copy of the stack; NULL if there is none and no memory for one. */
const struct stack *stack_intern(const uintptr_t *frames, unsigned depth);

/* Returns how many different stacks there are. */
size_t stack_count(void);

#endif
