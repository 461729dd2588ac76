/* asleep.c: reading /proc/self/task. */
#include "asleep.h"

#include "os.h"

#include "base/report.h" // report_append
#include "base/syscall.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether the signal is one of a fault. Handlers of those do not matter: they interrupt an
 * instruction that has gone wrong, and none in a path of malloc's does. */
static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

bool asleep_handlers_nest(void)
{
    struct {
        uintptr_t handler;
        unsigned long flags;
        uintptr_t rest[6];
    } action;
    for (int number = 1; number <= 64; number++) {
        if (SYSCALL(rt_sigaction, number, NULL, &action, 8) == 0 && action.handler > 1 &&
            (action.flags & SA_NODEFER) != 0 && !is_fault(number))
            return true;
    }
    return false;
}

static long read_of_task(int thread, const char *file, char *buffer, size_t size)
{
    struct report_line path = {.length = 0};
    report_append(&path, "/proc/self/task/%d/%s", thread, file);
    path.text[path.length] = '\0';
    return os_read_file(path.text, buffer, size);
}

/* Reads the next number of the text, decimal or hexadecimal as `base` says, or hexadecimal after
 * 0x; false at the text's end. */
static bool next_number(const char **text, unsigned base, uint64_t *number)
{
    const char *at = *text;
    while (*at == ' ' || *at == '\t')
        at++;
    if (at[0] == '0' && at[1] == 'x') {
        at += 2;
        base = 16;
    }
    const char *first = at;
    for (*number = 0;; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
                                                    : base;
        if (digit >= base)
            break;
        *number = *number * base + digit;
    }
    *text = at;
    return at > first;
}

/* Calls that wait. A call that takes a signal mask as an argument (counted from 1; 0: it takes
 * none) counts only if that argument is NULL: else it changes the mask while it waits. sigtimedwait
 * and sigsuspend always do so, and are not listed. */
struct waiting_call {
    long number;
    unsigned mask_argument;
};

static const struct waiting_call waiting_calls[] = {
    {SYS_futex, 0},       {SYS_nanosleep, 0},       {SYS_clock_nanosleep, 0}, {SYS_read, 0},
    {SYS_recvfrom, 0},    {SYS_recvmsg, 0},         {SYS_accept, 0},          {SYS_accept4, 0},
    {SYS_wait4, 0},       {SYS_waitid, 0},          {SYS_ppoll, 4},           {SYS_pselect6, 6},
    {SYS_epoll_pwait, 5}, {SYS_restart_syscall, 0},
#ifdef SYS_poll
    {SYS_poll, 0},        {SYS_select, 0},          {SYS_epoll_wait, 0},      {SYS_pause, 0},
#endif
};

/* Whether the text of /proc/…/syscall tells of a waiting call. It is "number argument… stack
 * instruction", or "running", or "-1 …" in no call. */
static bool is_waiting(const char *text)
{
    uint64_t number, argument = 0;
    if (!next_number(&text, 10, &number))
        return false;
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if ((uint64_t)waiting_calls[i].number != number)
            continue;
        for (unsigned n = waiting_calls[i].mask_argument; n > 0; n--)
            if (!next_number(&text, 16, &argument))
                return false;
        return waiting_calls[i].mask_argument == 0 || argument == 0;
    }
    return false;
}

/* Returns what stands behind the name in the line that begins with it; NULL if there is no such
 * line. */
static const char *find_line(const char *text, const char *name)
{
    size_t length = strlen(name);
    while (text != NULL && strncmp(text, name, length) != 0) {
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return text != NULL ? text + length : NULL;
}

/* Whether the thread blocks no signal, by its /proc/…/status. In a nested namespace it has several
 * numbers: then /proc may be speaking of another thread. */
static bool is_in_no_handler(int thread)
{
    char text[4096];
    uint64_t number, blocked, other;
    if (read_of_task(thread, "status", text, sizeof text) <= 0)
        return false;
    const char *numbers = find_line(text, "NSpid:"), *mask = find_line(text, "SigBlk:");
    return numbers != NULL && mask != NULL && next_number(&numbers, 10, &number) &&
           number == (uint64_t)thread && !next_number(&numbers, 10, &other) &&
           next_number(&mask, 16, &blocked) && blocked == 0;
}

bool asleep_in_call(int thread)
{
    char text[256];
    return read_of_task(thread, "syscall", text, sizeof text) > 0 && is_waiting(text) &&
           is_in_no_handler(thread) && read_of_task(thread, "syscall", text, sizeof text) > 0 &&
           is_waiting(text);
}

/* The text is "number argument… stack instruction", of six arguments; "-1 stack instruction" for a
 * thread that waits outside of a call. */
uintptr_t asleep_stack(int thread)
{
    char text[256];
    uint64_t number, stack = 0;
    if (read_of_task(thread, "syscall", text, sizeof text) <= 0)
        return 0;
    bool is_outside = strncmp(text, "-1 ", 3) == 0;
    const char *at = is_outside ? text + 2 : text;
    if (!is_outside && !next_number(&at, 10, &number))
        return 0;
    for (int fields = is_outside ? 1 : 7; fields > 0; fields--)
        if (!next_number(&at, 16, &stack))
            return 0;
    return stack;
}
