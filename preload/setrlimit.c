/* setrlimit.c: a limit on memory that is set while the program runs (ulimit -v or -d in a shell).
 * The reservation alone would exceed a limit on address space, and stacks could not grow any more:
 * so it is given up first. Under either limit nothing is mapped from then on that was not asked
 * for. */
#include "export.h"

#include "alloc/span.h"
#include "alloc/trim.h"

#include "base/syscall.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h> // pid_t

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one and the same on 64 bits");

EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *new_limit,
                   struct rlimit *old_limit)
{
    bool limits_us = new_limit != NULL && new_limit->rlim_cur != RLIM_INFINITY &&
                     (pid == 0 || pid == SYSCALL(getpid));
    if (limits_us && resource == RLIMIT_AS)
        trim_to_address_limit(new_limit->rlim_cur);
    if (limits_us && resource == RLIMIT_DATA)
        span_set_counted();
    long result = SYSCALL(prlimit64, pid, resource, new_limit, old_limit);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return prlimit(0, resource, limit, NULL);
}

SECOND_NAME(prlimit64, prlimit);
SECOND_NAME(setrlimit64, setrlimit);
