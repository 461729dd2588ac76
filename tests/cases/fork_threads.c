/* fork while other threads are inside the allocator; children and grandchildren go on allocating.
 *
 * The child has one thread and a copy of whatever state the others left: held locks, half-done
 * free lists, blocks in flight between two heaps. It must be able to allocate, to free the blocks
 * of threads it does not have, to start threads of its own, and to fork again. vfork, where the
 * child borrows the parent's memory, must not pass for a fork.
 */
#include "case.h"
#include <spawn.h>

enum { THREADS = 3, SLOTS = 400 };

/* Blocks in flight: a slot is taken with an exchange, so that also in a child's copy every block
 * found here is live. Their first size_t is their size, the rest is its low byte. */
static void *slots[SLOTS];
static bool stop;

static void *new_block(uint64_t *seed)
{
    size_t limit = random_between(seed, 0, 99) == 0 ? 300000 : 2000;
    size_t size = random_between(seed, sizeof(size_t), limit);
    unsigned char *block = malloc(size);
    REQUIRE(block);
    memcpy(block, &size, sizeof size);
    fill_bytes(block + sizeof size, size - sizeof size, (unsigned)size);
    return block;
}

static void check_and_free(void *block)
{
    if (!block)
        return;
    size_t size;
    memcpy(&size, block, sizeof size);
    CHECK(size <= 300000 &&
          has_bytes((char *)block + sizeof size, size - sizeof size, (unsigned)size));
    free(block);
}

static void *swap_slot(uint64_t *seed, void *block)
{
    return __atomic_exchange_n(&slots[random_between(seed, 0, SLOTS - 1)], block, __ATOMIC_ACQ_REL);
}

static void *allocate_and_free(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument * 77 + 1;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        check_and_free(swap_slot(&seed, new_block(&seed)));
    return NULL;
}

static void *allocate_a_while(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < 300; i++)
        check_and_free(swap_slot(&seed, new_block(&seed)));
    return NULL;
}

static void expect_exit_0(pid_t pid, const char *who)
{
    int status = -1;
    REQUIRE(pid >= 0);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_MSG(status == 0, "%s ended with status 0x%x", who, (unsigned)status);
}

/* In a child: use the heap alone and with a thread, then in a child again, `depth` deep. */
static void descend(uint64_t seed, int depth)
{
    signal(SIGALRM, SIG_DFL);
    pid_t pid = 0;
    for (int level = depth; pid == 0 && level >= 0; level--) {
        alarm(patience(10));
        allocate_a_while((void *)(uintptr_t)seed);
        in_thread(allocate_a_while, (void *)(uintptr_t)(seed + 1));
        pid = level > 0 ? fork() : 0;
    }
    if (pid != 0)
        expect_exit_0(pid, "grandchild");
    for (int i = 0; i < SLOTS; i++)
        check_and_free(__atomic_exchange_n(&slots[i], NULL, __ATOMIC_ACQ_REL));
    _exit(case_failures > 0);
}

static void storm(double seconds)
{
    int forks = 0;
    for (double end = now_seconds() + seconds; now_seconds() < end && forks < 400; forks++) {
        case_failures = 0;
        pid_t pid = fork();
        if (pid == 0)
            descend((uint64_t)forks * 5 + 3, forks % 3 == 0);
        allocate_a_while((void *)(uintptr_t)(forks + 1));
        expect_exit_0(pid, "child");
        if (case_failures > 0)
            return;
    }
    CHECK(forks > 0);
}

static void borrowed_memory(void)
{
    char name[] = "true";
    char *arguments[] = {name, NULL};
    char *environment[] = {NULL};
    for (int i = 0; i < 60; i++) {
        pid_t pid;
        REQUIRE(posix_spawnp(&pid, "true", NULL, NULL, arguments, environment) == 0);
        allocate_a_while((void *)(uintptr_t)(i + 1));
        expect_exit_0(pid, "spawned");
    }
}

int main(void)
{
    case_watchdog(60);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(allocate_and_free, (void *)(i + 1));
    storm(2.5);
    borrowed_memory();
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    for (int i = 0; i < SLOTS; i++)
        check_and_free(slots[i]);
    return case_end();
}
