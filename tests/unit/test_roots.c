/* test_roots.c: where pointers are found in a running process, and where they are not. */
#include "suites.h"
#include "unit.h"

#include "alloc/thread.h"
#include "base/syscall.h"
#include "molt.h"
#include "molt_object.h"
#include "profile/search.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Addresses of blocks, in a form that leads to none. */
static uintptr_t hidden[8];

static void *show(unsigned n)
{
    return (void *)~hidden[n];
}

static void *make_hidden(void *size)
{
    hidden[0] = ~(uintptr_t)molt_calloc(1, (uintptr_t)size);
    return NULL;
}

/* Makes block 0 in a thread of its own, so that nothing of its address is left on this stack. */
static void make_bytes(size_t size)
{
    unit_in_thread(make_hidden, (void *)(uintptr_t)size);
}

static void make(void)
{
    make_bytes(100);
}

/* Looks, and tells the state of block 0. */
static NOINLINE enum reach_state look(bool *has_stopped)
{
    static struct search search;
    struct roots_caller caller;
    roots_note_caller(&caller);
    ck_assert(search_begin(&search));
    ck_assert_int_eq(search_look(&search, &caller, NULL, 0), 0);
    enum reach_state state = reach_state(&search.reach, show(0));
    if (has_stopped != NULL)
        *has_stopped = search.has_stopped;
    search_end(&search);
    return state;
}

static void expect_stopped(enum reach_state state)
{
    bool has_stopped;
    enum reach_state found = look(&has_stopped);
    if (!has_stopped) {
        puts("skipped: the threads cannot be stopped here");
        return;
    }
    ck_assert_int_eq(found, state);
}

/* ---- Data ---- */

static void *in_data = &in_data, *in_bss;
static __thread void *in_tls;

START_TEST(test_nowhere)
{
    make();
    expect_stopped(REACH_DIRECT);
}
END_TEST

/* What the allocator notes for itself leads to no block. */
START_TEST(test_blocks_of_every_kind)
{
    const size_t sizes[] = {8, 100, 5000, 30000, 40000, 1 << 20, 3 << 20, 5 << 20, 20 << 20};
    for (unsigned n = 0; n < COUNT_OF(sizes); n++) {
        make_bytes(sizes[n]);
        bool has_stopped;
        enum reach_state state = look(&has_stopped);
        REQUIRE(state == REACH_DIRECT || !has_stopped, "%zu bytes: %d", sizes[n], (int)state);
    }
}
END_TEST

START_TEST(test_in_segments_and_thread_local_storage)
{
    void **places[] = {&in_data, &in_bss, &in_tls};
    make();
    for (unsigned n = 0; n < COUNT_OF(places); n++) {
        *places[n] = show(0);
        expect_stopped(REACH_BY_START);
        *places[n] = (char *)show(0) + 8;
        expect_stopped(REACH_BY_INSIDE);
        *places[n] = NULL;
        expect_stopped(REACH_DIRECT);
    }
}
END_TEST

START_TEST(test_on_the_callers_stack)
{
    make();
    void *volatile on_stack = show(0);
    expect_stopped(REACH_BY_START);
    on_stack = NULL;
    (void)on_stack;
}
END_TEST

START_TEST(test_in_mapped_memory)
{
    make();
    void **mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mapped[1000] = show(0);
    expect_stopped(REACH_DIRECT);
}
END_TEST

START_TEST(test_thread_specific_data)
{
    enum { KEYS = 100 };
    static pthread_key_t keys[KEYS];
    make();
    for (unsigned n = 0; n < KEYS; n++)
        ck_assert_int_eq(pthread_key_create(&keys[n], NULL), 0);
    pthread_setspecific(keys[0], show(0));
    expect_stopped(REACH_BY_START);
    pthread_setspecific(keys[0], NULL);
    expect_stopped(REACH_DIRECT);
}
END_TEST

/* ---- The library's own blocks ---- */

struct item {
    MOLT_OBJECT;
    struct item *next;
};
MOLT_TYPE(item_type, struct item, MOLT_REFS(struct item, next));

static void *retain_hidden(void *unused)
{
    molt_retain(show(1));
    molt_retain(show(2));
    return unused;
}

static void *make_objects(void *unused)
{
    hidden[1] = ~(uintptr_t)molt_new(&item_type);
    hidden[2] = ~(uintptr_t)molt_new_extra(&item_type, 100000);
    hidden[3] = ~(uintptr_t)molt_weak_new(show(1), NULL, NULL);
    molt_gc_collect(2);
    unit_in_thread(retain_hidden, NULL);
    return unused;
}

