/* MOLT=leaks: what is reported at exit, and on demand, and what is not.
 *
 * The case starts itself again for each scenario and reads the report. tests/leaks has the simple
 * kinds of leaks, beside LeakSanitizer.
 */
#include "case.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <vector>

static void *volatile root;

/* Leaks so many blocks, and leaves no pointer to them behind. */
__attribute__((noinline)) static void leak(size_t size, unsigned count)
{
    std::thread([=] {
        for (unsigned n = 0; n < count; n++)
            root = malloc(size);
        root = NULL;
    }).join();
}

template <typename Function> static Function *molt(const char *name)
{
    auto function = reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
    REQUIRE(function != NULL);
    return function;
}

/* ---- Scenarios: each is main of a process of its own ---- */

static std::map<std::string, std::vector<std::string>> static_map;
static std::unique_ptr<std::string> static_pointer;
static thread_local std::vector<std::string> thread_vector;

/* Alive at exit, and freed by destructors, or still held by what has none. */
static void static_objects()
{
    for (int n = 0; n < 100; n++)
        static_map["a key that is long enough for a block " + std::to_string(n)].resize(5);
    static_pointer.reset(new std::string(1000, 'x'));
    thread_vector.assign(50, std::string(100, 'y'));
    static auto &never_destroyed = *new std::vector<std::string>(20, std::string(200, 'z'));
    never_destroyed.emplace_back("more");
}

struct first_base {
    virtual ~first_base()
    {
    }
    long first;
};

struct second_base {
    virtual ~second_base()
    {
    }
    long second;
};

struct both : first_base, second_base {
    std::string text = std::string(100, 'x');
};

/* Held by a pointer into their middle: to a base, and behind the count of an array. */
static void by_pointers_inside()
{
    static second_base *volatile base = new both;
    static std::string *volatile array = new std::string[3];
    (void)base;
    (void)array;
}

static void thrown()
{
    for (int n = 0; n < 10; n++) {
        try {
            throw std::string(500, 'x');
        } catch (const std::string &text) {
            CHECK(text.size() == 500);
        }
    }
    static std::exception_ptr kept = std::make_exception_ptr(std::string(300, 'y'));
}

static void leak_some()
{
    leak(1000, 3);
    leak(24, 100);
}

/* A plugin's thread-local storage, in main's thread and in one that still runs. */
static void in_storage_of_a_plugin()
{
    char path[PATH_MAX];
    void *plugin = dlopen(beside_program("libtls_keeper.so", path), RTLD_NOW);
    REQUIRE(plugin != NULL);
    auto keep = reinterpret_cast<void (*)(void *)>(dlsym(plugin, "keep"));
    keep(malloc(100));
    static volatile bool is_kept;
    std::thread([=] {
        keep(malloc(200));
        is_kept = true;
        for (;;)
            pause();
    }).detach();
    while (!is_kept)
        usleep(1000);
}

static void in_a_child()
{
    leak(100, 1);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        leak(50, 1);
        exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    _exit(0);
}

/* exit() in a thread, while main waits. */
static void exit_of_another_thread()
{
    leak(100, 1);
    std::thread([] { exit(0); }).join();
}

static void *wait_for_ever(void *)
{
    for (;;)
        pause();
}

/* exit() when main's thread has ended already; blocks that two threads' stacks alone lead to. */
static void exit_after_the_first_thread()
{
    static pthread_t first = pthread_self();
    static volatile bool is_kept;
    std::thread([] {
        void *volatile block = malloc(200);
        is_kept = block != NULL;
        wait_for_ever(block);
    }).detach();
    std::thread([] {
        void *volatile block = malloc(100);
        pthread_join(first, NULL);
        while (!is_kept)
            usleep(1000);
        exit(block == NULL);
    }).detach();
    pthread_exit(NULL);
}

/* Nobody knows where the stacks are then, so nothing is said of what they may lead to. */
static void without_descriptors()
{
    struct rlimit limit = {20, 20};
    leak(100, 1);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
}

