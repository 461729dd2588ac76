/* test_profile_unwind.c: stacks whose frames are known, by each of the unwinders; and stacks that
 * lead nowhere. */
#include "suites.h"
#include "unit.h"

#include "profile/stack.h" // STACK_DEPTH_MAX
#include "profile/unwind.h"

#include "base/options.h"
#include "os/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* For functions that have a frame of their own: they do something after each call. */
#define TRUTH __attribute__((noinline))

enum { DEPTH = STACK_DEPTH_MAX };

static const enum stack_mode by_tables[] = {STACK_AUTO, STACK_TABLES, STACK_LIBUNWIND,
                                            STACK_LIBGCC};

/* Sanitized builds do without libunwind: it takes a lock when a thread ends, at which
 * ThreadSanitizer crashes. */
static void prepare(enum stack_mode mode)
{
    bool is_left_out = unit_is_sanitized() && mode == STACK_LIBUNWIND;
    options.prof_stack = is_left_out ? STACK_LIBGCC : mode;
    unwind_prepare();
}

/* ---- The truth: return addresses of nested calls, the innermost first ---- */

static uintptr_t expected[DEPTH * 4];
static unsigned expected_depth;

static void expect_return_to(const void *address)
{
    memmove(expected + 1, expected, expected_depth * sizeof *expected);
    expected[0] = (uintptr_t)address;
    expected_depth++;
}

#define EXPECT_CALLER() expect_return_to(__builtin_return_address(0))

static void forget_last(void)
{
    expected_depth--;
    memmove(expected, expected + 1, expected_depth * sizeof *expected);
}

static uintptr_t frames[DEPTH];
static unsigned depth;

/* Where in the frames the expected ones stand, in their order and with others between them, such as
 * those of libc. Returns how many of them there are. */
static unsigned count_found(void)
{
    unsigned found = 0;
    for (unsigned i = 0; i < depth && found < expected_depth; i++)
        found += frames[i] == expected[found];
    return found;
}

static unsigned index_of(uintptr_t address, const uintptr_t *in, unsigned count)
{
    unsigned i = 0;
    while (i < count && in[i] != address)
        i++;
    return i;
}

/* Both begin with functions of molt, which this program does not tell from its own: what is the
 * same begins where `capture` returns to. */
static void compare_stored(const struct stack *stack, uintptr_t caller)
{
    unsigned own = index_of(caller, frames, depth);
    unsigned stored_own = index_of(caller, stack->frames, stack->depth);
    unsigned same = depth - own;
    if (same > DEPTH - stored_own)
        same = DEPTH - stored_own;
    REQUIRE(same > 0 && stack->depth >= stored_own + same, "%u frames, not %u", stack->depth,
            stored_own + same);
    for (unsigned i = 0; i < same; i++)
        REQUIRE(stack->frames[stored_own + i] == frames[own + i], "frame %u of %u is %p, not %p", i,
                same, (void *)stack->frames[stored_own + i], (void *)frames[own + i]);
}

/* Captures in both ways. */
TRUTH static void capture(void)
{
    depth = unwind_capture(frames, DEPTH);
    const struct stack *stack = unwind_stack(true);
    if (options.prof_stack == STACK_AUTO || options.prof_stack == STACK_TABLES)
        compare_stored(stack, (uintptr_t)__builtin_return_address(0));
}

static void capture_and_compare(void)
{
    capture();
    unsigned found = count_found();
    REQUIRE(found == expected_depth, "mode %d: %u of %u frames, in a stack of %u",
            (int)options.prof_stack, found, expected_depth, depth);
}

static void for_each_mode(void (*function)(void))
{
    for (size_t i = 0; i < COUNT_OF(by_tables); i++) {
        prepare(by_tables[i]);
        expected_depth = 0;
        function();
    }
}

/* ---- Frames that compilers make ---- */

static volatile int sink;

TRUTH static void nested(int levels)
{
    EXPECT_CALLER();
    if (levels > 0)
        nested(levels - 1);
    else
        capture_and_compare();
    forget_last();
    sink = levels;
}

TRUTH static void variable(size_t size)
{
    EXPECT_CALLER();
    volatile char array[size];
    array[0] = 1;
    nested(1);
    forget_last();
    sink = array[0];
}

TRUTH static void aligned(void)
{
    EXPECT_CALLER();
    _Alignas(128) volatile char array[256];
    array[0] = 1;
    nested(1);
    forget_last();
    sink = array[0];
}

