/* Descriptor 2 need not be standard error: daemons close it, and the next file that they open gets
 * the number.
 *
 * Statistics at exit go only to what descriptor 2 was when the program started. The line that tells
 * why a program is stopped also goes to a pipe or a log in its place, never into a file of data or
 * a socket; the program dies by SIGABRT in any case, after its own handler. malloc_stats writes
 * where it is told to, and is no cancellation point. The case runs itself for each.
 */
// preload: no
#include "case.h"
#include <malloc.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *options, *mode, *data_path;

/* ---- What the case does as the program of its own test ---- */

static void reopen_as_error(int flags)
{
    close(STDERR_FILENO);
    REQUIRE(open(data_path, flags, 0600) == STDERR_FILENO);
}

static void put_socket_at_error(void)
{
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    REQUIRE(dup2(ends[0], STDERR_FILENO) == STDERR_FILENO);
    REQUIRE(dup2(ends[1], STDIN_FILENO) == STDIN_FILENO);
}

/* What the program does with descriptor 2 before anything else. */
static void change_error(void)
{
    if (strstr(mode, "closed"))
        close(STDERR_FILENO);
    else if (strstr(mode, "data"))
        reopen_as_error(O_RDWR);
    else if (strstr(mode, "truncated"))
        reopen_as_error(O_WRONLY | O_CREAT);
    else if (strstr(mode, "log"))
        reopen_as_error(O_WRONLY | O_APPEND);
    else if (strstr(mode, "socket"))
        put_socket_at_error();
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    int fd = open(data_path, O_WRONLY | O_TRUNC);
    if (write(fd, "handled\n", 8) != 8)
        _exit(5);
}

static void nothing_from_socket(void)
{
    char byte;
    if (strstr(mode, "socket"))
        REQUIRE(recv(STDIN_FILENO, &byte, 1, MSG_DONTWAIT) < 0);
}

static int be_program(void)
{
    setsid(); /* no terminal */
    change_error();
    void *volatile block = malloc(100);
    free(block);
    if (strstr(mode, "handler"))
        signal(SIGABRT, on_abort);
    if (strstr(mode, "stopped"))
        free(block);
    if (strstr(mode, "asked"))
        malloc_stats();
    return 0;
}

/* ---- The test ---- */

static void start_again(void)
{
    char *arguments[] = {(char *)(uintptr_t) "standard_error", (char *)(uintptr_t)mode,
                         (char *)(uintptr_t)data_path, NULL};
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options, 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

/* What the file holds afterwards; each begins with "data". */
static char text[8192];

static struct child_end run_as(const char *wanted_options, const char *wanted_mode)
{
    struct child_end end;
    options = wanted_options;
    mode = wanted_mode;
    int fd = open(data_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0 && write(fd, "data", 4) == 4);
    close(fd);
    run_child(start_again, &end);
    read_file(data_path, text, sizeof text);
    return end;
}

/* The program ends well, or is stopped; then nothing is anywhere. */
static void check_nothing(const char *wanted_options, const char *wanted_mode, bool stops)
{
    struct child_end end = run_as(wanted_options, wanted_mode);
    CHECK_MSG((stops ? ended_by(&end, SIGABRT) : ended_well(&end)) && end.length == 0 &&
                  strcmp(text, "data") == 0,
              "MOLT=%s, %s: status 0x%x, stderr '%s', file '%.200s'", wanted_options, wanted_mode,
              (unsigned)end.status, end.error, text);
}

static void check_stats_at_exit(void)
{
    struct child_end end = run_as("stats=1", "plain");
    CHECK(ended_well(&end) && lines_with(&end, "molt: live_blocks: ") == 1);
    check_nothing("stats=1", "closed", false);
    check_nothing("stats=1", "data", false);
    check_nothing("stats=1", "truncated", false);
    check_nothing("stats=1", "log", false);
    check_nothing("stats=1", "socket", false);
}

static void check_error_line(void)
{
    struct child_end end = run_as("", "stopped");
    CHECK(ended_by(&end, SIGABRT) && lines_with(&end, "molt: error: double free") == 1);
    check_nothing("", "stopped, closed", true);
    check_nothing("", "stopped, data", true);
    check_nothing("", "stopped, truncated", true);
    check_nothing("", "stopped, socket", true);
    end = run_as("", "stopped, log");
    CHECK_MSG(ended_by(&end, SIGABRT) && strstr(text, "datamolt: error: double free") == text,
              "status 0x%x, file '%s'", (unsigned)end.status, text);
}

/* The program's handler runs, and the program dies all the same when it returns. */
static void check_handler(void)
{
    struct child_end end = run_as("", "stopped, handler");
    CHECK_MSG(ended_by(&end, SIGABRT) && strcmp(text, "handled\n") == 0, "status 0x%x, file '%s'",
              (unsigned)end.status, text);
}

/* malloc_stats has been asked for: it writes to whatever is there. */
static void check_asked(void)
{
    struct child_end end = run_as("", "asked, data");
    CHECK_MSG(ended_well(&end) && strstr(text, "molt: live_blocks: ") == text,
              "status 0x%x, file '%.100s'", (unsigned)end.status, text);
}

/* ---- Cancellation ---- */

static pthread_barrier_t barrier;
static bool has_returned;

static void *ask_when_cancelled(void *argument)
{
    pthread_barrier_wait(&barrier);
    malloc_stats();
    has_returned = true;
    pthread_testcancel();
    return argument;
}

static void ask_in_cancelled_thread(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread = thread_start(ask_when_cancelled, NULL);
    REQUIRE(pthread_cancel(thread) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(thread_join(thread) == PTHREAD_CANCELED);
    CHECK(has_returned);
    free(malloc(100));
}

static void be_cancelled(void)
{
    mode = "cancelled";
    start_again();
}

static void check_cancellation(void)
{
    struct child_end end;
    options = "";
    run_child(be_cancelled, &end);
    CHECK_MSG(ended_well(&end) && lines_with(&end, "molt: live_blocks: ") == 1 &&
                  lines_with(&end, "molt: parked_heaps: ") == 1,
              "status 0x%x, stderr: %s", (unsigned)end.status, end.error);
}

int main(int count, char **arguments)
{
    static char path[] = "/tmp/molt-stderr.XXXXXX";
    if (count == 3) {
        mode = arguments[1];
        data_path = arguments[2];
        if (strcmp(mode, "cancelled") == 0)
            ask_in_cancelled_thread();
        else
            be_program();
        nothing_from_socket();
        return case_end();
    }
    case_watchdog(60);
    case_needs_library();
    REQUIRE(mkstemp(path) >= 0);
    data_path = path;
    check_stats_at_exit();
    check_error_line();
    check_handler();
    check_asked();
    check_cancellation();
    unlink(path);
    return case_end();
}
