/* replay FILE [REPEAT]: replays an allocation trace under whatever malloc is preloaded.
 *
 *   replay FILE [REPEAT]  the threads of the trace, their calls and what they hand over, REPEAT
 *                         times; in between, what is live at the end is freed
 *   replay -i FILE        statistics of the trace
 *   replay -c FILE        nothing but a check of the trace
 *
 * Prints lines of a name and a value; live, peak_live and the resident sets are bytes. start_rss is
 * from before the first call, with all tables touched; end_rss from the end of the last pass, with
 * the blocks that are live there.
 *
 * Exit status: 1 if the allocator gives wrong memory or none, or a thread waits for too long; 2 if
 * the file is no trace or damaged. To check all of it in advance would take a fifth of the time, in
 * every measurement; so replay looks at each event when it is due.
 *
 * Threads run freely but for what the trace orders: a thread is created by the one that it says,
 * and an event with a handover waits until the slot's events before it have been carried out. */
#include "block.h"
#include "check.h"
#include "fail.h"
#include "reader.h"
#include "slot.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SPINS = 200,  /* then the processor is given up */
    YIELDS = 500, /* then the thread sleeps in between */
    SLEEP_NS = 50 * 1000,
    WAIT_SECONDS = 20,
    STACK_BYTES = 256 * 1024,
};

static struct trace trace;
static struct slot *slots;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_ended = PTHREAD_COND_INITIALIZER;

/* This pass so far; with the lock. */
static struct {
    uint64_t running; /* threads that exist */
    uint64_t ended;   /* threads */
    uint64_t events;  /* of those that have ended */
} pass;

/* ---- One thread ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits while the event's turn has not come. */
static enum slot_turn await_slow(const struct slot *slot, const struct event *event,
                                 uint32_t thread)
{
    static const struct timespec pause = {.tv_nsec = SLEEP_NS};
    double deadline = now() + WAIT_SECONDS;
    enum slot_turn turn;

    for (long i = 0; (turn = slot_turn(slot, event, thread)) == SLOT_LATER; i++) {
        if (i < YIELDS) {
            sched_yield();
            continue;
        }
        nanosleep(&pause, NULL);
        if (now() > deadline)
            fail(FAIL_RUN, "%s: thread %u has waited for %d s", trace.path, thread, WAIT_SECONDS);
    }
    return turn;
}

static void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

static enum slot_turn await(const struct slot *slot, const struct event *event, uint32_t thread)
{
    for (int i = 0; i < SPINS; i++) {
        enum slot_turn turn = slot_turn(slot, event, thread);
        if (turn != SLOT_LATER)
            return turn;
        relax();
    }
    return await_slow(slot, event, thread);
}

static void carry_out(const struct event *event, uint32_t thread)
{
    struct slot *slot = &slots[event->slot];

    if (await(slot, event, thread) == SLOT_NEVER || !slot_allows(slot, event))
        reader_fail(&trace, "damaged: thread %u: slot %u is not there for it", thread, event->slot);
    if (event->kind == TRACE_FREE)
        block_free(slot, event->slot);
    else if (event->kind == TRACE_REALLOC)
        block_resize(slot, event->slot, event->size);
    else
        block_allocate(slot, event->slot, event);
    slot_advance(slot, thread);
}

static void spawn(uint32_t thread);

static void play(struct reader *reader)
{
    struct event event;
    uint64_t events = 0;

    while (reader_next(reader, &event)) {
        if (event.kind == TRACE_SPAWN) {
            spawn(event.thread);
        } else {
            carry_out(&event, reader->thread);
            events++;
        }
    }
    pthread_mutex_lock(&lock);
    pass.events += events;
    pass.ended++;
    if (--pass.running == 0)
        pthread_cond_signal(&all_ended);
    pthread_mutex_unlock(&lock);
}

static void *play_spawned(void *reader)
{
    play(reader);
    return NULL;
}

static void spawn(uint32_t thread)
{
    struct reader *reader = &trace.readers[thread];
    pthread_attr_t attributes;
    pthread_t id;

    pthread_mutex_lock(&lock);
    if (!thread || reader->spawned)
        reader_fail(&trace, "damaged: a second spawn of thread %u", thread);
    reader->spawned = true;
    pass.running++;
    pthread_mutex_unlock(&lock);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&id, &attributes, play_spawned, reader);
    if (error)
        fail(FAIL_RUN, "pthread_create: %s", strerror(error));
    pthread_attr_destroy(&attributes);
}

/* ---- The whole trace ---- */

