/* fork takes stdio's list lock; malloc is called under a FILE's lock. No allocator lock may be
 * held while fork waits.
 *
 * One thread holds the lock of a FILE and allocates, one flushes all FILEs (it holds the list lock
 * and waits for that FILE), and main forks: an atfork handler that has taken the allocator's locks
 * then waits for the list lock, and the three wait for each other (jemalloc does).
 */
#include "case.h"

static bool stop;
static FILE *shared;

static bool stopping(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* Allocates under the FILE's lock, large and small: a lock of the allocator is wanted often. */
static void *allocate_under_lock(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!stopping()) {
        void *blocks[64];
        flockfile(shared);
        for (size_t i = 0; i < 64; i++)
            blocks[i] = malloc(random_between(&seed, 1, i == 0 ? 400000 : 3000));
        fputc('x', shared);
        for (size_t i = 0; i < 64; i++)
            free(blocks[i]);
        funlockfile(shared);
        usleep(10);
    }
    return NULL;
}

static void *flush_all(void *argument)
{
    while (!stopping()) {
        fflush(NULL);
        usleep(50); /* the list's lock is not fair: fork would starve */
    }
    return argument;
}

/* What a child of a threaded program does in practice: it allocates, opens a file, leaves. */
static void child(void)
{
    alarm(patience(10));
    signal(SIGALRM, SIG_DFL);
    for (size_t size = 1; size < 300000; size *= 3)
        free(malloc(size));
    FILE *file = fopen("/dev/null", "w");
    if (!file || fprintf(file, "%zu", (size_t)42) != 2 || fclose(file) != 0)
        _exit(3);
    _exit(0);
}

int main(void)
{
    case_watchdog(20);
    shared = fopen("/dev/null", "w");
    REQUIRE(shared);
    pthread_t threads[] = {
        thread_start(allocate_under_lock, (void *)1),
        thread_start(allocate_under_lock, (void *)2),
        thread_start(flush_all, NULL),
    };
    int forks = 0;
    for (double end = now_seconds() + 2.5; now_seconds() < end && forks < 3000; forks++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            child();
        int status;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK_MSG(status == 0, "child %d ended with status 0x%x", forks, (unsigned)status);
    }
    CHECK(forks > 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        thread_join(threads[i]);
    fclose(shared);
    return case_end();
}
