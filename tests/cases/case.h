/* case.h: what the programs in tests/cases share.
 *
 * A case is a plain program that knows nothing of molt; the driver (tests/cases/run) preloads the
 * library. CHECK counts a failure and goes on, REQUIRE ends the case. main ends with
 * `return case_end();`: 0 passed, 1 failed, and CASE_SKIP(reason) leaves with 77 = skipped.
 * Nothing here allocates, so that a broken allocator can still be reported.
 */
#ifndef CASE_H
#define CASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../patience.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static int case_failures;

/* ---- Reporting -------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static inline void case_say(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t end = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
    line[end++] = '\n';
    if (write(STDOUT_FILENO, line, end) < 0)
        _exit(1);
}

/* Counts a failure; says whether it should be printed (after 20 of them nothing new is learnt). */
static inline bool case_failed(void)
{
    return __atomic_add_fetch(&case_failures, 1, __ATOMIC_RELAXED) <= 20;
}

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition) && case_failed())                                 \
            case_say("%s:%d: failed: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#define CHECK_MSG(condition, ...)                                          \
    do {                                                                   \
        if (!(condition) && case_failed()) {                               \
            case_say("%s:%d: failed: %s", __FILE__, __LINE__, #condition); \
            case_say("    " __VA_ARGS__);                                  \
        }                                                                  \
    } while (0)

#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            case_say("%s:%d: required: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
            _exit(1);                                                                          \
        }                                                                                      \
    } while (0)

#define CASE_SKIP(reason)             \
    do {                              \
        case_say("skip: %s", reason); \
        _exit(77);                    \
    } while (0)

static inline int case_end(void)
{
    int failures = __atomic_load_n(&case_failures, __ATOMIC_RELAXED);
    if (failures > 0)
        case_say("%d checks failed", failures);
    return failures > 0;
}

static inline void case_on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "hang: the watchdog ended the case\n";
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    _exit(1);
}

/* Ends the process with a message when it is still there after `seconds`, and some patience. */
static inline void case_watchdog(unsigned seconds)
{
    signal(SIGALRM, case_on_alarm);
    alarm(patience(seconds));
}

/* ---- The library under test ------------------------------------------------------------- */

/* The path of the library under test, or NULL when the system's malloc is being run. */
static inline const char *case_library(void)
{
    const char *path = getenv("MOLT_LIB");
    return path && *path ? path : NULL;
}

/* Skips without a library; with one that lacks the molt names, its users fail by themselves. */
static inline void case_needs_library(void)
{
    if (!case_library())
        CASE_SKIP("needs the library under test");
}

/* ---- Values the compiler may not follow ------------------------------------------------- */

static inline void *opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}

static inline size_t opaque_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

/* A small generator, the same on every run: xorshift64*. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* A number in [low, high]. */
static inline size_t random_between(uint64_t *state, size_t low, size_t high)
{
    return low + (size_t)((random_next(state) >> 11) % (high - low + 1));
}

static inline void fill_bytes(void *block, size_t size, unsigned seed)
{
    memset(block, (int)(seed & 0xff), size);
}

static inline bool has_bytes(const void *block, size_t size, unsigned seed)
{
    const unsigned char *bytes = (const unsigned char *)block;
    if (size == 0)
        return true;
    return bytes[0] == (seed & 0xff) && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static inline bool is_zero(const void *block, size_t size)
{
    return has_bytes(block, size, 0);
}

static inline bool is_aligned(const void *pointer, size_t alignment)
{
    return (uintptr_t)pointer % alignment == 0;
}

/* ---- Measures --------------------------------------------------------------------------- */

static inline size_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(fd, out + length, size - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    out[length] = '\0';
    return length;
}

static inline size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The mappings there are: lines of /proc/self/maps. */
static inline size_t mapping_count(void)
{
    static char part[1 << 16];
    size_t lines = 0;
    int fd = open("/proc/self/maps", O_RDONLY);
    REQUIRE(fd >= 0);
    for (ssize_t got; (got = read(fd, part, sizeof part)) > 0;) {
        for (ssize_t i = 0; i < got; i++)
            lines += part[i] == '\n';
    }
    close(fd);
    return lines;
}

/* The bytes of all mappings that may be accessed in one of these ways ("rw": read or written). */
static inline size_t accessible_bytes(const char *ways)
{
    char line[512];
    size_t total = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 && strpbrk(mode, ways))
            total += end - start;
    }
    fclose(maps);
    return total;
}

/* Resident memory of this process, from /proc/self/statm. */
static inline size_t rss_bytes(void)
{
    char text[256];
    unsigned long total, resident;
    if (read_file("/proc/self/statm", text, sizeof text) == 0)
        return 0;
    if (sscanf(text, "%lu %lu", &total, &resident) != 2)
        return 0;
    return (size_t)resident * page_bytes();
}

/* How much `after` is above `before`, 0 when it is below. */
static inline size_t growth(size_t before, size_t after)
{
    return after > before ? after - before : 0;
}

