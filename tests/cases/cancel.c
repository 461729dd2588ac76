/* No function of the family is a cancellation point.
 *
 * A thread that has been cancelled, and asks for memory or for statistics before it comes to a
 * point that POSIX names, must get them: it would leave in the middle, with what it holds.
 * malloc_info is left out: it writes to a stream of the program's, which is a cancellation point by
 * itself.
 */
#include "case.h"
#include <malloc.h>

static volatile int returned; /* how many calls came back */
static int (*stats_write)(int fd, int format);

static void use_family(void)
{
    static const size_t sizes[] = {1, 100, 5000, 300000, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = malloc(sizes[i]);
        block = realloc(block, sizes[i] * 3);
        free(block);
        free(calloc(3, sizes[i]));
        free(aligned_alloc(4096, sizes[i]));
        free(valloc(sizes[i]));
    }
    returned++;
    malloc_stats();
    returned++;
    malloc_trim(0);
    returned++;
    mallinfo2();
    returned++;
    mallopt(M_ARENA_MAX, 1);
    returned++;
    if (stats_write)
        stats_write(STDERR_FILENO, 0);
    returned++;
}

static void *cancelled(void *barrier)
{
    pthread_barrier_wait(barrier);
    use_family();
    pthread_testcancel();
    return NULL;
}

static void cancel_and_use(void)
{
    pthread_barrier_t barrier;
    REQUIRE(pthread_barrier_init(&barrier, NULL, 2) == 0);
    pthread_t thread = thread_start(cancelled, &barrier);
    REQUIRE(pthread_cancel(thread) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(thread_join(thread) == PTHREAD_CANCELED);
    CHECK_MSG(returned == 6, "it left after %d calls", returned);
    mallinfo2(); /* it left nothing locked */
}

int main(void)
{
    case_watchdog(60);
    stats_write = (int (*)(int, int))dlsym(RTLD_DEFAULT, "molt_stats_write");
    struct child_end end;
    run_child(cancel_and_use, &end);
    CHECK_MSG(ended_well(&end), "status 0x%x, stderr: %s", (unsigned)end.status, end.error);
    if (case_library())
        CHECK_MSG(lines_with(&end, "molt: parked_heaps: ") == 2, "not whole: %s", end.error);
    return case_end();
}
