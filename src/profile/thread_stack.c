/* thread_stack.c: which part of a thread's stack can be read. */
#include "thread_stack.h"

#include "base/attributes.h"
#include "base/lock.h" // lock_self
#include "os/os.h"     // os_is_readable, os_stack_top

#include <stdatomic.h>
#include <stddef.h>

enum { GROWTH_PAGES_MAX = 64 }; /* by which the part that is known grows at a time */

/* `low` is set first, so that a signal handler finds either nothing or all. */
static THREAD_LOCAL struct {
    uintptr_t low, high;
} known;

/* Returns the address above the thread's frames at which its stack certainly is mapped: the C
 * library lays a thread's thread pointer at the top of its stack, the kernel the facts that it
 * tells the process above the first thread's frames. */
static uintptr_t top_above(uintptr_t address)
{
    uintptr_t first = os_stack_top(), self = lock_self();
    bool is_of_first = first > address && (self <= address || first < self);
    return is_of_first ? first : self;
}

/* Makes the part that is known begin at the page, if there is no gap up to it. Below a stack lies a
 * page that cannot be read, so an address on another stack is not taken for one on the thread's. */
static void grow_to(uintptr_t page)
{
    uintptr_t end = known.high != 0 ? known.low : top_above(page);
    if (page >= end || end - page > GROWTH_PAGES_MAX * os_page_bytes() ||
        !os_is_readable((const void *)page, end - page))
        return;
    known.low = page;
    atomic_signal_fence(memory_order_seq_cst);
    if (known.high == 0)
        known.high = end;
}

static uintptr_t page_of(uintptr_t address)
{
    return address & ~(os_page_bytes() - 1);
}

void thread_stack_begin(struct thread_stack *stack, uintptr_t address)
{
    if (address < known.low || known.high == 0)
        grow_to(page_of(address));
    uintptr_t low = address > known.low ? address : known.low;
    *stack = (struct thread_stack){.low = low, .high = known.high, .page = UINTPTR_MAX};
}

bool thread_stack_check(struct thread_stack *stack, uintptr_t address)
{
    uintptr_t page = page_of(address);
    if (page == stack->page)
        return true;
    if (!os_is_readable((const void *)address, sizeof address))
        return false;
    stack->page = page;
    return true;
}
