/* clock.c: the time, and waiting for a little of it. */
#include "os.h"

#include "vdso.h"

#include "base/syscall.h"

#include <time.h>

uint64_t os_now_ms(void)
{
    struct timespec now = {0};
    vdso_clock(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now = {0};
    vdso_clock(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t os_now_ns(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}

uint64_t os_thread_ns(void)
{
    return nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t os_wall_ns(void)
{
    return nanoseconds(CLOCK_REALTIME);
}

void os_yield(void)
{
    SYSCALL(sched_yield);
}

void os_sleep_us(unsigned us)
{
    struct timespec time = {.tv_nsec = (long)us * 1000};
    SYSCALL(nanosleep, &time, NULL);
}
