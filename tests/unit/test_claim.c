/* test_claim.c: what a sleeping thread's heap holds goes back by another thread; one that is awake,
 * or in a signal handler, is left alone. */
#include "suites.h"
#include "unit.h"

#include "alloc/arena.h"
#include "alloc/claim.h"
#include "os/os.h"
#include "base/options.h"
#include "alloc/background.h"
#include "alloc/heap.h"
#include "alloc/hole.h"
#include "alloc/map.h"
#include "alloc/thread.h"
#include "molt.h"
#include "molt_object.h"
#include "os/asleep.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 4000, SIZE = 64, KEPT = 500 };

static char *blocks[BLOCKS];
static struct heap *owners_heap;
static _Atomic int owners_thread;
static sem_t wake, is_ready;

/* Also unblocked by the test's runner, whose signals a test may inherit blocked. */
static void set_up(void)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    sem_init(&wake, 0, 0);
    sem_init(&is_ready, 0, 0);
    molt_free(molt_malloc(1));
}

static void make_sparse(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = molt_malloc(SIZE);
        unit_fill(blocks[i], SIZE, i);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % KEPT != 0) {
            molt_free(blocks[i]);
            blocks[i] = NULL;
        }
    owners_heap = thread_self.heap;
    owners_thread = owners_heap->thread_id;
}

static void check_and_free(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        REQUIRE(blocks[i] == NULL || unit_is_filled(blocks[i], SIZE, i), "block %u", i);
        molt_free(blocks[i]);
    }
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        REQUIRE(heap_class_is_valid(thread_self.heap, size_class), "class %u", size_class);
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        continue;
}

static void *sleep_with_blocks(void *unused)
{
    make_sparse();
    sem_post(&is_ready);
    wait_for(&wake);
    check_and_free();
    return unused;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Whether the owner's pages go, in a while. */
static bool is_tidied(int tries)
{
    for (; tries > 0 && arena_gone_bytes == 0; tries--) {
        claim_tidy(UINT64_MAX);
        pause_ms(5);
    }
    return arena_gone_bytes != 0;
}

/* Else says that the test is skipped. */
static bool can_claim(const char *test)
{
    bool can = access("/proc/thread-self/syscall", R_OK) == 0 && os_fence_threads();
    if (!can)
        printf("skipped %s: nothing tells who sleeps\n", test);
    return can;
}

START_TEST(test_sleeper)
{
    pthread_t thread;
    if (!can_claim("test_sleeper"))
        return;
    pthread_create(&thread, NULL, sleep_with_blocks, NULL);
    wait_for(&is_ready);
    ck_assert(is_tidied(2000));
    ck_assert_uint_eq(owners_heap->claim, CLAIM_NONE);
    ck_assert(!heap_is_busy(owners_heap));
    sem_post(&wake);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* A sleeper is left alone for as long as `decay` says, also where that is longer than the machine
 * has run. */
START_TEST(test_long_decay)
{
    pthread_t thread;
    if (!can_claim("test_long_decay"))
        return;
    pthread_create(&thread, NULL, sleep_with_blocks, NULL);
    wait_for(&is_ready);
    options.decay = os_now_ms() + 1000000;
    for (int i = 0; i < 20; i++) {
        background_step(os_now_ms(), 100);
        pause_ms(5);
    }
    ck_assert_uint_eq(arena_gone_bytes, 0);
    options.decay = 0;
    for (int i = 0; i < 400 && arena_gone_bytes == 0; i++) {
        background_step(os_now_ms(), 100);
        pause_ms(5);
    }
    ck_assert_uint_ne(arena_gone_bytes, 0);
    sem_post(&wake);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- Who is left alone ---- */

static atomic_bool may_go_on;

static void *stay_awake(void *unused)
{
    make_sparse();
    sem_post(&is_ready);
    while (!may_go_on)
        continue;
    check_and_free();
    return unused;
}

START_TEST(test_awake)
{
    pthread_t thread;
    pthread_create(&thread, NULL, stay_awake, NULL);
    wait_for(&is_ready);
    ck_assert(!is_tidied(20));
    may_go_on = true;
    pthread_join(thread, NULL);
}
END_TEST

static void wait_in_handler(int number)
{
    (void)number;
    sem_post(&is_ready);
    wait_for(&wake);
}

/* It may have interrupted malloc. */
START_TEST(test_in_handler)
{
    pthread_t thread;
    signal(SIGUSR1, wait_in_handler);
    pthread_create(&thread, NULL, stay_awake, NULL);
    wait_for(&is_ready);
    pthread_kill(thread, SIGUSR1);
    wait_for(&is_ready);
    pause_ms(20);
    ck_assert(!is_tidied(20));
    may_go_on = true;
    sem_post(&wake);
    pthread_join(thread, NULL);
}
END_TEST

/* With such handlers nothing tells whether a thread is in one. */
START_TEST(test_nested_handlers)
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = wait_in_handler, .sa_flags = SA_NODEFER};
    sigaction(SIGUSR2, &action, NULL);
    ck_assert(asleep_handlers_nest());
    pthread_create(&thread, NULL, sleep_with_blocks, NULL);
    wait_for(&is_ready);
    ck_assert(!is_tidied(20));
    signal(SIGUSR2, SIG_IGN);
    ck_assert(!asleep_handlers_nest());
    sem_post(&wake);
    pthread_join(thread, NULL);
}
END_TEST

static void *sleep_with_object(void *unused)
{
    static const uint16_t no_refs[1];
    static struct molt_type type = {
        .name = "leaf", .size = 64, .refs = no_refs, .flags = MOLT_LEAF};
    molt_release(molt_new(&type));
    make_sparse();
    sem_post(&is_ready);
    wait_for(&wake);
    check_and_free();
    return unused;
}

START_TEST(test_objects)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_with_object, NULL);
    wait_for(&is_ready);
    ck_assert(!is_tidied(20));
    sem_post(&wake);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- At random ---- */

