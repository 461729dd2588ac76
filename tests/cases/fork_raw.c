/* Children that no atfork handler is told of: by _Fork() and by the system call itself.
 *
 * Other threads are inside the allocator: one always in huge blocks, one in smaller ones of all
 * kinds. A lock of theirs stays held in the child, where malloc_usable_size or realloc of a block
 * that is there from before would wait for it for ever. Some children start a thread at once, so
 * that it is the first to come to a slow path; some fork again.
 */
#include "case.h"
#include <malloc.h>
#include <sys/syscall.h>

static bool stop;
static char *huge, *small;

static bool stopping(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *use_huge_blocks(void *argument)
{
    while (!stopping()) {
        char *block = malloc(96 * MIB);
        REQUIRE(block);
        block[0] = 1;
        block = realloc(block, 128 * MIB);
        REQUIRE(block);
        free(block);
    }
    return argument;
}

static void *use_other_blocks(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    void *blocks[50] = {0};
    while (!stopping()) {
        size_t i = random_between(&seed, 0, 49);
        free(blocks[i]);
        blocks[i] =
            malloc(random_between(&seed, 1, random_between(&seed, 0, 9) == 0 ? 900000 : 2000));
        REQUIRE(blocks[i]);
    }
    return NULL;
}

static void *allocate(void *argument)
{
    for (size_t size = 10; size < 9 * MIB; size *= 3) {
        char *block = malloc(size);
        REQUIRE(block);
        block[size - 1] = 1;
        block = realloc(block, size * 2);
        REQUIRE(block && block[size - 1] == 1);
        free(block);
    }
    return argument;
}

enum kind { BY_FORK, BY_CALL, KINDS };

static pid_t fork_so(enum kind kind)
{
    return kind == BY_FORK ? _Fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void expect_end(pid_t child, const char *who)
{
    int status;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_MSG(status == 0, "%s ended with status 0x%x", who, (unsigned)status);
}

/* The C library knows of a thread of the child only after its own _Fork(). */
static _Noreturn void child(enum kind kind, int number)
{
    signal(SIGALRM, SIG_DFL);
    alarm(patience(10));
    if (kind == BY_FORK && number % 4 == 0)
        in_thread(allocate, NULL);
    CHECK(malloc_usable_size(huge) >= 8 * MIB && malloc_usable_size(small) >= 100);
    huge = realloc(huge, 9 * MIB);
    CHECK(huge && huge[0] == 5);
    allocate(NULL);
    free(huge);
    free(small);
    if (number % 4 == 1) {
        pid_t pid = fork_so(kind);
        if (pid == 0) {
            allocate(NULL);
            _exit(case_failures > 0);
        }
        expect_end(pid, "grandchild");
    }
    CHECK(malloc_trim(0) == 0 || true);
    _exit(case_failures > 0);
}

int main(void)
{
    case_watchdog(60);
    huge = malloc(8 * MIB);
    small = malloc(100);
    REQUIRE(huge && small);
    huge[0] = 5;
    pthread_t threads[] = {thread_start(use_huge_blocks, NULL),
                           thread_start(use_other_blocks, (void *)1)};
    int forks = 0;
    for (double end = now_seconds() + 3; now_seconds() < end && case_failures == 0; forks++) {
        enum kind kind = (enum kind)(forks % KINDS);
        pid_t pid = fork_so(kind);
        if (pid == 0)
            child(kind, forks / KINDS);
        expect_end(pid, kind == BY_FORK ? "child of _Fork" : "child of clone");
    }
    CHECK(forks > 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        thread_join(threads[i]);
    free(huge);
    free(small);
    return case_end();
}
