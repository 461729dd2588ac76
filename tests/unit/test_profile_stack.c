/* test_profile_stack.c: the profiler's memory, and stacks that are stored once. */
#include "suites.h"
#include "unit.h"

#include "profile/memory.h"
#include "profile/stack.h"

#include "base/options.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Memory ---- */

START_TEST(test_memory)
{
    static char *taken[3000];
    size_t bytes[] = {1, 16, 17, 200, 4096, 70000};
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        size_t size = bytes[i % 5];
        taken[i] = profile_memory_take(size);
        REQUIRE(taken[i] != NULL && (uintptr_t)taken[i] % 16 == 0, "block %zu", i);
        REQUIRE(unit_is_zero(taken[i], size), "block %zu is not zero", i);
        unit_fill(taken[i], size, (unsigned)i);
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        REQUIRE(unit_is_filled(taken[i], bytes[i % 5], (unsigned)i), "block %zu", i);
    ck_assert_uint_eq(profile_memory_refused(), 0);
}
END_TEST

/* Blocks that are larger than a chunk, and sizes that no memory has. */
START_TEST(test_memory_sizes)
{
    size_t large = (size_t)1 << 20;
    char *p = profile_memory_take(large);
    ck_assert(p != NULL && unit_is_zero(p, large));
    memset(p, 1, large);
    char *q = profile_memory_take(100);
    ck_assert(q != NULL && (q + 100 <= p || q >= p + large));
    ck_assert_ptr_nonnull(profile_memory_take(0));
    size_t impossible[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 5000, SIZE_MAX / 2 + 1,
                           SIZE_MAX / 4};
    for (size_t i = 0; i < COUNT_OF(impossible); i++)
        ck_assert_ptr_null(profile_memory_take(impossible[i]));
    ck_assert_uint_eq(profile_memory_refused(), COUNT_OF(impossible));
}
END_TEST

/* The option is followed to the page, and when it changes. */
START_TEST(test_memory_limit)
{
    options.prof_memory = 300 << 10;
    size_t taken = 0;
    errno = E2BIG;
    while (profile_memory_take(1000) != NULL)
        taken += 1000;
    ck_assert_uint_ge(taken, 270 << 10);
    ck_assert_uint_le(profile_memory_bytes(), options.prof_memory);
    ck_assert_uint_eq(profile_memory_refused(), 1);
    options.prof_memory = 400 << 10;
    ck_assert_ptr_nonnull(profile_memory_take(1000));
    profile_memory_allow(2);
    ck_assert_ptr_nonnull(profile_memory_take(200 << 10));
    profile_memory_allow(1);
    ck_assert_ptr_null(profile_memory_take(100 << 10));
    options.prof_memory = UINT64_MAX;
    profile_memory_allow(32);
    ck_assert_ptr_nonnull(profile_memory_take(1 << 20));
    options.prof_memory = 0;
    ck_assert_ptr_null(profile_memory_take(100 << 10));
    ck_assert_int_eq(errno, E2BIG);
}
END_TEST

/* What the OS refuses is not counted as mapped, and may be had later. */
START_TEST(test_memory_refused_by_os)
{
    os_fail(1, true);
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_null(profile_memory_take(100));
    os_fail(0, false);
    ck_assert_uint_eq(profile_memory_bytes(), 0);
    ck_assert_uint_eq(profile_memory_refused(), 10);
    ck_assert_ptr_nonnull(profile_memory_take(100));
}
END_TEST

/* ---- Stacks ---- */

enum { STACKS = 20000, THREADS = 4 };

/* A stack of 1 to 8 frames that depends on the number alone. */
static unsigned make_frames(unsigned number, uintptr_t *frames)
{
    unsigned depth = 1 + number % 8;
    for (unsigned i = 0; i < depth; i++)
        frames[i] = 0x400000 + (uintptr_t)number * 16 + i;
    return depth;
}

static const struct stack *intern(unsigned number)
{
    uintptr_t frames[8];
    unsigned depth = make_frames(number, frames);
    const struct stack *stack = stack_intern(frames, depth);
    REQUIRE(stack == NULL || (stack->depth == depth &&
                              memcmp(stack->frames, frames, depth * sizeof *frames) == 0),
            "stack %u", number);
    return stack;
}