enum { THREADS = 4, SLOTS = 500 };

static atomic_bool is_over;

static void *live(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    char *slots[SLOTS] = {NULL};
    while (!is_over) {
        for (unsigned n = unit_random(&seed) % 300; n > 0; n--) {
            unsigned i = unit_random(&seed) % SLOTS;
            size_t size = i % 20 == 0 ? 5000 : 16 + i;
            REQUIRE(slots[i] == NULL || unit_is_filled(slots[i], size, i), "slot %u", i);
            molt_free(slots[i]);
            slots[i] = slots[i] != NULL ? NULL : molt_malloc(size);
            if (slots[i] != NULL)
                unit_fill(slots[i], size, i);
        }
        nanosleep(&(struct timespec){.tv_nsec = unit_random(&seed) % 1000000}, NULL);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        molt_free(slots[i]);
    return NULL;
}

START_TEST(test_random)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, (void *)(i + 1));
    for (unsigned i = 0; i < 500; i++) {
        claim_tidy(UINT64_MAX);
        pause_ms(1);
    }
    is_over = true;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

/* ---- Forked children ---- */

/* The heap was half-way through somebody else's work: the thread gets another one. */
static void use_after_claim(void *unused)
{
    (void)unused;
    struct heap *heap = owners_heap;
    char *p = molt_malloc(SIZE);
    REQUIRE(p != NULL && thread_self.heap != NULL, "no block");
    REQUIRE(thread_self.heap != heap, "the claimed heap is used");
    REQUIRE(atomic_load(&heap->state) == HEAP_DEAD, "it is not dead");
    for (unsigned i = 0; i < BLOCKS; i++)
        molt_free(blocks[i]);
    molt_free(p);
}

START_TEST(test_fork_while_taken)
{
    char text[256];
    make_sparse();
    atomic_store(&owners_heap->claim, CLAIM_TAKEN);
    heap_begin_slow(owners_heap);
    ck_assert_int_eq(unit_child(use_after_claim, NULL, text, sizeof text), 0);
    heap_end_slow(owners_heap);
    atomic_store(&owners_heap->claim, CLAIM_NONE);
    check_and_free();
}
END_TEST

static void use_own_heap(void *unused)
{
    (void)unused;
    char *p = molt_malloc(5000);
    REQUIRE(p != NULL && thread_self.heap == owners_heap, "another heap");
    REQUIRE(owners_heap->thread_id == getpid(), "its thread has another number");
    molt_free(p);
    check_and_free();
}

/* Asked for only, or between two steps: it goes on. */
START_TEST(test_fork_while_asked)
{
    char text[256];
    make_sparse();
    for (uint32_t claim = CLAIM_NONE; claim <= CLAIM_TAKEN; claim++) {
        atomic_store(&owners_heap->claim, claim);
        ck_assert_int_eq(unit_child(use_own_heap, NULL, text, sizeof text), 0);
    }
    atomic_store(&owners_heap->claim, CLAIM_NONE);
    check_and_free();
}
END_TEST

Suite *suite_claim(void)
{
    Suite *suite = suite_create("claim");
    TCase *tests = tcase_create("claim");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, test_sleeper);
    tcase_add_test(tests, test_long_decay);
    tcase_add_test(tests, test_awake);
    tcase_add_test(tests, test_in_handler);
    tcase_add_test(tests, test_nested_handlers);
    tcase_add_test(tests, test_objects);
    tcase_add_test(tests, test_random);
    tcase_add_test(tests, test_fork_while_taken);
    tcase_add_test(tests, test_fork_while_asked);
    suite_add_tcase(suite, tests);
    return suite;
}
