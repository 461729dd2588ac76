/* Profiling is switched on and off hundreds of times while threads use all ways to a block, fork
 * and give memory back: blocks stay what they are, and in the end every block that was recorded is
 * known to be free, so none was missed and none is counted twice.
 */
// env: MOLT=prof_final=0
#include "case.h"
#include <malloc.h>
#include <stdatomic.h>

enum { SLOTS = 2048, THREADS = 6, ROUNDS = 120 };

static _Atomic(char *) slots[SLOTS];
static atomic_bool is_over;

static void swap_in(uint64_t *state, char *block, size_t size)
{
    REQUIRE(block && malloc_usable_size(block) >= size);
    fill_bytes(block, size < 100 ? size : 100, 7);
    char *other = atomic_exchange(&slots[random_between(state, 0, SLOTS - 1)], block);
    if (other && random_between(state, 0, 7) == 0)
        REQUIRE((other = realloc(other, random_between(state, 1, 9000))) != NULL);
    free(other);
}

static size_t random_size(uint64_t *state)
{
    size_t kind = random_between(state, 0, 999);
    size_t most = kind < 700 ? 500 : kind < 950 ? 5000 : kind < 990 ? 70000 : kind < 998 ? MIB : 0;
    return random_between(state, 1, most ? most : 9 * MIB);
}

static char *moved(uint64_t *state, size_t size)
{
    size_t first = random_size(state);
    size_t both = first < size ? first : size;
    char *block = malloc(first);
    REQUIRE(block);
    fill_bytes(block, both < 100 ? both : 100, 9);
    block = realloc(block, size);
    REQUIRE(block && has_bytes(block, both < 100 ? both : 100, 9));
    return block;
}

static int (*set)(const char *name, void *old, size_t *old_length, const void *value,
                  size_t length);

/* A child frees and replaces what its parent's threads have made, and switches, too, whatever its
 * parent was about. */
static void fork_child(uint64_t *state)
{
    int status;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (size_t i = 0; i < 100; i++)
            swap_in(state, malloc(i + 1), i + 1);
        alarm(patience(20));
        REQUIRE(set("trace", NULL, NULL, "1", 1) == 0 && set("trace", NULL, NULL, "0", 1) == 0);
        swap_in(state, malloc(1), 1);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static char *allocate(uint64_t *state, size_t size)
{
    char *block;
    switch (random_between(state, 0, 8)) {
    case 0:
        block = calloc(1, size);
        REQUIRE(block && is_zero(block, size));
        return block;
    case 1:
        return aligned_alloc((size_t)16 << random_between(state, 0, 12), size);
    case 2:
        REQUIRE(posix_memalign((void **)&block, 4096, size) == 0);
        return block;
    case 3:
        return moved(state, size);
    case 4:
        if (random_between(state, 0, 20) == 0)
            malloc_trim(0);
        return malloc(size);
    default:
        return malloc(size);
    }
}

static void *use(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    while (!is_over) {
        size_t size = random_size(&state);
        swap_in(&state, allocate(&state, size), size);
        if (random_between(&state, 0, 2000) == 0)
            fork_child(&state);
    }
    return NULL;
}

/* ---- Switching ---- */

static int (*start)(size_t mean);
static void (*stop)(void);
static int (*dump)(const char *path);
static long (*find_leaks)(int fd);
static char path[] = "/tmp/molt-case.XXXXXX";

static void find_names(void)
{
    *(void **)&start = dlsym(RTLD_DEFAULT, "molt_profile_start");
    *(void **)&stop = dlsym(RTLD_DEFAULT, "molt_profile_stop");
    *(void **)&set = dlsym(RTLD_DEFAULT, "molt_ctl");
    *(void **)&dump = dlsym(RTLD_DEFAULT, "molt_profile_dump");
    *(void **)&find_leaks = dlsym(RTLD_DEFAULT, "molt_leaks_check");
    REQUIRE(start && stop && set && dump && find_leaks);
}

static void switch_once(uint64_t *state, const size_t *means, size_t count)
{
    int nowhere = open("/dev/null", O_WRONLY);
    uint64_t one = (uint64_t)(uintptr_t)state;
    switch (random_between(state, 0, 7)) {
    case 0:
        stop();
        break;
    case 1:
        REQUIRE(set("trace", NULL, NULL, random_between(state, 0, 1) ? "1" : "0", 1) == 0);
        break;
    case 2:
        REQUIRE(dump(path) == 0 || errno == ENODATA);
        break;
    case 3:
        if (random_between(state, 0, 5) == 0)
            REQUIRE(find_leaks(nowhere) >= 0 || errno == ENODATA);
        break;
    case 4:
        for (size_t i = 0; i < 50; i++)
            swap_in(&one, malloc(i + 1), i + 1);
        break;
    case 5:
        sleep_ms(1);
        break;
    default:
        REQUIRE(start(means[random_between(state, 0, count - 1)]) == 0);
    }
    close(nowhere);
}

static void switch_under_load(const size_t *means, size_t count)
{
    pthread_t threads[THREADS];
    uint64_t state = 5;
    is_over = false;
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(use, (void *)(i + 1));
    for (size_t i = 0; i < ROUNDS; i++)
        switch_once(&state, means, count);
    is_over = true;
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    for (size_t i = 0; i < SLOTS; i++)
        free(atomic_exchange(&slots[i], NULL));
}

static void check_nothing_lives(void)
{
    char text[100];
    unsigned long count;
    REQUIRE(dump(path) == 0 && read_file(path, text, sizeof text) > 0);
    REQUIRE(sscanf(text, "heap profile: %lu: ", &count) == 1);
    CHECK_MSG(count == 0, "%s", text);
}

int main(void)
{
    static const size_t all[] = {1}, means[] = {1, 64, 4 * KIB, 64 * KIB, 512 * KIB};
    case_watchdog(70);
    case_needs_library();
    find_names();
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && close(fd) == 0);
    /* Records are kept while the mean stays. */
    switch_under_load(all, 1);
    check_nothing_lives();
    switch_under_load(means, sizeof means / sizeof means[0]);
    REQUIRE(set("trace", NULL, NULL, "0", 1) == 0 && start(1) == 0);
    check_nothing_lives();
    unlink(path);
    return case_end();
}
