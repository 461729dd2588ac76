/* Programs that do odd things do under a profile, a trace and the search for leaks what they do
 * without: threads that come and go while profiles are written, stacks of their own, jumps out of
 * handlers, children of all kinds, cancelled threads, lost descriptors.
 *
 * Each child is this program again, preloaded and profiled, in a folder of its own.
 */
// preload: no
#include "case.h"
#include "../../include/molt.h"
#include <dirent.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>

static const char *options;
static char folder[] = "/tmp/molt-case.XXXXXX";

/* ---- The program that is profiled ---- */

/* Blocks of all kinds; one of them is kept until the next time. */
static void *allocate(void *argument)
{
    static void *kept;
    void *blocks[40];
    for (size_t i = 0; i < 40; i++) {
        blocks[i] = i % 8 == 7 ? aligned_alloc(64, 64 * (i + 1)) : malloc(16 << i % 10);
        REQUIRE(blocks[i]);
        fill_bytes(blocks[i], 16, (unsigned)i);
    }
    for (size_t i = 0; i < 40; i++) {
        if (i % 10 == 3)
            REQUIRE((blocks[i] = realloc(blocks[i], 5000 * i)) != NULL);
        REQUIRE(has_bytes(blocks[i], 16, (unsigned)i));
        if (i != 13)
            free(blocks[i]);
    }
    free(__atomic_exchange_n(&kept, blocks[13], __ATOMIC_ACQ_REL));
    return argument;
}

static void allocate_much(void)
{
    allocate(NULL);
    free(opaque(malloc(MIB)));
    free(opaque(calloc(9, MIB)));
}

/* 200 threads, 16 at a time, some with the smallest stacks; each asks for profiles as it goes. */
static void *come_and_go(void *argument)
{
    allocate(NULL);
    if ((uintptr_t)argument % 10 == 0)
        pthread_kill(pthread_self(), SIGUSR2);
    return allocate(argument);
}

static void threads_come_and_go(void)
{
    pthread_t threads[16];
    pthread_attr_t small;
    REQUIRE(pthread_attr_init(&small) == 0);
    REQUIRE(pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN + 16 * KIB) == 0);
    for (uintptr_t i = 0; i < 200 + 16; i++) {
        if (i >= 16)
            thread_join(threads[i % 16]);
        if (i < 200)
            REQUIRE(pthread_create(&threads[i % 16], i % 3 == 0 ? &small : NULL, come_and_go,
                                   (void *)i) == 0);
        if (i % 50 == 0)
            raise(SIGUSR2);
    }
}

/* A program that takes no for an answer. */
static void *allocate_if_possible(void *argument)
{
    void *blocks[60];
    for (size_t i = 0; i < 60; i++) {
        blocks[i] = i % 8 == 7 ? aligned_alloc(4096, 4096 * i) : calloc(1, 16 << i % 16);
        if (blocks[i] && i % 3 == 0) {
            void *moved = realloc(blocks[i], 3000 * i + 1);
            blocks[i] = moved ? moved : blocks[i];
        }
        if (blocks[i])
            fill_bytes(blocks[i], 1, (unsigned)i);
    }
    for (size_t i = 0; i < 60; i++) {
        REQUIRE(!blocks[i] || has_bytes(blocks[i], 1, (unsigned)i));
        free(blocks[i]);
    }
    return argument;
}

static void run_short_of_memory(void)
{
    pthread_t thread;
    for (size_t i = 0; i < 3; i++) {
        allocate_if_possible(NULL);
        free(opaque(malloc(9 * MIB)));
        if (pthread_create(&thread, NULL, allocate_if_possible, NULL) == 0)
            thread_join(thread);
    }
}

/* ---- Handlers ---- */

static sigjmp_buf place;

static void jump_out(int number)
{
    allocate(NULL);
    siglongjmp(place, number);
}