static inline double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void sleep_ms(long milliseconds)
{
    struct timespec rest;
    rest.tv_sec = milliseconds / 1000;
    rest.tv_nsec = milliseconds % 1000 * 1000000;
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

/* The file beside this program, for its plugins. */
static inline const char *beside_program(const char *name, char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    REQUIRE(length > 0);
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    REQUIRE(slash && (size_t)(slash - out) + strlen(name) + 2 < PATH_MAX);
    strcpy(slash + 1, name);
    return out;
}

/* ---- A timer that interrupts the program ---------------------------------------------------- */

static timer_t case_timer;

/* It rings once, by SIGUSR1. A handler that winds it up again at its end leaves time to what it
 * interrupts, however slow it was itself: a timer with a period would have run out already. The way
 * back from the handler takes some microseconds of that time. */
static inline void timer_wind_up(long nanoseconds)
{
    struct itimerspec soon = {{0, 0}, {0, nanoseconds}};
    if (timer_settime(case_timer, 0, &soon, NULL) != 0)
        case_failed();
}

static inline void timer_start(long nanoseconds)
{
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &case_timer) == 0);
    timer_wind_up(nanoseconds);
}

static inline void timer_end(void)
{
    signal(SIGUSR1, SIG_IGN);
    REQUIRE(timer_delete(case_timer) == 0);
}

/* ---- Threads ---------------------------------------------------------------------------- */

static inline pthread_t thread_start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, argument);
    errno = error;
    REQUIRE(error == 0);
    return thread;
}

static inline void *thread_join(pthread_t thread)
{
    void *result = NULL;
    REQUIRE(pthread_join(thread, &result) == 0);
    return result;
}

/* Runs body(argument) in a thread of its own, to its end. */
static inline void *in_thread(void *(*body)(void *), void *argument)
{
    return thread_join(thread_start(body, argument));
}

/* ---- Children --------------------------------------------------------------------------- */

/* What a child left behind. */
struct child_end {
    int status;       /* from waitpid */
    size_t length;    /* of its standard error */
    char error[4096]; /* the first bytes of its standard error, NUL-terminated */
};

/* Runs fn in a child process that gets 20 seconds, and some patience; its standard error is kept. A
 * child whose fn returns leaves with status 0, or 1 when a CHECK in it failed. */
static inline void run_child(void (*fn)(void), struct child_end *end)
{
    int pipe_ends[2];
    REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        case_failures = 0;
        struct rlimit no_core;
        getrlimit(RLIMIT_CORE, &no_core);
        no_core.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &no_core);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGALRM, SIG_DFL);
        alarm(patience(20));
        dup2(pipe_ends[1], STDERR_FILENO);
        fn();
        _exit(case_failures > 0);
    }
    close(pipe_ends[1]);
    end->length = 0;
    ssize_t got;
    char rest[512];
    for (;;) {
        size_t room = sizeof end->error - 1 - end->length;
        got = room ? read(pipe_ends[0], end->error + end->length, room)
                   : read(pipe_ends[0], rest, sizeof rest);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            break;
        if (room && got > 0)
            end->length += (size_t)got;
    }
    end->error[end->length] = '\0';
    close(pipe_ends[0]);
    while (waitpid(child, &end->status, 0) < 0)
        REQUIRE(errno == EINTR);
}

static inline bool ended_by(const struct child_end *end, int signal_number)
{
    return WIFSIGNALED(end->status) && WTERMSIG(end->status) == signal_number;
}

/* Whether the child's fn came to its end without a failed CHECK. */
static inline bool ended_well(const struct child_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == 0;
}

/* The lines of the child's standard error that begin with `prefix`. */
static inline int lines_with(const struct child_end *end, const char *prefix)
{
    int lines = 0;
    for (const char *line = end->error; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        lines += strncmp(line, prefix, strlen(prefix)) == 0;
    }
    return lines;
}

/* What a program does that runs itself again. */
struct case_act {
    const char *name;
    void (*act)(void);
};

/* Does the act of that name. */
#define case_act(acts, wanted)                                        \
    do {                                                              \
        for (size_t i_ = 0; i_ < sizeof(acts) / sizeof *(acts); i_++) \
            if (strcmp((acts)[i_].name, wanted) == 0)                 \
                (acts)[i_].act();                                     \
    } while (0)

/* fn, in a child, must end in SIGABRT after `text` was written to standard error. */
#define expect_abort(fn, text)                                                 \
    do {                                                                       \
        struct child_end end_;                                                 \
        run_child(fn, &end_);                                                  \
        CHECK_MSG(ended_by(&end_, SIGABRT) && strstr(end_.error, text),        \
                  "%s: status 0x%x, wanted SIGABRT and '%s', stderr: %s", #fn, \
                  (unsigned)end_.status, text, end_.error);                    \
    } while (0)

/* fn, in a child, must come to its end without a failure. */
#define expect_success(fn)                                                                      \
    do {                                                                                        \
        struct child_end end_;                                                                  \
        run_child(fn, &end_);                                                                   \
        CHECK_MSG(ended_well(&end_), "%s: status 0x%x, stderr: %s", #fn, (unsigned)end_.status, \
                  end_.error);                                                                  \
    } while (0)

#endif
