/* background.c: starting, waiting, and the loop. */
#include "background.h"

#include "arena.h" // arena_totals
#include "claim.h"
#include "huge.h"
#include "purge.h"
#include "reap.h"
#include "remote.h"
#include "span_cache.h" // span_totals

#include "base/attributes.h"
#include "base/options.h"
#include "base/syscall.h"
#include "os/os.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <time.h>

#define STEP_MS 100u
#define STACK_BYTES ((size_t)64 << 10)

/* How long it goes on after the last release: twice what a page waits. */
#define AFTER_DECAYS 4u

static atomic_bool is_wanted, is_running;

/* What it sleeps on. */
enum {
    CALM,     /* it is at work, and nothing was released since its last step */
    WAITING,  /* it sleeps until something is */
    RELEASED, /* something was */
};

static _Atomic uint32_t news;

static void futex(int operation, uint32_t value, const struct timespec *timeout)
{
    SYSCALL(futex, &news, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/* Sleeps for a step. */
static void rest(void)
{
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    SYSCALL(nanosleep, &step, NULL);
}

/* Sleeps until something is released, or the option changes. Where the first thread has ended, the
 * others may follow without a word: then it goes on looking whether it is alone. */
static void wait_for_release(void)
{
    uint32_t calm = CALM;
    if (os_first_thread_has_ended() || !atomic_compare_exchange_strong(&news, &calm, WAITING))
        return;
    while (atomic_load(&news) == WAITING && atomic_load(&is_wanted))
        futex(FUTEX_WAIT, WAITING, NULL);
}

static void wake(void)
{
    if (atomic_exchange(&news, RELEASED) == WAITING)
        futex(FUTEX_WAKE, 1, NULL);
}

void background_notify(void)
{
    if (UNLIKELY(atomic_load_explicit(&news, memory_order_relaxed) != RELEASED))
        wake();
}

bool background_step(uint64_t now_ms, uint64_t elapsed_ms)
{
    size_t quota = purge_raise_quota(0, elapsed_ms);
    reap_tick(now_ms);
    claim_tidy(options_decayed_ms(now_ms));
    remote_purge_sleepers(options_decayed_ms(now_ms), &quota);
    huge_tick(now_ms);
    while (purge_tick(now_ms))
        continue;
    return __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED) > 0 ||
           __atomic_load_n(&span_totals.cached_bytes, __ATOMIC_RELAXED) > 0;
}

/* Looks at the clock in steps, until nothing has come for a while. False when all other threads
 * have ended. */
static bool work(void)
{
    uint64_t since = os_now_ms(), looked = since;
    uint64_t least = (options.decay > STEP_MS ? options.decay : STEP_MS) * AFTER_DECAYS;
    uint64_t most = 2 * least; /* what the OS refuses stays */
    bool more = true, is_alone = false;
    while (atomic_load(&is_wanted) && !is_alone &&
           (looked - since < least || (more && looked - since < most))) {
        rest();
        uint64_t now = os_now_ms();
        more = background_step(now, now - looked);
        is_alone = os_is_last_thread();
        looked = now;
        if (atomic_exchange(&news, CALM) == RELEASED)
            since = now;
    }
    return !is_alone;
}

static void *run(void *unused)
{
    bool is_alone = false;
    SYSCALL(prctl, PR_SET_NAME, "molt");
    do {
        while (atomic_load(&is_wanted) && !(is_alone = !work()))
            wait_for_release();
        atomic_store(&is_running, false); /* who wants one again meanwhile has started none */
    } while (!is_alone && atomic_load(&is_wanted) && !atomic_exchange(&is_running, true));
    return unused;
}

static bool create(size_t stack_bytes)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool is_set = stack_bytes == 0 || pthread_attr_setstacksize(&attributes, stack_bytes) == 0;
    bool is_created = is_set && pthread_create(&thread, &attributes, run, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return is_created;
}

/* The thread inherits that all signals are blocked. Where much thread-local data does not fit into
 * a small stack, it gets one of the usual size. */
static bool start(void)
{
    uint64_t all = ~UINT64_C(0), before = 0;
    long blocked = SYSCALL(rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    bool is_started = create(STACK_BYTES) || create(0);
    if (blocked == 0)
        SYSCALL(rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return is_started;
}

/* Starts the thread unless there is one. */
static void start_once(void)
{
    if (!atomic_exchange(&is_running, true) && !start())
        atomic_store(&is_running, false);
}

void background_adjust(void)
{
    atomic_store(&is_wanted, options.background != 0);
    if (options.background)
        start_once();
    else
        wake();
}

void background_repair(void)
{
    atomic_store(&is_running, false);
    atomic_store(&news, CALM);
}
