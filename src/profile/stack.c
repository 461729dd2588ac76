/* stack.c: the tree of stacks. */
#include "stack.h"

#include "image.h" // image_unloads
#include "memory.h"
#include "module.h"

#include "base/attributes.h"

#include <stdbool.h>
#include <string.h>

static _Atomic(struct stack *) root;
static _Atomic(uint32_t) numbered; /* the last number that was given; it may not be in the tree */
static _Atomic(size_t) count;

/* Multiplies each word in, and folds what has gone to the high bits (the step is that of wyhash).
 */
static uint64_t hash_frames(const uintptr_t *frames, unsigned depth)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) + depth;
    for (unsigned i = 0; i < depth; i++) {
        __extension__ unsigned __int128 product =
            (unsigned __int128)(hash ^ frames[i]) * UINT64_C(0xd6e8feb86659fd93);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return hash;
}

/* Whether the stack that was captured leads through the modules that lie there now. */
static bool leads_through_present(struct stack *stack)
{
    uint64_t unloads = image_unloads();
    if (LIKELY(atomic_load_explicit(&stack->checked, memory_order_relaxed) == unloads))
        return true;
    bool is_same = module_is_told(stack->captured, stack->frames, stack->depth);
    if (is_same)
        atomic_store_explicit(&stack->checked, unloads, memory_order_relaxed);
    return is_same;
}

static bool equals(struct stack *stack, uint64_t hash, const uintptr_t *frames, unsigned depth)
{
    return stack->hash == hash && stack->depth == depth &&
           memcmp(stack->captured, frames, depth * sizeof *frames) == 0 &&
           leads_through_present(stack);
}

/* Has the frames say what is told. False: no memory. */
static bool tell(struct stack *stack, const uintptr_t *frames)
{
    size_t bytes = stack->depth * sizeof *frames;
    stack->checked = image_unloads();
    stack->captured = memcpy(stack->frames, frames, bytes);
    if (!module_tell(stack->frames, stack->depth))
        return true;
    uintptr_t *captured = profile_memory_take(bytes);
    if (captured != NULL)
        stack->captured = memcpy(captured, frames, bytes);
    return captured != NULL;
}

static struct stack *new_stack(uint64_t hash, const uintptr_t *frames, unsigned depth)
{
    struct stack *stack = profile_memory_take(sizeof *stack + depth * sizeof *frames);
    if (stack == NULL)
        return NULL;
    stack->hash = hash;
    stack->number = atomic_fetch_add_explicit(&numbered, 1, memory_order_relaxed) + 1;
    stack->depth = depth;
    return tell(stack, frames) ? stack : NULL;
}

/* Two threads may come with the same new stack at once: the slower one finds that of the other on
 * its way on, and the memory of its own is lost. Bits of the hash that are used up count as 0, so
 * stacks of the same hash form a list. */
const struct stack *stack_intern(const uintptr_t *frames, unsigned depth)
{
    uint64_t hash = hash_frames(frames, depth), way = hash;
    _Atomic(struct stack *) *place = &root;
    struct stack *added = NULL;
    for (;;) {
        struct stack *found = atomic_load_explicit(place, memory_order_acquire);
        if (found == NULL) {
            if (added == NULL && (added = new_stack(hash, frames, depth)) == NULL)
                return NULL;
            if (atomic_compare_exchange_strong_explicit(place, &found, added, memory_order_acq_rel,
                                                        memory_order_acquire)) {
                atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
                return added;
            }
        }
        if (equals(found, hash, frames, depth))
            return found;
        place = &found->below[way % STACK_BRANCHES];
        way /= STACK_BRANCHES;
    }
}

size_t stack_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}
