/* thread_stack.h: reading the words of a stack, of whose addresses nothing is known for sure.
 *
 * A walk over frames may come to a wrong address: it reads a word only where memory is. Asking the
 * kernel for each page would take longer than the walk. So a thread remembers the part of its own
 * stack that it has asked for once: from the deepest frame that was looked at up to where the stack
 * begins, with no gap. That part stays mapped for as long as the thread runs.
 *
 *      low                                 high
 *       |  frames of the thread             |  its thread-local data, or the program's arguments
 *
 * Other stacks, of signal handlers and coroutines, may be unmapped at any time: of them the kernel
 * is asked each time, once a page. */
#ifndef PROFILE_THREAD_STACK_H
#define PROFILE_THREAD_STACK_H

#include <stdbool.h>
#include <stdint.h>

struct thread_stack {
    uintptr_t low, high; /* can be read for as long as the thread runs */
    uintptr_t page;      /* so can this page, at the moment */
};

/* Begins a walk upwards over the stack that the address is on. */
void thread_stack_begin(struct thread_stack *stack, uintptr_t address);

bool thread_stack_check(struct thread_stack *stack, uintptr_t address);

/* Reads the word at the address. False, with 0, if it is not aligned or cannot be read. */
static inline bool thread_stack_read(struct thread_stack *stack, uintptr_t address, uintptr_t *word)
{
    bool is_known = address >= stack->low && address < stack->high;
    bool can_read = address % sizeof *word == 0 && (is_known || thread_stack_check(stack, address));
    *word = can_read ? *(const uintptr_t *)address : 0;
    return can_read;
}

#endif
