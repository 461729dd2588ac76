/* background.c: the thread: starting it, its loop, and how it waits. */
#include "background.h"

#include "arena.h" // arena_totals
#include "claim.h"
#include "huge.h"
#include "purge.h"
#include "reap.h"
#include "refresh.h"
#include "remote.h"
#include "sample.h"     // profile_hooks
#include "span_cache.h" // span_totals

#include "base/attributes.h"
#include "base/mask.h"
#include "base/options.h"
#include "base/syscall.h"
#include "os/os.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <time.h>

#define STEP_MS 100u
#define STACK_BYTES ((size_t)64 << 10)

/* How long it goes on after the last release, in times of `decay`: a page waits for two at most. */
#define AFTER_DECAYS 4u

static atomic_bool is_wanted, is_running;

/* What the thread knows of releases; a futex. */
enum {
    CALM,     /* the thread is at work, and nothing was released since its last step */
    WAITING,  /* it sleeps until something is released */
    RELEASED, /* something was released since its last step */
};

static _Atomic uint32_t news;

static void news_futex(int operation, uint32_t value, const struct timespec *timeout)
{
    SYSCALL(futex, &news, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/* Sleeps for a step. */
static void sleep_a_step(void)
{
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    SYSCALL(nanosleep, &step, NULL);
}

/* Sleeps until something is released, or the option changes. Does not sleep where the program's
 * first thread has ended: nothing wakes it when the other threads end, so it goes on asking whether
 * it is the last one. */
static void wait_for_release(void)
{
    uint32_t calm = CALM;
    if (os_first_thread_has_ended() || !atomic_compare_exchange_strong(&news, &calm, WAITING))
        return;
    while (atomic_load(&news) == WAITING && atomic_load(&is_wanted))
        news_futex(FUTEX_WAIT, WAITING, NULL);
}

static void wake_thread(void)
{
    if (atomic_exchange(&news, RELEASED) == WAITING)
        news_futex(FUTEX_WAKE, 1, NULL);
}

void background_notify(void)
{
    if (UNLIKELY(atomic_load_explicit(&news, memory_order_relaxed) != RELEASED))
        wake_thread();
}

bool background_step(uint64_t now_ms, uint64_t elapsed_ms)
{
    size_t quota = purge_raise_quota(0, elapsed_ms);
    reap_tick(now_ms);
    claim_tidy(options_decayed_ms(now_ms));
    remote_purge_sleepers(options_decayed_ms(now_ms), &quota);
    huge_tick(now_ms);
    refresh_if_due(now_ms);
    while (purge_tick(now_ms))
        continue;
    return __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED) > 0 ||
           __atomic_load_n(&span_totals.cached_bytes, __ATOMIC_RELAXED) > 0;
}

/* Takes steps until nothing was released for a while. False when all other threads have ended. */
static bool work_until_calm(void)
{
    uint64_t since = os_now_ms(), ticked = since;
    uint64_t least = (options.decay > STEP_MS ? options.decay : STEP_MS) * AFTER_DECAYS;
    uint64_t most = 2 * least; /* then what is left is memory that the OS refuses to take */
    bool more = true, is_alone = false;
    while (atomic_load(&is_wanted) && !is_alone &&
           (ticked - since < least || (more && ticked - since < most))) {
        profile_hooks.in_background();
        sleep_a_step();
        uint64_t now = os_now_ms();
        more = background_step(now, now - ticked);
        is_alone = os_is_last_thread();
        ticked = now;
        if (atomic_exchange(&news, CALM) == RELEASED)
            since = now;
    }
    return !is_alone;
}

static void *background_main(void *unused)
{
    bool is_alone = false;
    SYSCALL(prctl, PR_SET_NAME, "molt");
    do {
        while (atomic_load(&is_wanted) && !(is_alone = !work_until_calm()))
            wait_for_release();
        atomic_store(&is_running, false); /* background_adjust started none until here */
    } while (!is_alone && atomic_load(&is_wanted) && !atomic_exchange(&is_running, true));
    return unused;
}

static bool create_thread(size_t stack_bytes)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool is_set = stack_bytes == 0 || pthread_attr_setstacksize(&attributes, stack_bytes) == 0;
    bool is_created = is_set && pthread_create(&thread, &attributes, background_main, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return is_created;
}

/* The thread inherits the caller's signal mask: all are blocked meanwhile. If thread-local data
 * does not fit into the small stack, the thread gets a stack of the usual size. */
static bool start_thread(void)
{
    struct mask signals;
    mask_all(&signals);
    bool is_started = create_thread(STACK_BYTES) || create_thread(0);
    mask_restore(&signals);
    return is_started;
}

/* Starts the thread unless there is one. */
static void start_thread_once(void)
{
    if (!atomic_exchange(&is_running, true) && !start_thread())
        atomic_store(&is_running, false);
}

void background_adjust(void)
{
    bool wanted = options.background || options.leaks_signal != 0;
    atomic_store(&is_wanted, wanted);
    if (wanted)
        start_thread_once();
    else
        wake_thread();
}

void background_repair(void)
{
    atomic_store(&is_running, false);
    atomic_store(&news, CALM);
}