static void reset(void)
{
    for (uint64_t i = 0; i < trace.totals.slots; i++)
        slots[i] = (struct slot){.size = NO_BLOCK};
    for (uint64_t i = 0; i < trace.totals.threads; i++)
        reader_rewind(&trace.readers[i]);
}

static void play_all(void)
{
    memset(&pass, 0, sizeof pass);
    if (!trace.totals.threads)
        return;
    pass.running = 1;
    play(&trace.readers[0]);
    pthread_mutex_lock(&lock);
    while (pass.running)
        pthread_cond_wait(&all_ended, &lock);
    pthread_mutex_unlock(&lock);
    if (pass.ended != trace.totals.threads || pass.events != trace.totals.events)
        reader_fail(&trace, "damaged: the events do not add up to the totals");
}

static void verify_live(void)
{
    for (uint32_t i = 0; i < trace.totals.slots; i++) {
        if (slots[i].size != NO_BLOCK)
            block_verify(&slots[i], i);
    }
}

static void free_live(void)
{
    for (uint32_t i = 0; i < trace.totals.slots; i++) {
        if (slots[i].size != NO_BLOCK)
            block_free(&slots[i], i);
    }
}

/* The exact resident set: the one in statm may lag behind. Without malloc, as all of replay. */
static uint64_t resident_set(void)
{
    char text[1024];
    size_t length = 0;
    unsigned long long kib;
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);

    for (ssize_t done = 1; file >= 0 && done > 0 && length < sizeof text - 1;
         length += (size_t)done)
        done = read(file, text + length, sizeof text - 1 - length);
    text[length] = 0;
    close(file);
    const char *line = strstr(text, "Rss:");
    if (!line || sscanf(line, "Rss: %llu", &kib) != 1)
        fail(FAIL_RUN, "no resident set in /proc/self/smaps_rollup");
    return kib * 1024;
}

static void replay(long passes)
{
    uint64_t start_rss = resident_set();

    play_all();
    while (--passes) {
        free_live();
        reset();
        play_all();
    }
    uint64_t end_rss = resident_set();
    verify_live();
    printf("operations %ju\nthreads %ju\npeak_live %ju\nlive %ju\nstart_rss %ju\nend_rss %ju\n",
           (uintmax_t)trace.totals.events, (uintmax_t)trace.totals.threads,
           (uintmax_t)trace.totals.peak_live, (uintmax_t)trace.totals.live, (uintmax_t)start_rss,
           (uintmax_t)end_rss);
}

static void print_statistics(const struct statistics *statistics)
{
    static const char *const names[TRACE_KINDS] = {"malloc",  "calloc", "aligned",
                                                   "realloc", "free",   "spawn"};
    const struct trace_mark *totals = &trace.totals;
    uint64_t sized = totals->events - statistics->events[TRACE_FREE];

    printf("operations %ju\n", (uintmax_t)totals->events);
    for (int kind = 0; kind < TRACE_KINDS; kind++)
        printf("%s %ju\n", names[kind], (uintmax_t)statistics->events[kind]);
    printf("threads %ju\nslots %ju\nhandovers %ju\nremote_frees %ju\n", (uintmax_t)totals->threads,
           (uintmax_t)totals->slots, (uintmax_t)statistics->handovers,
           (uintmax_t)statistics->remote_frees);
    printf("peak_live %ju\nlive %ju\n", (uintmax_t)totals->peak_live, (uintmax_t)totals->live);
    printf("mean_size %.1f\n", sized ? (double)statistics->bytes / (double)sized : 0);
    printf("file_bytes %jd\nbytes_per_event %.2f\ncomplete %ju\n", (intmax_t)trace.bytes,
           totals->events ? (double)trace.bytes / (double)totals->events : 0,
           (uintmax_t)totals->complete);
}

static _Noreturn void usage(void)
{
    fputs("usage: replay FILE [REPEAT] | -i FILE | -c FILE\n", stderr);
    exit(2);
}

static long parse_passes(const char *text)
{
    char *end;
    long passes = strtol(text, &end, 10);

    if (end == text || *end || passes < 1 || passes == LONG_MAX)
        usage();
    return passes;
}

int main(int argc, char **argv)
{
    struct statistics statistics;
    int mode = getopt(argc, argv, "+ic");
    int arguments = argc - optind;

    if (mode == '?' || arguments < 1 || arguments > (mode == -1 ? 2 : 1))
        usage();
    long passes = arguments == 2 ? parse_passes(argv[optind + 1]) : 1;
    reader_open(&trace, argv[optind]);
    slots = reader_map(trace.totals.slots, sizeof *slots);
    reset();
    if (mode == -1)
        replay(passes);
    else
        check(&trace, slots, &statistics);
    if (mode == 'i')
        print_statistics(&statistics);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
