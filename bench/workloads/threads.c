/* threads.c: many threads that live briefly.
 *
 * A thread per connection or per task: each allocates BLOCKS blocks, replacing some as it goes,
 * frees all but LEFT of them and ends; the parent frees what was left when it has joined the
 * thread, and starts the next. At most THREADS live at a time, TOTAL in all. glibc's
 * bench-malloc-thread and Larson's test have parts of this.
 *
 * Bad: a heap per thread that is dear to set up and to tear down, or that is not reused, so the
 * resident set grows with the number of threads that ever lived. Good: a new thread takes over what
 * an ended one has left. */
#include "workload.h"

#include <pthread.h>

enum {
    TOTAL = 14000, /* threads */
    BLOCKS = 160,  /* that a thread has at the most */
    LEFT = 16,     /* that it leaves to its parent */
    REPLACED = 80, /* replacements before it frees */
    SIZE_LEAST = 16,
    SIZE_MEDIAN = 80,
    SIZE_MOST = 32768,
};

static const double SIZE_SPREAD = 1.2;

static struct child {
    pthread_t thread;
    struct block blocks[BLOCKS];
} children[THREADS_MAX];

static struct sizes sizes;

static void *child_main(void *argument)
{
    struct worker *worker = argument;
    struct block *blocks = children[worker->number].blocks;
    for (size_t i = 0; i < BLOCKS; i++)
        block_get(worker, &blocks[i], sizes_next(&sizes, worker));
    for (size_t i = 0; i < REPLACED; i++)
        block_replace(worker, &blocks[random_below(worker, BLOCKS)], sizes_next(&sizes, worker));
    blocks_put(worker, blocks + LEFT, BLOCKS - LEFT);
    return NULL;
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(children, thread_count * sizeof children[0]);
}

/* Child number i sits where child number i - thread_count sat. */
static void run(void)
{
    uint64_t total = scaled(TOTAL);
    if (total < thread_count)
        total = thread_count;
    for (uint64_t i = 0; i < total; i++) {
        unsigned place = (unsigned)(i % thread_count);
        struct child *child = &children[place];
        if (i >= thread_count) {
            pthread_join(child->thread, NULL);
            blocks_put(&workers[place], child->blocks, LEFT);
        }
        if (pthread_create(&child->thread, NULL, child_main, &workers[place]) != 0)
            fail("no thread");
    }
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(children[i].thread, NULL);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], children[i].blocks, LEFT);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
