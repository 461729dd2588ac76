/* What a quiet program keeps: any small activity leads to what is free going back, whichever thread
 * it is in, whatever sizes it asks for, and however busy the thread was before. malloc_trim(0)
 * gives pages back of which only some blocks are free.
 *
 * "Goes back" is within two seconds; the limits here are wider, for busy machines: where it fails,
 * the memory stays for minutes.
 */
#include "case.h"
#include <malloc.h>

enum { BLOCKS = 1000000, SLACK = 8 * 1024 * 1024, WAIT_S = 8 };

static char *blocks[BLOCKS];
static size_t base;

static size_t size_of(size_t i)
{
    return 16 + i * 37 % 80;
}

static void make_blocks(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(size_of(i));
        REQUIRE(blocks[i]);
        fill_bytes(blocks[i], size_of(i), (unsigned)i);
    }
}

/* Frees all but every keep-th; how many bytes are left. */
static size_t free_blocks(size_t keep)
{
    size_t live = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        if (keep != 0 && i % keep == 0) {
            live += malloc_usable_size(blocks[i]);
            continue;
        }
        free(blocks[i]);
        blocks[i] = NULL;
    }
    return live;
}

static void free_rest(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(!blocks[i] || has_bytes(blocks[i], size_of(i), (unsigned)i));
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* A program that does a little every 100 ms: `count` mallocs and frees of up to `top` bytes. */
static void be_active(unsigned count, size_t top, unsigned step)
{
    enum { MOST = 50 };
    char *few[MOST];
    for (unsigned i = 0; i < count; i++) {
        size_t size = 16 + (i * 37 + step) % top;
        few[i] = malloc(size);
        REQUIRE(few[i]);
        fill_bytes(few[i], size, 1);
    }
    for (unsigned i = 0; i < count; i++)
        free(few[i]);
}

static bool is_down(size_t live)
{
    return growth(base, rss_bytes()) <= live + live / 5 + SLACK;
}

static void wait_for(size_t live, unsigned count, size_t top, const char *how)
{
    double end = now_seconds() + patience(WAIT_S);
    for (unsigned step = 1; !is_down(live) && now_seconds() < end; step++) {
        sleep_ms(100);
        be_active(count, top, step);
    }
    CHECK_MSG(is_down(live), "%s: %zu MiB are left, %zu MiB live", how,
              growth(base, rss_bytes()) / MIB, live / MIB);
}

/* ---- One thread ---- */

static void check_quiet(unsigned count, size_t top)
{
    make_blocks();
    free_blocks(0);
    wait_for(0, count, top, "a burst, then little");
}

/* Busy with other things for a while between the last free and the first pause. */
static void check_busy_end(void)
{
    make_blocks();
    free_blocks(0);
    for (unsigned i = 0; i < 300000; i++)
        be_active(2, 80, i);
    wait_for(0, 50, 80, "a burst, much more, then little");
}

/* Two moments of activity, after long pauses. */
static void check_two_moments(void)
{
    make_blocks();
    free_blocks(0);
    for (unsigned moment = 0; moment < 2; moment++) {
        sleep_ms(1500);
        for (unsigned i = 0; i < 200; i++)
            be_active(1, 20000, i * 100);
    }
    CHECK_MSG(is_down(0), "two moments of activity: %zu MiB are left",
              growth(base, rss_bytes()) / MIB);
}

/* Pages between live blocks. */
static void check_sparse(bool trim)
{
    make_blocks();
    size_t live = free_blocks(2000);
    size_t pages = BLOCKS / 2000 * page_bytes();
    if (trim)
        malloc_trim(0);
    if (trim)
        CHECK_MSG(is_down(pages), "malloc_trim: %zu MiB are left, %zu KiB live",
                  growth(base, rss_bytes()) / MIB, live / KIB);
    else
        wait_for(pages, 2, 80, "a live block here and there");
    free_rest();
}

/* ---- Several ---- */

static pthread_barrier_t step_done;

static void next_step(void)
{
    pthread_barrier_wait(&step_done);
}

static bool own_frees;

static void *burst(void *unused)
{
    make_blocks();
    if (own_frees)
        free_blocks(0);
    next_step();
    next_step(); /* sleeps until the end */
    return unused;
}

/* The calling thread has been busy, then quiet; now another one has its burst and sleeps. */
static void check_other_thread(bool own)
{
    own_frees = own;
    for (unsigned i = 0; i < 100000; i++)
        be_active(2, 80, i);
    sleep_ms(100);
    pthread_barrier_init(&step_done, NULL, 2);
    pthread_t thread = thread_start(burst, NULL);
    next_step();
    if (!own)
        free_blocks(0);
    wait_for(0, 2, 80, own ? "a thread that sleeps has freed" : "freed for one that sleeps");
    next_step();
    thread_join(thread);
    pthread_barrier_destroy(&step_done);
}

/* Threads that sleep hold what they have freed themselves, or others for them, in pools that are
 * partly used: malloc_trim gives that back as well, where /proc tells that they sleep. */
static size_t kept;

static void *sparse_burst(void *unused)
{
    make_blocks();
    if (own_frees)
        free_blocks(kept);
    next_step();
    next_step(); /* sleeps */
    return unused;
}

static void check_sleeping_owner(bool own)
{
    char text[64];
    size_t pages = BLOCKS / 2000 * page_bytes();
    if (read_file("/proc/thread-self/syscall", text, sizeof text) == 0) {
        case_say("no /proc/thread-self/syscall: what sleeping threads hold was not tested");
        return;
    }
    own_frees = own;
    kept = 2000;
    pthread_barrier_init(&step_done, NULL, 2);
    pthread_t thread = thread_start(sparse_burst, NULL);
    next_step();
    if (!own)
        free_blocks(kept);
    double end = now_seconds() + patience(WAIT_S);
    do { /* it may not have come to its sleep yet */
        sleep_ms(50);
        malloc_trim(0);
    } while (!is_down(pages) && now_seconds() < end);
    CHECK_MSG(is_down(pages), "a thread that sleeps%s: %zu MiB are left",
              own ? "" : ", freed by another", growth(base, rss_bytes()) / MIB);
    next_step();
    thread_join(thread);
    pthread_barrier_destroy(&step_done);
    free_rest();
}

static void *burst_and_end(void *keep)
{
    make_blocks();
    free_blocks((size_t)keep);
    return NULL;
}

static void check_ended_thread(size_t keep, bool trim)
{
    in_thread(burst_and_end, (void *)keep);
    size_t live = keep == 0 ? 0 : BLOCKS / keep * page_bytes();
    if (trim)
        malloc_trim(0);
    if (trim)
        CHECK_MSG(is_down(live), "malloc_trim, a thread has ended: %zu MiB are left",
                  growth(base, rss_bytes()) / MIB);
    else
        wait_for(live, 2, 80, "a thread has ended");
    free_rest();
}

int main(void)
{
    case_watchdog(150);
    fill_bytes(blocks, sizeof blocks, 0);
    free(malloc(1));
    base = rss_bytes();
    check_quiet(2, 80);
    check_quiet(50, 80);
    check_quiet(50, 20000);
    check_busy_end();
    check_two_moments();
    check_sparse(true);
    check_sparse(false);
    check_other_thread(true);
    check_other_thread(false);
    check_sleeping_owner(true);
    check_sleeping_owner(false);
    check_ended_thread(0, false);
    check_ended_thread(2000, false);
    check_ended_thread(2000, true);
    return case_end();
}