static void without_proc()
{
    leak(100, 1);
    if (geteuid() == 0)
        REQUIRE(mkdir("root", 0700) == 0 && chroot("root") == 0);
    else
        without_descriptors();
}

static void ptrace_forbidden()
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    leak(100, 1);
    thread_start(wait_for_ever, NULL);
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void output_stays_whole()
{
    leak(100, 1);
    printf("not written out yet");
}

/* ---- On demand ---- */

static std::string report_of_check(long *leaked)
{
    int file = memfd_create("report", 0);
    *leaked = molt<long(int)>("molt_leaks_check")(file);
    std::string text((size_t)lseek(file, 0, SEEK_END), '\0');
    REQUIRE(pread(file, &text[0], text.size(), 0) == (ssize_t)text.size());
    close(file);
    return text;
}

static void on_demand()
{
    long leaked;
    CHECK(report_of_check(&leaked).find("leaks: 0 bytes in 0 blocks are unr") != std::string::npos);
    CHECK(leaked == 0);
    leak(100, 7);
    CHECK(report_of_check(&leaked).find("leak: 700 bytes in 7 blocks, unr") != std::string::npos);
    CHECK(leaked == 7);
    errno = 0;
    CHECK(molt<long(int)>("molt_leaks_check")(-1) == -1 && errno == EBADF);
    _exit(case_failures > 0);
}

/* What is allocated after the mark, and kept for half of the time since. */
static void suspects()
{
    static std::vector<void *> cache, fresh;
    long leaked;
    cache.reserve(100);
    fresh.reserve(100);
    cache.push_back(malloc(111));
    usleep(10000);
    molt<void()>("molt_leaks_mark")();
    for (int n = 0; n < 5; n++)
        cache.push_back(malloc(1000));
    usleep(300000);
    for (int n = 0; n < 5; n++)
        fresh.push_back(malloc(2000));
    std::string text = report_of_check(&leaked);
    CHECK_MSG(text.find("suspect: 5000 bytes in 5 blocks, reach") != std::string::npos, "%s",
              text.c_str());
    CHECK_MSG(text.find("111 bytes") == std::string::npos, "%s", text.c_str());
    CHECK_MSG(text.find("10000 bytes") == std::string::npos, "%s", text.c_str());
    CHECK(leaked == 0);
    _exit(case_failures > 0);
}

/* ---- On a signal, and by molt_ctl: reports go to standard error, here a file ---- */

static std::string standard_error()
{
    std::string text((size_t)lseek(STDERR_FILENO, 0, SEEK_END), '\0');
    REQUIRE(pread(STDERR_FILENO, &text[0], text.size(), 0) == (ssize_t)text.size());
    return text;
}

static size_t count_of(const std::string &text, const char *words)
{
    size_t count = 0;
    for (size_t at = 0; (at = text.find(words, at)) != std::string::npos; at++)
        count++;
    return count;
}

/* Returns what there is when so many reports are. */
static std::string wait_for_reports(size_t count)
{
    std::string text = standard_error();
    for (unsigned waited = 0; count_of(text, " still reachable\n") < count; waited++) {
        if (waited >= patience(20) * 100) {
            case_say("no report %zu in: %s", count, text.c_str());
            _exit(1);
        }
        sleep_ms(10);
        text = standard_error();
    }
    return text;
}

static void on_signal()
{
    static std::vector<void *> cache;
    cache.reserve(100);
    leak(100, 7);
    raise(SIGUSR1);
    std::string text = wait_for_reports(1);
    CHECK_MSG(text.find("leaks: 700 bytes in 7 blocks are unr") != std::string::npos, "%s",
              text.c_str());
    CHECK_MSG(text.find("suspect:") == std::string::npos, "%s", text.c_str());
    for (int n = 0; n < 5; n++)
        cache.push_back(malloc(1000));
    usleep(300000);
    raise(SIGUSR1);
    text = wait_for_reports(2);
    CHECK_MSG(text.find("suspect: 5000 bytes in 5 blocks, reach") != std::string::npos, "%s",
              text.c_str());
    _exit(case_failures > 0);
}

