/* A signal handler that allocates, in threads that begin and end all the time.
 *
 * A thread's first malloc adopts a heap, its end parks it; a handler in between sees a thread that
 * has half a heap. It must get memory all the same, and neither hang on a lock that its own thread
 * holds nor leave the thread with a heap that is another's.
 */
#include "case.h"

enum { INTERVAL_NS = 20000, ENOUGH = 20 };

static volatile sig_atomic_t signals;

static void on_timer(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    size_t size = 100 + (size_t)signals % 300;
    unsigned char *block = malloc(size);
    if (block)
        fill_bytes(block, size, 3);
    free(block);
    signals++;
    timer_wind_up(INTERVAL_NS);
    errno = saved;
}

static void *short_life(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    unsigned char *block = malloc(40);
    REQUIRE(block);
    fill_bytes(block, 40, 5);
    CHECK(has_bytes(block, 40, 5));
    free(block);
    return arg;
}

static void interrupted(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGUSR1, on_timer);
    timer_start(INTERVAL_NS);
    double end = now_seconds() + 2.5;
    while (now_seconds() < end || signals < ENOUGH)
        in_thread(short_life, NULL);
    timer_end();
}

int main(void)
{
    case_watchdog(60);
    expect_success(interrupted);
    return case_end();
}