static void jump_out_of_handlers(void)
{
    static volatile int jumps;
    signal(SIGUSR1, jump_out);
    signal(SIGSEGV, jump_out);
    for (jumps = 0; jumps < 100; jumps++) {
        if (sigsetjmp(place, 1) == 0) {
            free(opaque(malloc(100)));
            if (jumps % 2 == 0)
                raise(SIGUSR1);
            else
                *(volatile int *)opaque((void *)16) = 1;
        }
        allocate(NULL);
    }
    REQUIRE(jumps == 100);
}

static void on_own_stack(int number)
{
    (void)number;
    allocate(NULL);
}

/* A handler's stack that is unmapped between two signals, and lies where another one has. */
static void use_stacks_for_signals(void)
{
    struct sigaction action = {.sa_handler = on_own_stack, .sa_flags = SA_ONSTACK};
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    for (size_t i = 0; i < 30; i++) {
        stack_t stack = {.ss_size = (i % 3 + 1) * 32 * KIB}, none = {.ss_flags = SS_DISABLE};
        stack.ss_sp =
            mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0);
        raise(SIGUSR1);
        REQUIRE(sigaltstack(&none, NULL) == 0 && munmap(stack.ss_sp, stack.ss_size) == 0);
        raise(SIGUSR1);
    }
}

/* ---- Coroutines ---- */

enum { COROUTINES = 8 };
static ucontext_t coroutines[COROUTINES];
static __thread ucontext_t scheduler;
static unsigned turns[COROUTINES];

static ucontext_t *scheduler_now(void)
{
    ucontext_t *now = &scheduler;
    __asm__ volatile("" : "+r"(now)); /* it is another one in each thread */
    return now;
}

static __attribute__((noinline)) void give_way(int number)
{
    swapcontext(&coroutines[number], scheduler_now());
}

static void coroutine(int number)
{
    for (;;) {
        allocate(NULL);
        turns[number]++;
        give_way(number);
    }
}

static void *run_coroutines(void *argument)
{
    for (size_t i = 0; i < 5 * COROUTINES; i++)
        swapcontext(scheduler_now(), &coroutines[i % COROUTINES]);
    return allocate(argument);
}

/* Their stacks are mapped side by side, without guards; they go from thread to thread, and are
 * unmapped where they stand. */
static void use_coroutines(void)
{
    size_t bytes = 32 * KIB;
    for (volatile int round = 0; round < 3; round++) {
        char *stacks = mmap(NULL, COROUTINES * bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(stacks != MAP_FAILED);
        for (volatile int i = 0; i < COROUTINES; i++) {
            REQUIRE(getcontext(&coroutines[i]) == 0);
            coroutines[i].uc_stack.ss_sp = stacks + (size_t)i * bytes;
            coroutines[i].uc_stack.ss_size = bytes;
            coroutines[i].uc_link = NULL;
            makecontext(&coroutines[i], (void (*)(void))coroutine, 1, i);
        }
        run_coroutines(NULL);
        in_thread(run_coroutines, NULL);
        run_coroutines(NULL);
        REQUIRE(munmap(stacks, COROUTINES * bytes) == 0);
        allocate(NULL);
    }
    REQUIRE(turns[COROUTINES - 1] == 3 * 15);
}

/* ---- Ends of threads ---- */

static pthread_key_t key;

static void clean_up(void *argument)
{
    allocate(NULL);
    free(argument);
}

static void *wait_to_be_cancelled(void *argument)
{
    int *ends = argument;
    pthread_setspecific(key, malloc(100));
    pthread_cleanup_push(clean_up, malloc(50));
    write(ends[1], "", 1);
    for (;;) {
        allocate(NULL);
        pthread_testcancel();
        sleep_ms(1);
    }
    pthread_cleanup_pop(1);
    return NULL;
}

static void *leave(void *argument)
{
    pthread_setspecific(key, malloc(100));
    allocate(NULL);
    pthread_exit(argument);
}

static void cancel_threads(void)
{
    int ends[2];
    char byte;
    REQUIRE(pipe(ends) == 0 && pthread_key_create(&key, clean_up) == 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread = thread_start(wait_to_be_cancelled, ends);
        REQUIRE(read(ends[0], &byte, 1) == 1);
        REQUIRE(pthread_cancel(thread) == 0);
        REQUIRE(thread_join(thread) == PTHREAD_CANCELED);
        REQUIRE(in_thread(leave, ends) == ends);
    }
}

/* What molt asks the kernel of the process it is told, too, when the first thread has ended. */
static void *exit_later(void *argument)
{
    int (*get_account)(struct molt_account * account, size_t size);
    struct molt_account account;
    *(void **)&get_account = dlsym(RTLD_DEFAULT, "molt_account_get");
    pthread_join(*(pthread_t *)argument, NULL);
    allocate_much();
    REQUIRE(get_account(&account, sizeof account) == 0 && account.rss_bytes > 100 * KIB);
    REQUIRE(account.other_bytes < account.rss_bytes);
    exit(7);
}

static void end_first_thread(void)
{
    static pthread_t first;
    first = pthread_self();
    thread_start(exit_later, &first);
    pthread_exit(NULL);
}

/* ---- Children ---- */

static void await(pid_t child)
{
    int status;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static __attribute__((noinline)) pid_t by_vfork(void)
{
    pid_t child = vfork();
    if (child == 0) {
        free(opaque(malloc(3000)));
        if (opaque_size(1) == 1)
            _exit(3);
    }
    return child;
}

static pid_t by_spawn(void)
{
    extern char **environ;
    pid_t child;
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t) "exit 3", NULL};
    REQUIRE(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0);
    return child;
}