TRUTH static void aligned_variable(size_t size)
{
    EXPECT_CALLER();
    _Alignas(128) volatile char array[256];
    volatile char other[size];
    array[0] = other[0] = 1;
    variable(size);
    forget_last();
    sink = array[0];
}

TRUTH static void large(void)
{
    EXPECT_CALLER();
    volatile char array[300000];
    array[0] = 1;
    nested(1);
    forget_last();
    sink = array[0];
}

static jmp_buf back;

__attribute__((noinline, noreturn)) static void nest_and_jump_back(void)
{
    EXPECT_CALLER();
    nested(1);
    longjmp(back, 1);
}

/* The call is the last instruction: it returns to what another function begins with. */
TRUTH static void ends_with_call(void)
{
    EXPECT_CALLER();
    nest_and_jump_back();
}

static void call_that_ends(void)
{
    if (setjmp(back) == 0)
        ends_with_call();
    expected_depth = 0;
}

static int compare(const void *a, const void *b)
{
    EXPECT_CALLER();
    nested(2);
    forget_last();
    return *(const int *)a - *(const int *)b;
}

TRUTH static void through_libc(void)
{
    int numbers[] = {3, 1, 2};
    EXPECT_CALLER();
    qsort(numbers, COUNT_OF(numbers), sizeof *numbers, compare);
    forget_last();
}

static void all_frames(void)
{
    nested(0);
    nested(40);
    variable(100);
    aligned();
    aligned_variable(3000);
    large();
    through_libc();
    call_that_ends();
    ck_assert_uint_eq(expected_depth, 0);
}

START_TEST(test_frames)
{
    for_each_mode(all_frames);
}
END_TEST

static void *in_thread(void *unused)
{
    (void)unused;
    for_each_mode(all_frames);
    return NULL;
}

START_TEST(test_thread)
{
    unit_in_thread(in_thread, NULL);
}
END_TEST

/* ---- Stacks that resemble the ones before ---- */

enum { WANDERINGS = 20000, WANDER_DEEP = DEPTH + 20 };

static unsigned wanderings;
static uint64_t wander_state = 1;

static unsigned choose(unsigned count)
{
    return unit_random(&wander_state) % count;
}

static void wander_on(int levels);

TRUTH static void wander_variable(int levels)
{
    volatile char array[choose(200) + 1];
    array[0] = 1;
    wander_on(levels);
    sink = array[0];
}

TRUTH static void wander_aligned(int levels)
{
    _Alignas(128) volatile char array[128];
    array[0] = 1;
    wander_on(levels);
    sink = array[0];
}

TRUTH static void wander_plain(int levels)
{
    wander_on(levels);
    sink = levels;
}

/* Many values that live beyond the calls: registers are saved, the frame pointer's, too. */
TRUTH static void wander_full(int levels)
{
    unsigned a = choose(9), b = choose(9), c = choose(9), d = choose(9), e = choose(9);
    wander_on(levels);
    a += choose(2), b += a, c += b, d += c, e += d;
    wander_on(levels - 1);
    sink = (int)(a + b * 3 + c * 5 + d * 7 + e);
}

static int wander_levels;

static int wander_compare(const void *a, const void *b)
{
    (void)a, (void)b;
    wander_on(wander_levels);
    return 0;
}

TRUTH static void wander_libc(int levels)
{
    int numbers[] = {1, 2};
    wander_levels = levels;
    qsort(numbers, COUNT_OF(numbers), sizeof *numbers, wander_compare);
}

/* Captures here, or goes on. */
static void wander_on(int levels)
{
    static void (*const ways[])(int) = {wander_variable, wander_aligned, wander_plain, wander_full,
                                        wander_libc};
    for (unsigned times = 1 + choose(3); times > 0 && wanderings < WANDERINGS; times--) {
        if (levels <= 0 || choose(8) == 0) {
            wanderings++;
            capture();
        } else {
            ways[choose(COUNT_OF(ways))](levels - 1);
        }
    }
}

START_TEST(test_wander)
{
    prepare(STACK_AUTO);
    while (wanderings < WANDERINGS)
        wander_on((int)choose(WANDER_DEEP));
}
END_TEST

/* ---- Signals ---- */

static void handler(int signal_number)
{
    (void)signal_number;
    nested(3);
}

TRUTH static void raise_signal(void)
{
    EXPECT_CALLER();
    raise(SIGUSR1);
    forget_last();
}

/* A handler's frames, and those of the code that it has interrupted. */
static void signals(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    raise_signal();
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    raise_signal();
}