static volatile bool is_over;

/* Whatever the threads are about when it comes. They are there before the leaks: one that began
 * after them would have the stack of the thread that made them, with what that has left there. */
static void on_signals_under_load()
{
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; n++)
        threads.emplace_back([] {
            while (!is_over)
                free(opaque(malloc(100 + random() % 3000)));
        });
    leak(100, 7);
    for (int n = 0; n < 50; n++) {
        REQUIRE(pthread_kill(threads[n % 4].native_handle(), SIGUSR1) == 0);
        usleep(2000);
    }
    std::string text = wait_for_reports(1);
    is_over = true;
    for (std::thread &thread : threads)
        thread.join();
    CHECK_MSG(text.find("leaks: 700 bytes in 7 blocks are unr") != std::string::npos, "%s",
              text.c_str());
    _exit(case_failures > 0);
}

static void on_signal_in_a_child()
{
    int status;
    leak(100, 7);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        raise(SIGUSR1);
        std::string text = wait_for_reports(1);
        _exit(text.find("leaks: 700 bytes in 7 blocks are unr") == std::string::npos);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_MSG(status == 0, "status 0x%x", (unsigned)status);
    _exit(case_failures > 0);
}

static int command(const char *value)
{
    typedef int(ctl)(const char *, void *, size_t *, const void *, size_t);
    errno = 0;
    return molt<ctl>("molt_ctl")("leaks", NULL, NULL, value, strlen(value)) == 0 ? 0 : errno;
}

static void by_molt_ctl()
{
    static std::vector<void *> cache;
    cache.reserve(100);
    leak(100, 7);
    CHECK(command("mark") == 0);
    CHECK(standard_error().empty());
    for (int n = 0; n < 5; n++)
        cache.push_back(malloc(1000));
    usleep(300000);
    CHECK(command("check") == 0);
    std::string text = wait_for_reports(1);
    CHECK_MSG(text.find("leaks: 700 bytes in 7 blocks are unr") != std::string::npos, "%s",
              text.c_str());
    CHECK_MSG(text.find("suspect: 5000 bytes in 5 blocks, reach") != std::string::npos, "%s",
              text.c_str());
    CHECK(command("0") == EPERM);
    CHECK(command("checks") == EINVAL);
    CHECK(command("") == EPERM); /* a switch without a value is on */
    _exit(case_failures > 0);
}

/* There is no profile: leaks are not recorded. */
static void nothing_is_recorded()
{
    CHECK(command("check") == ENODATA);
    CHECK(command("mark") == 0);
    CHECK(standard_error().empty());
    _exit(case_failures > 0);
}

/* ---- Running them ---- */

