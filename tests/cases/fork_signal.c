/* fork from a signal handler that interrupted malloc.
 *
 * fork is async-signal-safe: servers do it from handlers. The thread may be inside malloc, with a
 * lock that an atfork handler would wait for (jemalloc, tcmalloc and scudo hang here, and glibc
 * forks in the middle of a change of its heap, or hangs as well with threads). The child leaves the
 * handler's way: half of the children end at once, half first allocate and free a few blocks, on
 * the heap of an interrupted call. A second round has other threads allocating too.
 */
#include "case.h"

enum { SLOTS = 300, INTERVAL_NS = 1700000 };

static volatile sig_atomic_t forks, bad_children;
static bool stop;

static void child(bool allocates)
{
    signal(SIGALRM, SIG_DFL);
    alarm(patience(10));
    for (size_t size = 16; allocates && size < 100000; size *= 5) {
        unsigned char *block = malloc(size);
        if (!block)
            _exit(4);
        fill_bytes(block, size, 1);
        free(block);
    }
    _exit(0);
}

static void on_timer(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    pid_t pid = fork();
    if (pid == 0)
        child(forks % 2);
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        bad_children++;
    forks++;
    timer_wind_up(INTERVAL_NS);
    errno = saved;
}

static void churn(unsigned char *slots[SLOTS], size_t sizes[SLOTS], uint64_t *seed)
{
    size_t i = random_between(seed, 0, SLOTS - 1);
    if (slots[i])
        CHECK(has_bytes(slots[i], sizes[i], (unsigned)i));
    free(slots[i]);
    sizes[i] = random_between(seed, 1, random_between(seed, 0, 49) == 0 ? 200000 : 2000);
    slots[i] = malloc(sizes[i]);
    REQUIRE(slots[i]);
    fill_bytes(slots[i], sizes[i], (unsigned)i);
}

static void churn_until(bool (*ended)(void), uint64_t seed)
{
    unsigned char *slots[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    while (!ended()) {
        for (int i = 0; i < 200; i++)
            churn(slots, sizes, &seed);
    }
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
}

static double deadline;

/* Enough forks have been, in the time for them or later. */
static bool has_forked(void)
{
    return forks > 20 && (now_seconds() > deadline || forks > 500);
}

static bool told_to_stop(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *background(void *argument)
{
    churn_until(told_to_stop, (uint64_t)(uintptr_t)argument);
    return NULL;
}

static void with_timer(double seconds)
{
    forks = 0;
    deadline = now_seconds() + seconds;
    timer_start(INTERVAL_NS);
    churn_until(has_forked, 1);
    timer_end();
    CHECK_MSG(bad_children == 0, "%d of %d children failed", (int)bad_children, (int)forks);
}

static void alone(void)
{
    struct sigaction action = {0};
    action.sa_handler = on_timer;
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    with_timer(1.5);
}

/* Only main takes the signal: the others start with it blocked. */
static void with_threads(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    pthread_t threads[] = {thread_start(background, (void *)3),
                           thread_start(background, (void *)4)};
    REQUIRE(pthread_sigmask(SIG_UNBLOCK, &signals, NULL) == 0);
    alone();
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    thread_join(threads[0]);
    thread_join(threads[1]);
}

int main(void)
{
    case_watchdog(60);
    expect_success(alone);
    expect_success(with_threads);
    return case_end();
}