START_TEST(test_signals)
{
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, NULL);
    for_each_mode(signals);
    char *low = mmap((void *)0x10000000, 1 << 16, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack.ss_sp = low;
    sigaltstack(&stack, NULL);
    for_each_mode(signals);
}
END_TEST

static volatile unsigned ticks;

static void capture_in_handler(int signal_number)
{
    uintptr_t inner[DEPTH];
    int saved = errno;
    (void)signal_number;
    errno = ERANGE;
    REQUIRE(unwind_capture(inner, DEPTH) >= 3, "no frames"); /* to where the kernel has called */
    REQUIRE(errno == ERANGE, "errno is %d", errno);
    errno = saved;
    ticks++;
}

/* Handlers that capture interrupt a capture at any instruction. */
START_TEST(test_interrupted)
{
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < COUNT_OF(by_tables); i++) {
        prepare(by_tables[i]);
        ticks = 0;
        expected_depth = 0;
        signal(SIGALRM, capture_in_handler);
        setitimer(ITIMER_REAL, &often, NULL);
        while (ticks < 200)
            nested(10);
        setitimer(ITIMER_REAL, &never, NULL);
    }
}
END_TEST

/* ---- Asking for less, and for nothing ---- */

static void ask_for_less(void)
{
    uintptr_t all[DEPTH], some[DEPTH];
    unsigned found = unwind_capture(all, DEPTH);
    ck_assert_uint_ge(found, 4);
    for (unsigned max = 0; max <= found; max++) {
        ck_assert_uint_eq(unwind_capture(some, max), max);
        for (unsigned i = 5; i < max; i++) /* the first ones are of unwind.c and this function */
            ck_assert_uint_eq(some[i], all[i]);
    }
    errno = E2BIG;
    unwind_capture(all, DEPTH);
    ck_assert_int_eq(errno, E2BIG);
}

TRUTH static void recurse(int levels)
{
    if (levels > 0)
        recurse(levels - 1);
    else
        ck_assert_uint_eq(unwind_capture(frames, UINT_MAX), DEPTH);
    sink = levels;
}

static void ask_for_more(void)
{
    recurse(DEPTH + 10);
}

START_TEST(test_max)
{
    ck_assert_uint_eq(unwind_capture(frames, DEPTH), 0); /* nothing is prepared */
    for_each_mode(ask_for_less);
    for_each_mode(ask_for_more);
}
END_TEST

/* ---- Frame pointers ---- */

static void *volatile frame_address;

/* That it asks for its frame's address makes the compiler keep it in the frame pointer. */
TRUTH static void framed(int levels)
{
    frame_address = __builtin_frame_address(0);
    EXPECT_CALLER();
    if (levels > 0) {
        framed(levels - 1);
    } else {
        depth = unwind_capture(frames, DEPTH);
        ck_assert_uint_ge(count_found(), expected_depth);
    }
    forget_last();
    sink = levels;
}

TRUTH static void call_framed(void)
{
    frame_address = __builtin_frame_address(0);
    framed(20);
    sink = 1;
}

START_TEST(test_frame_pointers)
{
    prepare(STACK_FP);
    expected_depth = 0;
    call_framed();
}
END_TEST

/* ---- Coroutines ---- */

static ucontext_t outside, inside;
static void (*coroutine)(void);

static void in_coroutine(void)
{
    coroutine();
    sink = 1;
}

/* On a stack that lies where a larger one was. */
static void run_coroutine(size_t bytes)
{
    char *stack =
        mmap((void *)0x20000000, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = bytes;
    inside.uc_link = &outside;
    makecontext(&inside, in_coroutine, 0);
    swapcontext(&outside, &inside);
    munmap(stack, bytes);
}

/* ---- Frames that lead nowhere ---- */

/* Calls the function with this frame pointer. */
static void call_with_fp(uintptr_t fp, void (*function)(void))
{
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "sub $256, %%rsp\n\t"
                     "and $-16, %%rsp\n\t"
                     "push %%rbp\n\t"
                     "push %%rbp\n\t"
                     "mov %0, %%rbp\n\t"
                     "call *%1\n\t"
                     "pop %%rbp\n\t"
                     "pop %%rbp\n\t"
                     "mov %%rbx, %%rsp"
                     :
                     : "r"(fp), "r"(function)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory",
                       "cc");
#else
    (void)fp;
    function();
#endif
}