static const struct scenario {
    const char *name;
    void (*run)();
    int status;
    const char *line; /* the report must have it; NULL: standard error is a file */
    const char *more_options;
} scenarios[] = {
    {"static_objects", static_objects, 0, "leaks: 0 bytes in 0 blocks are unreachable\n", ""},
    {"by_pointers_inside", by_pointers_inside, 0, "of them by pointers into their middle", ""},
    {"thrown", thrown, 0, "leaks: 0 bytes in 0 blocks are unreachable\n", ""},
    {"leak_some", leak_some, 23, "leaks: 5400 bytes in 103 blocks are unreachable\n", ""},
    {"leak_some", leak_some, 0, "leaks: 5400 bytes in 103 blocks are unr", ",leaks_fail=0"},
    {"leak_some", leak_some, 23, "leak: 5400 bytes in 103 blocks, unreachable, allocated at:\n",
     ""},
    {"leak_some", leak_some, 0, "leaks: 5400 bytes in 103 blocks suppressed\n",
     ",leaks_suppressions=leaks.supp"},
    {"leak_some", leak_some, 23, "leaks: 5400 bytes in 103 blocks are unreachable\n",
     ",leaks_suppressions=leaks.other"},
    {"leak_some", leak_some, 23, "molt: warning: leaks_suppressions: /none: not read",
     ",leaks_suppressions=/none"},
    {"in_storage_of_a_plugin", in_storage_of_a_plugin, 0, "leaks: 0 bytes in 0 blocks are unr", ""},
    {"in_a_child", in_a_child, 0, "leaks: 150 bytes in 2 blocks are unreachable\n", ""},
    {"exit_of_another_thread", exit_of_another_thread, 23, "leaks: 100 bytes in 1 block is unr",
     ""},
    {"exit_after_the_first_thread", exit_after_the_first_thread, 0,
     "leaks: 0 bytes in 0 blocks are unr", ""},
    {"without_descriptors", without_descriptors, 0,
     "molt: warning: leaks: not looked for: /proc does not tell where the stacks are\n", ""},
    {"without_proc", without_proc, 0,
     "molt: warning: leaks: not looked for: /proc does not tell where the stacks are\n", ""},
    {"ptrace_forbidden", ptrace_forbidden, 23, "leaks: other threads could not be stopped", ""},
    {"ptrace_forbidden", ptrace_forbidden, 23, "leaks: 100 bytes in 1 block is unr", ""},
    {"output_stays_whole", output_stays_whole, 23, "not written out yet", ""},
    {"on_demand", on_demand, 0, NULL, ""},
    {"suspects", suspects, 0, NULL, ""},
    {"on_signal", on_signal, 0, NULL, ",leaks_signal=USR1"},
    {"on_signal", on_signal, 0, NULL, ",leaks_signal=USR1,background"},
    {"on_signals_under_load", on_signals_under_load, 0, NULL, ",leaks_signal=SIGUSR1"},
    {"on_signal_in_a_child", on_signal_in_a_child, 0, NULL, ",leaks_signal=USR1"},
    {"by_molt_ctl", by_molt_ctl, 0, NULL, ""},
    {"nothing_is_recorded", nothing_is_recorded, 0, NULL, ",leaks=0"},
};

static const struct scenario *chosen;
static std::string folder;

static void start_again()
{
    std::string options = std::string("leaks,leaks_fail") + chosen->more_options;
    setenv("MOLT", options.c_str(), 1);
    setenv("CASE_LEAKS", chosen->name, 1);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (chosen->line == NULL)
        REQUIRE(dup2(memfd_create("error", 0), STDERR_FILENO) == STDERR_FILENO);
    REQUIRE(chdir(folder.c_str()) == 0);
    char *arguments[] = {const_cast<char *>("leaks"), NULL};
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static void check(const struct scenario *scenario)
{
    struct child_end end;
    chosen = scenario;
    run_child(start_again, &end);
    bool is_right = WIFEXITED(end.status) && WEXITSTATUS(end.status) == scenario->status &&
                    (scenario->line == NULL || strstr(end.error, scenario->line) != NULL);
    CHECK_MSG(is_right, "%s%s: status 0x%x, wanted %d and '%s'; stderr:\n%s", scenario->name,
              scenario->more_options, (unsigned)end.status, scenario->status,
              scenario->line ? scenario->line : "", end.error);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen((folder + "/" + name).c_str(), "w");
    REQUIRE(file != NULL);
    fputs(text, file);
    REQUIRE(fclose(file) == 0);
}

int main()
{
    const char *name = getenv("CASE_LEAKS");
    for (const scenario &scenario : scenarios)
        if (name != NULL && strcmp(name, scenario.name) == 0) {
            scenario.run();
            return case_failures > 0;
        }
    case_watchdog(120);
    case_needs_library();
    char made[] = "/tmp/leaks.XXXXXX";
    REQUIRE(mkdtemp(made) != NULL);
    folder = made;
    write_file("leaks.supp", "# known\nrace:^main$\nleak:*/case*/leaks$\nleak:nowhere\n");
    write_file("leaks.other", "leak:nowhere\nleak:^leaks\nleak:\n");
    for (const scenario &scenario : scenarios)
        check(&scenario);
    unlink((folder + "/leaks.supp").c_str());
    unlink((folder + "/leaks.other").c_str());
    rmdir((folder + "/root").c_str());
    rmdir(made);
    return case_end();
}