static NOINLINE unsigned count_leaked(void)
{
    static struct search search;
    struct roots_caller caller;
    unsigned leaked = 0;
    roots_note_caller(&caller);
    ck_assert(search_begin(&search));
    ck_assert_int_eq(search_look(&search, &caller, NULL, 0), 0);
    for (uint32_t number = 0; number < search.reach.census.blocks; number++) {
        const void *block = (const void *)census_block(&search.reach.census, number).start;
        leaked += reach_state(&search.reach, block) >= REACH_DIRECT;
    }
    search_end(&search);
    return leaked;
}

/* What the library allocates for objects is reachable, whatever becomes of them. */
START_TEST(test_only_the_programs_blocks_leak)
{
    unit_in_thread(make_objects, NULL);
    ck_assert_uint_eq(count_leaked(), 2); /* the weak reference is in the library's table */
}
END_TEST

/* ---- Other threads ---- */

enum { WHERE_STACK, WHERE_TLS, WHERE_SPECIFIC, WHERE_REGISTER, WHERE_VECTOR, WHERE_NOWHERE };

struct other {
    int where;
    pthread_key_t key;
    atomic_int step;
    bool has_woken_well;
};

/* Has the address of block 0 in one register, and nowhere else, until `step` is 2. */
static NOINLINE void keep_in_register(atomic_int *step)
{
#if defined(__x86_64__)
    __asm__ volatile("mov %1, %%r12\n\tnot %%r12\n\t"
                     "movl $1, %0\n"
                     "1:\tpause\n\tcmpl $2, %0\n\tjne 1b\n\t"
                     "xor %%r12d, %%r12d"
                     : "+m"(*step)
                     : "m"(hidden[0])
                     : "r12", "memory", "cc");
#else
    __asm__ volatile("ldr x20, %1\n\tmvn x20, x20\n\tmov w21, #1\n\tstr w21, %0\n"
                     "1:\tldr w21, %0\n\tcmp w21, #2\n\tb.ne 1b\n\tmov x20, #0"
                     : "+m"(*step)
                     : "m"(hidden[0])
                     : "x20", "x21", "memory", "cc");
#endif
}

static NOINLINE void keep_in_vector(atomic_int *step)
{
#if defined(__x86_64__)
    __asm__ volatile("mov %1, %%rax\n\tnot %%rax\n\tmovq %%rax, %%xmm5\n\txor %%eax, %%eax\n\t"
                     "movl $1, %0\n"
                     "1:\tpause\n\tcmpl $2, %0\n\tjne 1b\n\t"
                     "pxor %%xmm5, %%xmm5"
                     : "+m"(*step)
                     : "m"(hidden[0])
                     : "rax", "xmm5", "memory", "cc");
#else
    keep_in_register(step);
#endif
}

/* Waits in a call, with all signals blocked. */
static void wait_quietly(struct other *other)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    atomic_store(&other->step, 1);
    while (atomic_load(&other->step) != 2)
        usleep(1000);
}

static NOINLINE void keep_on_stack(struct other *other)
{
    void *volatile on_stack = show(0);
    wait_quietly(other);
    on_stack = NULL;
    (void)on_stack;
}

static void *be_other(void *argument)
{
    struct other *other = argument;
    molt_free(molt_malloc(1));
    switch (other->where) {
    case WHERE_STACK:
        keep_on_stack(other);
        break;
    case WHERE_REGISTER:
        keep_in_register(&other->step);
        break;
    case WHERE_VECTOR:
        keep_in_vector(&other->step);
        break;
    case WHERE_TLS:
        in_tls = show(0);
        wait_quietly(other);
        break;
    case WHERE_SPECIFIC:
        pthread_setspecific(other->key, show(0));
        wait_quietly(other);
        break;
    default:
        wait_quietly(other);
    }
    return NULL;
}

static pthread_t start_other(struct other *other, const pthread_attr_t *attributes)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_key_create(&other->key, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, attributes, be_other, other), 0);
    while (atomic_load(&other->step) != 1)
        sched_yield();
    return thread;
}

static void end_other(struct other *other, pthread_t thread)
{
    atomic_store(&other->step, 2);
    pthread_join(thread, NULL);
}

START_TEST(test_in_another_thread)
{
    struct other other = {.where = _i};
    make();
    pthread_t thread = start_other(&other, NULL);
    expect_stopped(_i == WHERE_NOWHERE ? REACH_DIRECT : REACH_BY_START);
    end_other(&other, thread);
}
END_TEST

/* On a stack of the program's own: mapped, or a block, whose unused part is scanned as well, since
 * libc has it in a list. */
