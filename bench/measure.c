/* measure [-o FILE] [-e NAME=VALUE]... -- COMMAND [ARGUMENT]...
 *
 * Runs the command, with the given variables added to its environment, and writes one line:
 * seconds of real time, seconds of CPU time (user and system), peak resident set in KiB, exit
 * status (128 + N when signal N ended it). Both of the latter resources include the children that
 * the command has waited for; the peak is that of the largest process among them, not a sum.
 *
 * Linux hands a process's peak resident set on across exec, and what runs before exec is a copy of
 * this program or, with posix_spawn, this program itself. It is small, so that does not show; a
 * shell or a Python in its place would be the floor of every measurement.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what, int error)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(error));
    exit(127);
}

static void usage(void)
{
    fputs("usage: measure [-o FILE] [-e NAME=VALUE]... -- COMMAND [ARGUMENT]...\n", stderr);
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

int main(int argc, char **argv)
{
    const char *path = NULL;
    int option;

    while ((option = getopt(argc, argv, "+o:e:")) != -1) {
        if (option == 'o') {
            path = optarg;
        } else if (option == 'e' && strchr(optarg, '=') && optarg[0] != '=') {
            /* This program is loaded already: even LD_PRELOAD is for the child alone. */
            if (putenv(optarg))
                die(optarg, errno);
        } else {
            usage();
        }
    }
    if (optind == argc)
        usage();

    FILE *out = path ? fopen(path, "we") : stdout;
    if (!out)
        die(path, errno);

    pid_t child;
    double begin = now();
    int error = posix_spawnp(&child, argv[optind], NULL, NULL, argv + optind, environ);
    if (error)
        die(argv[optind], error);

    int status;
    struct rusage used;
    while (wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR)
            die("wait4", errno);
    double wall = now() - begin;

    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fprintf(out, "%.4f %.4f %ld %d\n", wall, seconds(used.ru_utime) + seconds(used.ru_stime),
            used.ru_maxrss, code);
    if (fclose(out))
        die(path ? path : "standard output", errno);
    return code;
}
