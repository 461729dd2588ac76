/* server.c: a server whose threads come and go while its data stays.
 *
 * The pattern is Larson and Krishnan's (Memory Allocation for Long-Running Server Applications,
 * 1998). Each of THREADS seats has an array of blocks. A thread takes a seat, answers REQUESTS
 * requests, each of which replaces a random block of the array, starts its successor and ends. So
 * a block is mostly freed by another thread than the one that allocated it, which is gone already.
 *
 * Bad: memory of threads that are gone is reclaimed late or never (the resident set grows beyond
 * the live data), a free from another thread needs a lock, starting and ending a thread is dear.
 * Good: as fast with 16 threads as with 2, and a flat tail of latencies. */
#include "workload.h"

#include <pthread.h>
#include <semaphore.h>

enum {
    BLOCKS = 4000,    /* of a seat */
    REQUESTS = 10000, /* in the life of a thread */
    TOTAL = 6000000,  /* requests of all */
    SIZE_LEAST = 16,
    SIZE_MEDIAN = 96,
    SIZE_MOST = 32768,
};

static const double SIZE_SPREAD = 1.2;

static struct seat {
    struct block blocks[BLOCKS];
    uint64_t left; /* requests to come */
} seats[THREADS_MAX];

static struct sizes sizes;
static pthread_attr_t detached;
static sem_t seats_done;

static void *serve(void *argument);

static void start(struct worker *worker)
{
    pthread_t thread;
    if (pthread_create(&thread, &detached, serve, worker) != 0)
        fail("no thread");
}

static void *serve(void *argument)
{
    struct worker *worker = argument;
    struct seat *seat = &seats[worker->number];
    uint64_t requests = seat->left < REQUESTS ? seat->left : REQUESTS;
    for (uint64_t i = 0; i < requests; i++)
        block_replace(worker, &seat->blocks[random_below(worker, BLOCKS)],
                      sizes_next(&sizes, worker));
    seat->left -= requests;
    if (seat->left > 0)
        start(worker);
    else
        sem_post(&seats_done);
    return NULL;
}

static void prepare(void)
{
    sizes_draw(&sizes, SIZE_MEDIAN, SIZE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(seats, thread_count * sizeof seats[0]);
}

static void run(void)
{
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sem_init(&seats_done, 0, 0);
    for (unsigned i = 0; i < thread_count; i++)
        seats[i].left = share(&workers[i], TOTAL);
    for (unsigned i = 0; i < thread_count; i++)
        start(&workers[i]);
    for (unsigned i = 0; i < thread_count; i++)
        while (sem_wait(&seats_done) != 0)
            ;
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], seats[i].blocks, BLOCKS);
}

const struct workload workload = {
    .least_threads = 1, .can_time = true, .prepare = prepare, .run = run, .drop = drop};