START_TEST(test_in_a_thread_with_a_stack_of_the_programs)
{
    enum { BYTES = 256 << 10 };
    char *stacks[] = {
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        molt_aligned_alloc(4096, BYTES),
    };
    make();
    for (unsigned n = 0; n < COUNT_OF(stacks); n++) {
        for (int where = WHERE_STACK; where < (n == 0 ? WHERE_NOWHERE + 1 : WHERE_NOWHERE);
             where++) {
            struct other other = {.where = where};
            pthread_attr_t attributes;
            pthread_attr_init(&attributes);
            memset(stacks[n], 0, BYTES);
            ck_assert_int_eq(pthread_attr_setstack(&attributes, stacks[n], BYTES), 0);
            pthread_t thread = start_other(&other, &attributes);
            expect_stopped(where == WHERE_NOWHERE ? REACH_DIRECT : REACH_BY_START);
            end_other(&other, thread);
        }
    }
}
END_TEST

static struct other *of_handler;

static void wait_in_handler(int number)
{
    (void)number;
    wait_quietly(of_handler);
}

/* The pointer lies on the stack that the signal's handler does not run on. */
static void *raise_on_other_stack(void *argument)
{
    stack_t stack = {.ss_sp = argument, .ss_size = 64 << 10}, before;
    struct sigaction action = {.sa_handler = wait_in_handler, .sa_flags = SA_ONSTACK};
    void *volatile on_stack = show(0);
    molt_free(molt_malloc(1));
    sigaltstack(&stack, &before); /* a sanitizer has one */
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    sigaltstack(&before, NULL);
    on_stack = NULL;
    (void)on_stack;
    return NULL;
}

START_TEST(test_while_a_handler_runs_on_its_own_stack)
{
    static char stack[64 << 10];
    struct other other = {.where = WHERE_STACK};
    pthread_t thread;
    of_handler = &other;
    make();
    ck_assert_int_eq(pthread_create(&thread, NULL, raise_on_other_stack, stack), 0);
    while (atomic_load(&other.step) != 1)
        sched_yield();
    expect_stopped(REACH_BY_START);
    end_other(&other, thread);
}
END_TEST

/* ---- What a stop does to others ---- */

static atomic_int broken_off;

/* Each call must last its time: the thread never knows that it was stopped. */
static void *wait_in_calls(void *argument)
{
    struct other *other = argument;
    int ends[2];
    struct timespec time = {.tv_nsec = 1000000}, rest;
    REQUIRE(pipe(ends) == 0, "pipe");
    while (atomic_load(&other->step) != 2) {
        broken_off += nanosleep(&time, &rest) != 0;
        broken_off += poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, 1) != 0;
        atomic_store(&other->step, atomic_load(&other->step) == 2 ? 2 : 1);
    }
    return NULL;
}

static void note_signal(int number)
{
    (void)number;
}

static atomic_ulong made_threads;

static void *end_at_once(void *argument)
{
    molt_free(molt_malloc(10));
    return argument;
}

static void *make_threads(void *argument)
{
    struct other *other = argument;
    atomic_store(&other->step, 1);
    while (atomic_load(&other->step) != 2) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, end_at_once, NULL) == 0) {
            pthread_join(thread, NULL);
            atomic_fetch_add(&made_threads, 1);
        }
    }
    return NULL;
}

/* Threads that sleep, work, begin and end, while the heap is looked at again and again. */
START_TEST(test_many_looks_among_busy_threads)
{
    enum { SLEEPERS = 4, MAKERS = 2, LOOKS = 25 };
    struct other sleepers[SLEEPERS] = {{.step = 0}}, makers[MAKERS] = {{.step = 0}};
    pthread_t threads[SLEEPERS + MAKERS];
    unsigned stopped = 0;
    make();
    in_bss = show(0);
    for (unsigned n = 0; n < SLEEPERS; n++)
        pthread_create(&threads[n], NULL, wait_in_calls, &sleepers[n]);
    for (unsigned n = 0; n < MAKERS; n++)
        pthread_create(&threads[SLEEPERS + n], NULL, make_threads, &makers[n]);
    for (unsigned n = 0; n < LOOKS; n++) {
        bool has_stopped;
        ck_assert_int_eq(look(&has_stopped), REACH_BY_START);
        stopped += has_stopped;
    }
    for (unsigned n = 0; n < SLEEPERS; n++)
        end_other(&sleepers[n], threads[n]);
    for (unsigned n = 0; n < MAKERS; n++)
        end_other(&makers[n], threads[SLEEPERS + n]);
    ck_assert_int_eq(atomic_load(&broken_off), 0);
    ck_assert(stopped == 0 || stopped == LOOKS);
    ck_assert_uint_gt(atomic_load(&made_threads), 0);
    ck_assert_int_eq(waitpid(-1, NULL, __WALL), -1);
    ck_assert_int_eq(errno, ECHILD); /* no tracer is left */
}
END_TEST

