/* exchange.c: pairs of threads that exchange requests and responses.
 *
 * A client allocates a request and sends it through a ring; its server frees it, or keeps one in
 * KEEP_ONE_IN for later, and sends back a response, which the client treats likewise. Nearly every
 * block is freed by a thread that did not allocate it, in both directions at once. The idea is that
 * of Lever and Boreham's producers and consumers (malloc() Performance in a Multithreaded Linux
 * Environment, 2000), as in xmalloc-test, with the way back added.
 *
 * Bad: caches of the freeing thread overflow through a shared list or a lock, or memory piles up
 * where it is freed while the allocating thread asks the OS for more. Good: blocks return to their
 * origin in bulk, and the resident set stays near the live data.
 *
 * THREADS: an even number; the pairs divide the requests. */
#include "workload.h"

#include "ring.h"

enum {
    TOTAL = 700000,       /* requests of all pairs */
    WINDOW = RING_BLOCKS, /* requests without a response yet; so a response always has room */
    KEPT = 2048,          /* blocks that a thread keeps */
    KEEP_ONE_IN = 8,
    SIZE_LEAST = 16,
    SIZE_MOST = 65536,
    REQUEST_MEDIAN = 80,
    RESPONSE_MEDIAN = 240,
};

static const double REQUEST_SPREAD = 1.0;
static const double RESPONSE_SPREAD = 1.4;

static struct ring requests[THREADS_MAX / 2];
static struct ring responses[THREADS_MAX / 2];
static struct block kept[THREADS_MAX][KEPT];
static struct sizes request_sizes;
static struct sizes response_sizes;

/* Keeps the block in the place of an older one, or not. It is the block's key that decides, so that
 * it does not depend on when the block arrives. */
static void settle_block(struct worker *worker, struct block block)
{
    uint64_t random = stamp_value(block.key, 0) >> 32;
    if (random % KEEP_ONE_IN == 0) {
        struct block *place = &kept[worker->number][random / KEEP_ONE_IN % KEPT];
        block_put(worker, place);
        *place = block;
    } else {
        block_put(worker, &block);
    }
}

/* A pair has the parts of both its threads. */
static uint64_t requests_of_pair(const struct worker *client)
{
    return 2 * share(client, TOTAL);
}

static void client(struct worker *worker)
{
    unsigned pair = worker->number / 2, turns = 0;
    uint64_t count = requests_of_pair(worker), sent = 0, answered = 0;
    while (answered < count) {
        struct block block;
        if (sent < count && sent - answered < WINDOW) {
            block_get(worker, &block, sizes_next(&request_sizes, worker));
            ring_send(&requests[pair], worker, block);
            sent++;
        }
        if (ring_try_take(&responses[pair], worker, &block)) {
            settle_block(worker, block);
            answered++;
            turns = 0;
        } else if (sent == count || sent - answered == WINDOW) {
            ring_wait(&turns);
        }
    }
    ring_settle(&requests[pair], worker);
}

static void server(struct worker *worker)
{
    unsigned pair = worker->number / 2;
    uint64_t count = requests_of_pair(worker - 1);
    for (uint64_t i = 0; i < count; i++) {
        struct block block;
        ring_take(&requests[pair], worker, &block);
        settle_block(worker, block);
        block_get(worker, &block, sizes_next(&response_sizes, worker));
        ring_send(&responses[pair], worker, block);
    }
    ring_settle(&responses[pair], worker);
}

static void client_or_server(struct worker *worker)
{
    if (worker->number % 2 == 0)
        client(worker);
    else
        server(worker);
}

static void prepare(void)
{
    sizes_draw(&request_sizes, REQUEST_MEDIAN, REQUEST_SPREAD, SIZE_LEAST, SIZE_MOST);
    sizes_draw(&response_sizes, RESPONSE_MEDIAN, RESPONSE_SPREAD, SIZE_LEAST, SIZE_MOST);
    make_resident(requests, thread_count / 2 * sizeof requests[0]);
    make_resident(responses, thread_count / 2 * sizeof responses[0]);
    make_resident(kept, thread_count * sizeof kept[0]);
}

static void run(void)
{
    run_threads(client_or_server);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        blocks_put(&workers[i], kept[i], KEPT);
}

const struct workload workload = {.least_threads = 2,
                                  .pairs = true,
                                  .can_time = true,
                                  .prepare = prepare,
                                  .run = run,
                                  .drop = drop};