static pid_t by_raw_fork(void)
{
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        allocate_much();
        raise(SIGUSR2);
        exit(3);
    }
    return child;
}

static pid_t by_fork(void)
{
    pid_t child = fork();
    if (child == 0) {
        in_thread(allocate, NULL);
        allocate_much();
        exit(3);
    }
    return child;
}

static bool is_over;

static void *allocate_on_and_on(void *argument)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        allocate(NULL);
    return argument;
}

/* While other threads are inside the allocator, and the profiler. */
static void make_children(void)
{
    pthread_t others[2] = {thread_start(allocate_on_and_on, NULL),
                           thread_start(allocate_on_and_on, NULL)};
    for (int i = 0; i < 8; i++) {
        await(by_vfork());
        await(by_fork());
        await(by_raw_fork());
    }
    await(by_spawn());
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    thread_join(others[0]);
    thread_join(others[1]);
}

/* ---- Frame pointers that are none ---- */

#if defined(__x86_64__)
/* Calls the function with another frame pointer. */
void call_with(void (*function)(void), uintptr_t *frame);
__asm__(".text\n"
        ".type call_with, %function\n"
        "call_with: push %rbp\n"
        "    mov %rsi, %rbp\n"
        "    call *%rdi\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size call_with, . - call_with\n");

static void *misled;

static void allocate_misled(void)
{
    misled = malloc(12345);
}

/* A chain of frame pointers may lead to what is no code, which is not told then. */
static void mislead(void)
{
    static char text[MIB];
    int (*dump)(const char *path);
    uintptr_t frames[6] = {0};
    char wrong[40];
    frames[0] = (uintptr_t)&frames[2];
    frames[1] = (uintptr_t)opaque(malloc(100));
    *(void **)&dump = dlsym(RTLD_DEFAULT, "molt_profile_dump");
    call_with(allocate_misled, opaque(frames));
    REQUIRE(misled && dump("misled") == 0 && read_file("misled", text, sizeof text) > 0);
    snprintf(wrong, sizeof wrong, " 0x%lx", (unsigned long)frames[1]);
    REQUIRE(!strstr(text, wrong));
    unlink("misled");
    free(misled);
}
#else
static void mislead(void)
{
}
#endif

/* ---- Descriptors and directories ---- */

/* A file of the program's gets the number of standard error: nothing is written to it. */
static void lose_standard_error(void)
{
    struct stat status;
    close(2);
    REQUIRE(open("own", O_WRONLY | O_CREAT | O_TRUNC, 0600) == 2);
    raise(SIGUSR2);
    allocate_much();
    REQUIRE(fstat(2, &status) == 0 && status.st_size == 0);
    unlink("own");
}

