/* shortlived.c: small blocks that die soon, most of them last in, first out.
 *
 * The temporaries of a program that calls and returns: strings, iterators, small vectors. Each step
 * pushes a block onto a stack or pops one; one pop in ODD_ONE_IN takes a random block instead of
 * the topmost. The stack stays within WINDOW blocks, so all of it lies in the nearest cache if the
 * allocator reuses what was freed last. Sizes are uniform from SIZE_LEAST to SIZE_MOST. Similar to
 * the inner loops of sh6bench and of mimalloc-bench's alloc-test.
 *
 * This shows the bare fast paths of malloc and free. Bad: more than a few instructions or a lock on
 * that path, memory reused in an order that keeps leaving the cache. */
#include "workload.h"

enum {
    TOTAL = 22000000, /* steps of all threads */
    WINDOW = 64,
    ODD_ONE_IN = 8,
    SIZE_LEAST = 16,
    SIZE_MOST = 256,
};

static struct stack {
    struct block blocks[WINDOW];
    size_t depth;
} stacks[THREADS_MAX];

static void push(struct worker *worker, struct stack *stack)
{
    size_t size = SIZE_LEAST + random_below(worker, SIZE_MOST - SIZE_LEAST + 1);
    block_get(worker, &stack->blocks[stack->depth++], size);
}

static void pop(struct worker *worker, struct stack *stack)
{
    struct block *top = &stack->blocks[--stack->depth];
    struct block *gone = top;
    if (one_in(worker, ODD_ONE_IN))
        gone = &stack->blocks[random_below(worker, stack->depth + 1)];
    block_put(worker, gone);
    *gone = *top;
}

static void call_and_return(struct worker *worker)
{
    struct stack *stack = &stacks[worker->number];
    uint64_t steps = share(worker, TOTAL), coins = 0;
    for (uint64_t i = 0; i < steps; i++, coins >>= 1) {
        if (i % 64 == 0)
            coins = random_next(worker);
        bool up = coins & 1;
        if (stack->depth == 0 || (up && stack->depth < WINDOW))
            push(worker, stack);
        else
            pop(worker, stack);
    }
}

static void run(void)
{
    run_threads(call_and_return);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        while (stacks[i].depth > 0)
            pop(&workers[i], &stacks[i]);
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