/* Whatever the chain leads to: nothing, a hole, itself, the stack's end. */
static void capture_broken_chains(void)
{
    size_t page = os_page_bytes();
    char *hole = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + page, page);
    uintptr_t loop[4] = {(uintptr_t)loop, (uintptr_t)capture, (uintptr_t)loop, 1};
    uintptr_t up = (uintptr_t)hole + page - 8, wrong = 0x8000000000000000;
    uintptr_t pointers[] = {0,
                            1,
                            8,
                            up,
                            (uintptr_t)hole + page,
                            (uintptr_t)hole,
                            (uintptr_t)loop,
                            (uintptr_t)&loop[2],
                            UINTPTR_MAX,
                            UINTPTR_MAX - 7,
                            UINTPTR_MAX - 15,
                            wrong,
                            wrong - 8,
                            os_stack_top() & ~(uintptr_t)7};
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        call_with_fp(pointers[i], capture);
        ck_assert_uint_lt(depth, DEPTH);
    }
}

START_TEST(test_broken_chain)
{
    const enum stack_mode modes[] = {STACK_TABLES, STACK_FP};
    if (unit_is_sanitized()) {
        printf("skipped test_broken_chain: AddressSanitizer reports wild reads of the stack\n");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        prepare(modes[i]);
        capture_broken_chains();
        coroutine = capture_broken_chains; /* below the thread's own stack, with holes between */
        run_coroutine(64 << 10);
    }
}
END_TEST

#if defined(__x86_64__)
/* Code as a JIT compiler makes it: it keeps frame pointers, and no table tells of it. */
static const uint8_t made_code[] = {
    0x55,             /* push rbp */
    0x48, 0x89, 0xe5, /* mov  rbp, rsp */
    0xff, 0xd7,       /* call rdi */
    0x5d,             /* pop  rbp */
    0xc3,             /* ret */
};
/* The same, with something else in the frame pointer. */
static const uint8_t frameless_code[] = {
    0x55,             /* push rbp */
    0x48, 0x89, 0xf5, /* mov  rbp, rsi */
    0xff, 0xd7,       /* call rdi */
    0x5d,             /* pop  rbp */
    0xc3,             /* ret */
};

typedef void call_back(void (*function)(void), const void *fp);

static call_back *make_code(const uint8_t *code, size_t bytes)
{
    char *made =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(made, code, bytes);
    call_back *function;
    memcpy(&function, &made, sizeof function);
    return function;
}

static call_back *made, *frameless;

static void from_made(void)
{
    uintptr_t address;
    memcpy(&address, &made, sizeof address);
    expect_return_to((const void *)(address + 6));
    nested(1);
    forget_last();
}

TRUTH static void call_made(void)
{
    EXPECT_CALLER();
    made(from_made, NULL);
    forget_last();
}

/* The walk goes through made code; where that cannot be, it keeps the frames up to there. */
START_TEST(test_made_code)
{
    made = make_code(made_code, sizeof made_code);
    frameless = make_code(frameless_code, sizeof frameless_code);
    prepare(STACK_TABLES);
    expected_depth = 0;
    call_made();
    uintptr_t address;
    memcpy(&address, &frameless, sizeof address);
    static const uint8_t no_call[16];
    uintptr_t data[4] = {0, (uintptr_t)&no_call[8]};
    const void *pointers[] = {data, NULL, &data[1], no_call};
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        unsigned at = 0;
        frameless(capture, pointers[i]);
        while (at < depth && frames[at] != address + 6)
            at++;
        ck_assert_uint_lt(at, depth);
        ck_assert_uint_eq(depth, at + 1);
    }
    memcpy(&address, &made, sizeof address);
    uintptr_t chain[4] = {0, address + 6};
    frameless(capture, chain); /* where the walk before has ended this one goes on */
    ck_assert_uint_eq(frames[depth - 1], address + 6);
}
END_TEST
#endif

/* ---- Small stacks, and stacks that go away ---- */

static void nest_in_coroutine(void)
{
    nested(5);
}

static void coroutines(void)
{
    coroutine = nest_in_coroutine;
    for (size_t kib = 256; kib >= 32; kib /= 2)
        run_coroutine(kib << 10);
}

START_TEST(test_coroutines)
{
    for_each_mode(coroutines);
    prepare(STACK_FP);
    coroutine = capture;
    for (size_t kib = 256; kib >= 32; kib /= 2)
        run_coroutine(kib << 10);
}
END_TEST

enum { STACK_LEFT = 3072 };