/* A signal that comes while a thread stands still reaches it afterwards. */
START_TEST(test_signals_are_not_lost)
{
    enum { SIGNALS = 40 };
    struct other other = {.where = WHERE_NOWHERE};
    pthread_t thread;
    signal(SIGUSR1, note_signal);
    make();
    ck_assert_int_eq(pthread_create(&thread, NULL, make_threads, &other), 0);
    for (unsigned n = 0; n < SIGNALS; n++) {
        pthread_kill(thread, SIGUSR1);
        look(NULL);
    }
    end_other(&other, thread);
}
END_TEST

/* ---- Where threads cannot be stopped ---- */

static void forbid_ptrace(unsigned action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(filter), filter};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static const unsigned refusals[] = {SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_KILL_PROCESS};

/* Stacks and thread-local storage are scanned all the same. */
START_TEST(test_threads_that_run_on)
{
    const int wheres[] = {WHERE_STACK, WHERE_TLS, WHERE_SPECIFIC, WHERE_NOWHERE};
    forbid_ptrace(refusals[_i]);
    make();
    for (unsigned n = 0; n < COUNT_OF(wheres); n++) {
        struct other other = {.where = wheres[n]};
        bool has_stopped;
        pthread_t thread = start_other(&other, NULL);
        enum reach_state state = look(&has_stopped);
        ck_assert(!has_stopped);
        ck_assert_int_eq(state, wheres[n] == WHERE_NOWHERE ? REACH_DIRECT : REACH_BY_START);
        end_other(&other, thread);
    }
}
END_TEST

/* ---- Refusals ---- */

START_TEST(test_inside_the_allocator)
{
    static struct search search;
    struct roots_caller caller;
    roots_note_caller(&caller);
    molt_free(molt_malloc(1));
    struct heap *heap = thread_enter_existing();
    ck_assert(search_begin(&search));
    ck_assert_int_eq(search_look(&search, &caller, NULL, 0), EDEADLK);
    thread_leave(heap);
    ck_assert_int_eq(search_look(&search, &caller, NULL, 0), 0);
    search_end(&search);
}
END_TEST

START_TEST(test_without_memory)
{
    enum { REQUESTS = 12 };
    static struct search search;
    struct roots_caller caller;
    unsigned failures = 0;
    roots_note_caller(&caller);
    make();
    in_bss = show(0);
    for (unsigned long nth = 1; nth <= REQUESTS; nth++) {
        os_fail(nth, false);
        int error = search_begin(&search) ? search_look(&search, &caller, NULL, 0) : ENOMEM;
        os_fail(0, false);
        ck_assert(error == 0 || error == ENOMEM);
        failures += error != 0;
        search_end(&search);
    }
    ck_assert_uint_gt(failures, 3);
    ck_assert_uint_lt(failures, REQUESTS);
    ck_assert_int_eq(look(NULL), REACH_BY_START);
}
END_TEST

/* ThreadSanitizer keeps copies of what is written, and takes the tracer for a fork. */
static bool has_copies_of_pointers(void)
{
#if defined(__SANITIZE_THREAD__)
    puts("skipped: roots: not under ThreadSanitizer");
    return true;
#else
    return false;
#endif
}

Suite *suite_roots(void)
{
    Suite *suite = suite_create("roots");
    TCase *tests = tcase_create("roots");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_inside_the_allocator);
    suite_add_tcase(suite, tests);
    if (has_copies_of_pointers())
        return suite;
    tcase_add_test(tests, test_nowhere);
    tcase_add_test(tests, test_blocks_of_every_kind);
    tcase_add_test(tests, test_in_segments_and_thread_local_storage);
    tcase_add_test(tests, test_on_the_callers_stack);
    tcase_add_test(tests, test_in_mapped_memory);
    tcase_add_test(tests, test_thread_specific_data);
    tcase_add_test(tests, test_only_the_programs_blocks_leak);
    tcase_add_loop_test(tests, test_in_another_thread, 0, WHERE_NOWHERE + 1);
    tcase_add_test(tests, test_in_a_thread_with_a_stack_of_the_programs);
    tcase_add_test(tests, test_while_a_handler_runs_on_its_own_stack);
    tcase_add_test(tests, test_many_looks_among_busy_threads);
    tcase_add_test(tests, test_signals_are_not_lost);
    tcase_add_loop_test(tests, test_threads_that_run_on, 0, COUNT_OF(refusals));
    tcase_add_test(tests, test_without_memory);
    return suite;
}
