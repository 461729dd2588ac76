/* measure [-o FILE] [-e NAME=VALUE]... [-t SECONDS] [-r FILE] [-H] -- COMMAND [ARGUMENT]...
 *
 * Runs the command and writes one line of JSON: wall, user and system time in seconds, the peak of
 * the resident set in bytes, page faults, involuntary context switches, exit status (128 + N when
 * signal N ended it). Apart from wall, the figures include the children that the command has waited
 * for; the peak is that of the largest process among them, not a sum.
 *
 *   -o FILE        where the line goes instead of standard output
 *   -e NAME=VALUE  set for the command alone, even LD_PRELOAD
 *   -t SECONDS     the command's process group is killed after that time; status 124
 *   -r FILE        the command's resident set over time: lines of milliseconds and bytes
 *   -H             no transparent huge pages in the command
 *
 * Linux hands a process's peak resident set on across exec, and what runs before exec is a copy of
 * this program or, with posix_spawn, this program itself. It is small, so that does not show; a
 * shell or a Python in its place would be the floor of every measurement.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    SERIES_PERIOD_NS = 5 * 1000 * 1000,
    STATUS_TIMEOUT = 124,
};

static struct {
    const char *output;
    const char *series;
    double limit; /* seconds; 0 = none */
    bool no_thp;
} options;

static void die(const char *what, int error)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(error));
    exit(127);
}

static void usage(void)
{
    fputs("usage: measure [-o FILE] [-e NAME=VALUE]... [-t SECONDS] [-r FILE] [-H] --"
          " COMMAND [ARGUMENT]...\n",
          stderr);
    exit(2);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double parse_seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !isfinite(value) || value <= 0)
        usage();
    return value;
}

static void parse_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "+o:e:t:r:H")) != -1) {
        switch (option) {
        case 'o':
            options.output = optarg;
            break;
        case 'e': /* This program is loaded already: even LD_PRELOAD is for the child alone. */
            if (optarg[0] == '=' || !strchr(optarg, '='))
                usage();
            if (putenv(optarg))
                die(optarg, errno);
            break;
        case 't':
            options.limit = parse_seconds(optarg);
            break;
        case 'r':
            options.series = optarg;
            break;
        case 'H':
            options.no_thp = true;
            break;
        default:
            usage();
        }
    }
    if (optind == argc)
        usage();
}

static FILE *open_output(const char *path)
{
    FILE *file = fopen(path, "we");

    if (!file)
        die(path, errno);
    return file;
}

/* The signals that end the wait are blocked here and taken by sigtimedwait; not in the child. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
}

/* In a process group of its own, so that a limit ends all of it. */
static pid_t start(char **command)
{
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawnp(&child, command[0], NULL, &attributes, command, environ);
    if (error)
        die(command[0], error);
    posix_spawnattr_destroy(&attributes);
    return child;
}

static void write_resident_set(FILE *series, pid_t child, double elapsed)
{
    char path[64];
    long pages;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)child);
    FILE *statm = fopen(path, "re");
    if (!statm)
        return;
    if (fscanf(statm, "%*d %ld", &pages) == 1 && pages > 0)
        fprintf(series, "%.0f %ld\n", elapsed * 1000, pages * sysconf(_SC_PAGESIZE));
    fclose(statm);
}

/* Waits for the child; true if it was stopped for taking too long. */
static bool await(pid_t child, const sigset_t *signals, double begin, int *status,
                  struct rusage *used)
{
    FILE *series = options.series ? open_output(options.series) : NULL;
    bool late = false;

    while (wait4(child, status, WNOHANG, used) == 0) {
        double elapsed = now() - begin;
        double pause = 60;
        if (options.limit > 0 && !late) {
            if (elapsed >= options.limit) {
                late = true;
                kill(-child, SIGKILL);
                continue;
            }
            pause = fmin(pause, options.limit - elapsed);
        }
        if (series) {
            write_resident_set(series, child, elapsed);
            pause = fmin(pause, SERIES_PERIOD_NS / 1e9);
        }
        struct timespec timeout = {.tv_sec = (time_t)pause,
                                   .tv_nsec = (long)((pause - floor(pause)) * 1e9)};
        int signal = sigtimedwait(signals, NULL, &timeout);
        if (signal > 0 && signal != SIGCHLD) {
            kill(-child, SIGKILL);
            waitpid(child, NULL, 0);
            exit(128 + signal);
        }
    }
    if (series && fclose(series))
        die(options.series, errno);
    return late;
}

static void write_figures(double wall, const struct rusage *used, int status)
{
    FILE *out = options.output ? open_output(options.output) : stdout;

    fprintf(out,
            "{\"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, \"peak_rss\": %lld,"
            " \"minor_faults\": %ld, \"major_faults\": %ld, \"involuntary_switches\": %ld,"
            " \"status\": %d}\n",
            wall, seconds(used->ru_utime), seconds(used->ru_stime), 1024LL * used->ru_maxrss,
            used->ru_minflt, used->ru_majflt, used->ru_nivcsw, status);
    if (fclose(out))
        die(options.output ? options.output : "standard output", errno);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (options.no_thp && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
        die("PR_SET_THP_DISABLE", errno);

    sigset_t signals;
    block_signals(&signals);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* Nothing runs on when a session is killed. */
    double begin = now();
    pid_t child = start(argv + optind);
    struct rusage used;
    int status = 0;
    bool late = await(child, &signals, begin, &status, &used);
    double wall = now() - begin;
    kill(-child, SIGKILL); /* What it has left behind would disturb the next run. */

    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (late)
        code = STATUS_TIMEOUT;
    write_figures(wall, &used, code);
    return code;
}