START_TEST(test_one_copy)
{
    static const struct stack *stacks[STACKS];
    static bool numbers[STACKS + 1];
    for (unsigned i = 0; i < STACKS; i++) {
        stacks[i] = intern(i);
        REQUIRE(stacks[i] != NULL, "stack %u", i);
        REQUIRE(stacks[i]->number <= STACKS && !numbers[stacks[i]->number], "number of %u", i);
        numbers[stacks[i]->number] = true;
    }
    size_t bytes = profile_memory_bytes();
    for (unsigned i = 0; i < STACKS; i++)
        REQUIRE(intern(i) == stacks[i], "stack %u again", i);
    ck_assert_uint_eq(stack_count(), STACKS);
    ck_assert_uint_eq(profile_memory_bytes(), bytes);
}
END_TEST

/* None, all, and stacks of which one is the other's beginning. */
START_TEST(test_depths)
{
    uintptr_t frames[STACK_DEPTH_MAX] = {0};
    const struct stack *stacks[STACK_DEPTH_MAX + 1];
    for (unsigned depth = 0; depth <= STACK_DEPTH_MAX; depth++) {
        stacks[depth] = stack_intern(frames, depth);
        ck_assert(stacks[depth] != NULL && stacks[depth]->depth == depth);
    }
    for (unsigned depth = 0; depth <= STACK_DEPTH_MAX; depth++)
        ck_assert_ptr_eq(stack_intern(frames, depth), stacks[depth]);
    ck_assert_uint_eq(stack_count(), STACK_DEPTH_MAX + 1);
}
END_TEST

/* At each request for memory that is refused the tree stays as it was. */
START_TEST(test_stacks_refused)
{
    options.prof_memory = 0;
    ck_assert_ptr_null(intern(0));
    for (unsigned limit = 4096; limit <= 64 << 10; limit += 4096) {
        unsigned kept = (unsigned)stack_count(), number = kept;
        options.prof_memory = limit;
        while (intern(number) != NULL)
            number++;
        REQUIRE(number > kept && stack_count() == number, "limit %u", limit);
        for (unsigned i = 0; i < number; i++)
            REQUIRE(intern(i) != NULL, "stack %u of %u", i, number);
    }
}
END_TEST

/* Threads that come with the same stacks at the same time get the same copies. */
static const struct stack *found[THREADS][STACKS];

static void *intern_all(void *of_thread)
{
    const struct stack **stacks = of_thread;
    for (unsigned i = 0; i < STACKS; i++)
        stacks[i] = intern(i);
    return NULL;
}

START_TEST(test_threads)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, intern_all, found[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < STACKS; i++)
        for (int thread = 0; thread < THREADS; thread++)
            REQUIRE(found[thread][i] != NULL && found[thread][i] == found[0][i], "stack %u", i);
    ck_assert_uint_eq(stack_count(), STACKS);
}
END_TEST

static volatile unsigned handled;

static void intern_in_handler(int signal_number)
{
    (void)signal_number;
    for (int i = 0; i < 20; i++)
        intern(handled++ % STACKS);
}

/* A handler finds the stacks of the code that it interrupts, and the other way round. */
START_TEST(test_handler)
{
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, intern_in_handler);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < STACKS || handled < 2000; i++)
        REQUIRE(intern(i % STACKS) != NULL, "stack %u", i);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_uint_eq(stack_count(), STACKS);
}
END_TEST

/* A child goes on with what it finds, wherever the other threads were. */
START_TEST(test_fork)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, intern_all, found[0]), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (unsigned number = 0; number < 2000; number++)
                if (intern(number) == NULL || intern(number) != intern(number))
                    _exit(1);
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        ck_assert_int_eq(status, 0);
    }
    pthread_join(thread, NULL);
}
END_TEST

Suite *suite_profile_stack(void)
{
    Suite *suite = suite_create("profile_stack");
    TCase *tests = tcase_create("profile_stack");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_memory);
    tcase_add_test(tests, test_memory_sizes);
    tcase_add_test(tests, test_memory_limit);
    tcase_add_test(tests, test_memory_refused_by_os);
    tcase_add_test(tests, test_one_copy);
    tcase_add_test(tests, test_depths);
    tcase_add_test(tests, test_stacks_refused);
    tcase_add_test(tests, test_threads);
    tcase_add_test(tests, test_handler);
    tcase_add_test(tests, test_fork);
    suite_add_tcase(suite, tests);
    return suite;
}
