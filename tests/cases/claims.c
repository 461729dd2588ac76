/* Threads that sleep and wake up at random, while another one gives back what sleeping threads
 * hold: malloc_trim in a loop. Blocks keep their bytes; signals come meanwhile, whose handlers
 * allocate, or wait in the middle of anything; children are forked by all of them.
 */
#include "case.h"
#include <malloc.h>
#include <poll.h>
#include <semaphore.h>

enum { THREADS = 6, SLOTS = 3000, SECONDS = 4 };

static bool is_over;
static pthread_t threads[THREADS];
static unsigned long rounds[THREADS], children;

struct slot {
    unsigned char *block;
    size_t size;
};

/* Blocks that pass from thread to thread, each under a lock of its own. */
enum { SHARED = 512 };
static struct slot shared[SHARED];
static pthread_mutex_t shared_locks[SHARED];

static bool over(void)
{
    return __atomic_load_n(&is_over, __ATOMIC_RELAXED);
}

static void change(struct slot *slot, uint64_t *seed)
{
    if (slot->block) {
        CHECK(has_bytes(slot->block, slot->size, (unsigned)slot->size));
        free(slot->block);
        slot->block = NULL;
        return;
    }
    slot->size = random_between(seed, 1, random_between(seed, 0, 9) == 0 ? 40000 : 400);
    slot->block = random_between(seed, 0, 3) == 0 ? calloc(1, slot->size) : malloc(slot->size);
    REQUIRE(slot->block);
    fill_bytes(slot->block, slot->size, (unsigned)slot->size);
}

/* ---- Ways to sleep ---- */

static void sleep_somehow(uint64_t *seed)
{
    static sem_t never;
    struct timespec until;
    long ns = (long)random_between(seed, 1, 3000000);
    switch (random_between(seed, 0, 3)) {
    case 0:
        sleep_ms(1);
        break;
    case 1:
        poll(NULL, 0, 2);
        break;
    case 2:
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += ns;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        sem_timedwait(&never, &until);
        break;
    default:
        nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    }
}

/* ---- Children: the allocator works in them, whatever the parent's threads were doing ---- */

static void fork_once(struct slot *slots, uint64_t *seed)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(patience(30));
        for (unsigned i = 0; i < 300; i++)
            change(&slots[random_between(seed, 0, SLOTS - 1)], seed);
        malloc_trim(0);
        for (unsigned i = 0; i < 300; i++)
            change(&slots[random_between(seed, 0, SLOTS - 1)], seed);
        _exit(case_failures > 0);
    }
    int status;
    while (waitpid(child, &status, 0) != child)
        continue;
    CHECK_MSG(status == 0, "a child: status %#x", (unsigned)status);
    __atomic_fetch_add(&children, 1, __ATOMIC_RELAXED);
}

/* ---- Signals ---- */

static __thread unsigned long handled;

/* Gives back what it takes. */
static void allocate_a_little(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    void *a = malloc(40), *b = malloc(700);
    free(a);
    free(b);
    handled++;
    errno = saved;
}

/* Waits in the middle of whatever it has interrupted, as a collector that stops the threads does.
 */
static void wait_in_the_middle(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    errno = saved;
}

static void *live(void *argument)
{
    size_t number = (size_t)(uintptr_t)argument;
    uint64_t seed = number + 1;
    static struct slot all[THREADS][SLOTS];
    struct slot *slots = all[number];
    while (!over()) {
        for (size_t n = random_between(&seed, 1, 400); n > 0; n--) {
            change(&slots[random_between(&seed, 0, SLOTS - 1)], &seed);
            size_t i = random_between(&seed, 0, SHARED - 1);
            pthread_mutex_lock(&shared_locks[i]);
            change(&shared[i], &seed);
            pthread_mutex_unlock(&shared_locks[i]);
        }
        if (random_between(&seed, 0, 20) == 0)
            for (unsigned i = 0; i < SLOTS; i++)
                if (slots[i].block && i % 64 != 0)
                    change(&slots[i], &seed);
        sleep_somehow(&seed);
        if (random_between(&seed, 0, 100) == 0)
            fork_once(slots, &seed);
        rounds[number]++;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].block)
            change(&slots[i], &seed);
    return NULL;
}

static void *send_signals(void *unused)
{
    uint64_t seed = 99;
    while (!over()) {
        pthread_kill(threads[random_between(&seed, 0, THREADS - 1)],
                     random_between(&seed, 0, 1) == 0 ? SIGUSR1 : SIGUSR2);
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    return unused;
}

int main(void)
{
    case_watchdog(120);
    signal(SIGUSR1, allocate_a_little);
    signal(SIGUSR2, wait_in_the_middle);
    for (unsigned i = 0; i < SHARED; i++)
        pthread_mutex_init(&shared_locks[i], NULL);
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(live, (void *)(uintptr_t)i);
    pthread_t sender = thread_start(send_signals, NULL);
    for (double end = now_seconds() + SECONDS; now_seconds() < end;) {
        malloc_trim(0);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    thread_join(sender);
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        CHECK(rounds[i] > 0);
    }
    CHECK(children > 0);
    return case_end();
}