/* Captures with so many bytes of the stack left. */
TRUTH static void use_stack(const char *low)
{
    volatile char array[200];
    array[0] = 1;
    if ((char *)__builtin_frame_address(0) - low > STACK_LEFT)
        use_stack(low);
    else
        capture();
    sink = array[0];
}

static void *with_little_stack(void *unused)
{
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &bytes);
    pthread_attr_destroy(&attributes);
    use_stack(low);
    return unused;
}

enum { STACK_BYTES = 256 << 10 };

/* Below the stack lie a guard page and something else of the program's. */
static void *map_stack(void)
{
    size_t page = os_page_bytes();
    char *map = mmap(NULL, 2 * page + STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    mprotect(map + page, page, PROT_NONE);
    return map + 2 * page;
}

START_TEST(test_small_stack)
{
    pthread_attr_t attributes;
    if (unit_is_sanitized()) {
        printf("skipped test_small_stack: a sanitizer needs more stack\n");
        return;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, map_stack(), STACK_BYTES);
    for (size_t i = 0; i < COUNT_OF(by_tables); i++) {
        pthread_t thread;
        prepare(by_tables[i]);
        depth = 0;
        ck_assert_int_eq(pthread_create(&thread, &attributes, with_little_stack, NULL), 0);
        pthread_join(thread, NULL);
        ck_assert_uint_ge(depth, 50);
    }
}
END_TEST

/* ---- Other threads ---- */

static atomic_bool stop;

static void *capture_until_stop(void *unused)
{
    uintptr_t own[DEPTH];
    (void)unused;
    while (!atomic_load(&stop))
        REQUIRE(unwind_capture(own, DEPTH) >= 2, "no frames");
    return NULL;
}

enum { THREADS = 3 };

static void while_threads_capture(void (*function)(void))
{
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, capture_until_stop, NULL), 0);
    function();
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* Holds the loader's lock in between, and has it call back under its lock. */
static int capture_under_lock(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info, (void)size, (void)unused;
    capture();
    return 0;
}

static void load_and_unload(void)
{
    for (int i = 0; i < 200; i++) {
        void *library = dlopen("libBrokenLocale.so.1", RTLD_NOW);
        dl_iterate_phdr(capture_under_lock, NULL);
        if (library != NULL)
            dlclose(library);
    }
}

static void while_libraries_change(void)
{
    while_threads_capture(load_and_unload);
}

START_TEST(test_loader)
{
    for_each_mode(while_libraries_change);
}
END_TEST

static sem_t is_held, may_go;

static int wait_under_lock(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info, (void)size, (void)unused;
    sem_post(&is_held);
    sem_wait(&may_go);
    return 1;
}

static void *hold_loader_lock(void *unused)
{
    dl_iterate_phdr(wait_under_lock, unused);
    return NULL;
}

/* The walk by tables goes on while another thread holds the loader's lock for as long as it likes,
 * though no address has been looked up before. */
START_TEST(test_loader_lock)
{
    pthread_t thread;
    prepare(STACK_AUTO);
    sem_init(&is_held, 0, 0);
    sem_init(&may_go, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_loader_lock, NULL), 0);
    sem_wait(&is_held);
    expected_depth = 0;
    all_frames();
    sem_post(&may_go);
    pthread_join(thread, NULL);
}
END_TEST

static void fork_children(void)
{
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(patience(20));
            all_frames();
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        ck_assert_int_eq(status, 0);
    }
}

static void fork_while_threads_capture(void)
{
    while_threads_capture(fork_children);
}

/* A child captures, wherever the other threads were. */
START_TEST(test_fork)
{
    for_each_mode(fork_while_threads_capture);
}
END_TEST

Suite *suite_profile_unwind(void)
{
    Suite *suite = suite_create("profile_unwind");
    TCase *tests = tcase_create("profile_unwind");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_frames);
    tcase_add_test(tests, test_thread);
    tcase_add_test(tests, test_wander);
    tcase_add_test(tests, test_signals);
    tcase_add_test(tests, test_interrupted);
    tcase_add_test(tests, test_max);
    tcase_add_test(tests, test_frame_pointers);
    tcase_add_test(tests, test_broken_chain);
#if defined(__x86_64__)
    tcase_add_test(tests, test_made_code);
#endif
    tcase_add_test(tests, test_coroutines);
    tcase_add_test(tests, test_small_stack);
    tcase_add_test(tests, test_loader);
    tcase_add_test(tests, test_loader_lock);
    tcase_add_test(tests, test_fork);
    suite_add_tcase(suite, tests);
    return suite;
}
