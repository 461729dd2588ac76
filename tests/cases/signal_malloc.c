/* malloc and free in a signal handler that interrupted malloc or free.
 *
 * Not allowed by any standard, done by many programs (printf in a handler). The handler gives back
 * what it takes, so an allocator that guards its slow paths against re-entry gets away with it;
 * here it must neither hang nor crash nor damage the blocks of the program that it interrupted.
 * glibc, alone in one thread, takes no locks and its lists may break.
 */
#include "case.h"

enum { SLOTS = 500, HELD = 8, INTERVAL_NS = 50000 };

static volatile sig_atomic_t signals, damaged;

static void on_timer(int signal_number)
{
    static const size_t sizes[HELD] = {16, 64, 64, 24, 1000, 200, 5000, 64};
    (void)signal_number;
    unsigned char *held[HELD];
    int saved = errno;
    for (size_t i = 0; i < HELD; i++) {
        held[i] = malloc(sizes[i]);
        if (held[i])
            fill_bytes(held[i], sizes[i], (unsigned)(0xa0 + i));
    }
    for (size_t i = HELD; i-- > 0;) {
        if (held[i] && !has_bytes(held[i], sizes[i], (unsigned)(0xa0 + i)))
            damaged++;
        free(held[i]);
    }
    signals++;
    timer_wind_up(INTERVAL_NS);
    errno = saved;
}

/* For these seconds, and until some signals have come. */
static void churn(double seconds, size_t largest)
{
    static unsigned char *slots[SLOTS];
    static size_t sizes[SLOTS];
    uint64_t seed = 5;
    double end = now_seconds() + seconds;
    int enough = signals + 20;
    for (unsigned n = 0; n % 1000 || now_seconds() < end || signals < enough; n++) {
        size_t i = random_between(&seed, 0, SLOTS - 1);
        if (slots[i])
            CHECK(has_bytes(slots[i], sizes[i], (unsigned)i));
        free(slots[i]);
        sizes[i] = random_between(&seed, 1, largest);
        slots[i] = malloc(sizes[i]);
        REQUIRE(slots[i]);
        fill_bytes(slots[i], sizes[i], (unsigned)i);
    }
    for (int i = 0; i < SLOTS; i++) {
        free(slots[i]);
        slots[i] = NULL;
    }
}

static void interrupted(void)
{
    signal(SIGUSR1, on_timer);
    timer_start(INTERVAL_NS);
    churn(1.0, 1000);
    churn(1.0, 50000);
    timer_end();
    CHECK_MSG(damaged == 0, "%d blocks of the handler were overwritten", (int)damaged);
}

int main(void)
{
    case_watchdog(60);
    expect_success(interrupted);
    return case_end();
}