static void use_all_descriptors(void)
{
    struct rlimit limit = {10, 10};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    raise(SIGUSR2);
}

static void change_root(void)
{
    if (geteuid() != 0)
        return;
    REQUIRE(mkdir("root", 0700) == 0 && chroot("root") == 0 && chdir("/") == 0);
    raise(SIGUSR2);
    allocate_much();
}

/* ---- */

static const struct case_act acts[] = {
    {"nothing", allocate_much},      {"threads", threads_come_and_go},
    {"jumps", jump_out_of_handlers}, {"stacks", use_stacks_for_signals},
    {"coroutines", use_coroutines},  {"cancel", cancel_threads},
    {"first", end_first_thread},     {"children", make_children},
    {"error", lose_standard_error},  {"descriptors", use_all_descriptors},
    {"root", change_root},           {"pointers", mislead},
    {"short", run_short_of_memory},
};

static int act(const char *name)
{
    alarm(patience(20));
    if (strcmp(name, "short") != 0)
        allocate_much();
    case_act(acts, name);
    return 7;
}

/* ---- What comes of it ---- */

static const char *act_name;

static void start_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "profile_odd", (char *)(uintptr_t)act_name, NULL};
    REQUIRE(chdir(folder) == 0);
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options, 1);
    signal(SIGUSR2, SIG_DFL);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

/* Removes a folder; returns how many profiles were in it. */
static int take_profiles(const char *name)
{
    char path[PATH_MAX];
    int count = 0;
    DIR *directory = opendir(name);
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        REQUIRE((size_t)snprintf(path, sizeof path, "%s/%s", name, entry->d_name) < sizeof path);
        const char *end = strrchr(entry->d_name, '.');
        count += end && strcmp(end, ".heap") == 0;
        if (unlink(path) != 0)
            count += take_profiles(path);
    }
    if (directory)
        closedir(directory);
    rmdir(name);
    return count;
}

/* The act ends as it would have without a profile, and leaves at least so many behind. */
static void check_act(const char *name, int least)
{
    struct child_end end;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    REQUIRE(mkdtemp(folder));
    act_name = name;
    run_child(start_program, &end);
    int found = take_profiles(folder);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7, "%s, %s: status 0x%x, %s",
              options, name, (unsigned)end.status, end.error);
    CHECK_MSG(found >= least, "%s, %s: %d profiles, %s", options, name, found, end.error);
}

/* Each request for memory to the OS fails in turn, with all later ones; then the profiler's memory
 * is used up at one point after the other. */
static void check_without_memory(void)
{
    static char text[100];
    options = text;
    for (unsigned n = 1; n <= 30; n++) {
        snprintf(text, sizeof text, "fail_os=%u,trace,leaks,prof_interval=64K,prof_peak", n);
        check_act("short", 0);
    }
    for (unsigned kib = 0; kib <= 160; kib += 8) {
        snprintf(text, sizeof text, "prof_memory=%uK,trace,leaks,prof_interval=64K", kib);
        check_act("short", 1);
    }
}

int main(int count, char **arguments)
{
    static const char *const ways[] = {
        "prof=4K,prof_signal=USR2",
        "trace,prof_signal=USR2",
        "leaks,prof=4K,prof_stack=fp,prof_signal=USR2",
        "leaks,trace,prof_stack=libgcc,prof_signal=USR2",
    };
    if (count > 1)
        return act(arguments[1]);
    case_watchdog(70);
    case_needs_library();
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        options = ways[way];
        check_act("nothing", 1);
        check_act("threads", 20);
        check_act("jumps", 1);
        check_act("stacks", 1);
        check_act("coroutines", 1);
        check_act("cancel", 1);
        check_act("first", 1);
        check_act("children", 17);
        check_act("error", 2);
        check_act("descriptors", 0);
        check_act("root", 0);
        check_act("pointers", 1);
    }
    check_without_memory();
    return case_end();
}
