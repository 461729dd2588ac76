/* A heap profile is written where the program began, whatever the program does to its directory,
 * its descriptors, its limits and its signals; where it cannot be written one line says so, and the
 * program ends as it would have ended.
 *
 * Each child is this program again, preloaded and profiled, in a folder of its own.
 */
// preload: no
#include "case.h"
#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char folder[] = "/tmp/molt-case.XXXXXX";
static const char *options;

/* ---- The program that is profiled ---- */

static void *kept[100];

static void allocate(void)
{
    for (size_t i = 0; i < 100; i++)
        kept[i] = malloc(1000);
}

static void become_daemon(void)
{
    REQUIRE(daemon(0, 0) == 0); /* a child goes on, in / */
}

static void close_all(void)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
}

static void limit_files(void)
{
    struct rlimit limit = {100, 100};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void go_elsewhere(void)
{
    REQUIRE(chdir("/") == 0);
}

static void lose_folder(void)
{
    REQUIRE(rmdir(folder) == 0);
}

static void become_nobody(void)
{
    REQUIRE(setuid(65534) == 0);
}

static void raise_signal(void)
{
    raise(SIGUSR2);
}

static volatile sig_atomic_t handled;

static void own_handler(int number)
{
    (void)number;
    handled = 1;
}

static void handle_signal(void)
{
    signal(SIGUSR2, own_handler);
    raise(SIGUSR2);
    REQUIRE(handled);
}

static atomic_bool is_over;

static void *churn(void *argument)
{
    uint64_t state = (uintptr_t)argument | 1;
    while (!is_over)
        free(opaque(malloc(random_between(&state, 1, 3000))));
    return NULL;
}

/* A thread that writes is as likely to be in malloc as not. */
static void interrupt_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        threads[i] = thread_start(churn, &threads[i]);
    for (size_t i = 0; i < 200; i++) {
        REQUIRE(pthread_kill(threads[i % 4], SIGUSR2) == 0);
        sleep_ms(1);
    }
    is_over = true;
    for (size_t i = 0; i < 4; i++)
        thread_join(threads[i]);
}

/* 64 MiB. */
static void grow(void)
{
    for (size_t i = 0; i < 64; i++)
        kept[i] = malloc(MIB);
}

static void run_out_of_memory(void)
{
    struct rlimit limit = {GIB, GIB};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    for (size_t i = 0; i < 3; i++)
        REQUIRE(opaque(malloc(2 * GIB)) == NULL && errno == ENOMEM);
}

static void reach_hard_limit(void)
{
    for (size_t i = 0; i < 100; i++)
        kept[i] = malloc(MIB);
    REQUIRE(!kept[99]);
}

/* ---- A cgroup of its own: files as the kernel has them ---- */

static void set_file(const char *name, size_t number)
{
    char path[PATH_MAX], text[64];
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", name);
    int length = snprintf(text, sizeof text, "%s%zu\n",
                          strstr(name, "stat") ? "file 7\ninactive_file " : "", number);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0 && write(fd, text, (size_t)length) == length);
    close(fd);
}

/* Uses so much of it, as the kernel says, and allocates for so long that molt looks at that. */
static void use(const char *file, size_t millions)
{
    set_file(file, millions * 1000000);
    for (size_t i = 0; i < 64; i++)
        free(opaque(malloc(MIB)));
}

static void come_near_limit(void)
{
    static const size_t usage[] = {50, 89, 91, 95, 85, 91, 50, 91}; /* twice from afar to 90 */
    set_file("memory.max", 100 * 1000000);
    for (size_t i = 0; i < sizeof usage / sizeof usage[0]; i++)
        use("memory.current", usage[i]);
    set_file("memory.stat", 60 * 1000000); /* files: of no account */
    use("memory.current", 50);
    use("memory.current", 99);
}

static void come_near_high(void)
{
    set_file("memory.high", 30 * 1000000);
    set_file("memory.max", 1000 * 1000000);
    use("memory.current", 29);
    use("memory.current", 31);
}

static void come_near_limit_in_version_1(void)
{
    REQUIRE(mkdir("/sys/fs/cgroup/memory", 0755) == 0);
    set_file("memory/memory.limit_in_bytes", 100 * 1000000);
    use("memory/memory.usage_in_bytes", 50);
    use("memory/memory.usage_in_bytes", 91);
}

static void have_no_limit(void)
{
    use("memory.current", 100000);
}

static bool needs_cgroup(const char *name)
{
    return strncmp(name, "cgroup", 6) == 0;
}

static bool replace_cgroup(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0;
}

/* ---- Children ---- */

static void fork_child(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        exit(0);
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static const struct case_act acts[] = {
    {"nothing", allocate},
    {"daemon", become_daemon},
    {"close", close_all},
    {"limit", limit_files},
    {"elsewhere", go_elsewhere},
    {"lost", lose_folder},
    {"nobody", become_nobody},
    {"signal", raise_signal},
    {"handler", handle_signal},
    {"threads", interrupt_threads},
    {"fork", fork_child},
    {"grow", grow},
    {"memory", run_out_of_memory},
    {"hard limit", reach_hard_limit},
    {"cgroup", come_near_limit},
    {"cgroup high", come_near_high},
    {"cgroup 1", come_near_limit_in_version_1},
    {"cgroup none", have_no_limit},
};

static int act(const char *name)
{
    alarm(patience(20));
    allocate();
    case_act(acts, name);
    return 7;
}

/* ---- What comes of it ---- */

static const char *act_name;

static void start_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "profile_dump", (char *)(uintptr_t)act_name, folder,
                         NULL};
    REQUIRE(chdir(folder) == 0);
    if (needs_cgroup(act_name) && !replace_cgroup())
        _exit(77);
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options, 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static bool is_profile(const char *name)
{
    char path[PATH_MAX], text[64];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &status) == 0 && (status.st_mode & 0777) == 0600 &&
           read_file(path, text, sizeof text) > 0 && strncmp(text, "heap profile: ", 14) == 0;
}

/* Removes the folder and returns how many profiles were in it; -1: there was something else. */
static int take_profiles(void)
{
    char path[PATH_MAX];
    int count = 0;
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.' && strlen(entry->d_name) < 3)
            continue;
        count = count >= 0 && is_profile(entry->d_name) ? count + 1 : -1;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    rmdir(folder);
    return count;
}

static bool has_profile(void)
{
    bool has = false;
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        has |= entry->d_name[0] != '.';
    closedir(directory);
    return has;
}

/* Runs the act; returns the profiles that are there then, and, if it becomes a daemon, soon. */
static int profiles_of(const char *name, struct child_end *end)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    REQUIRE(mkdtemp(folder));
    act_name = name;
    run_child(start_program, end);
    for (unsigned i = 0; strcmp(name, "daemon") == 0 && !has_profile() && i < patience(50); i++)
        sleep_ms(100);
    return take_profiles();
}

/* The act ends with the status that it would have had, so many profiles and so many lines. */
#define CHECK_ACT(name, profiles, lines)                                                          \
    do {                                                                                          \
        struct child_end end_;                                                                    \
        int found_ = profiles_of(name, &end_);                                                    \
        CHECK_MSG(WIFEXITED(end_.status) && WEXITSTATUS(end_.status) == 7, "%s: status 0x%x, %s", \
                  name, (unsigned)end_.status, end_.error);                                       \
        CHECK_MSG(found_ == (profiles), "%s: %d profiles, %s", name, found_, end_.error);         \
        CHECK_MSG(lines_with(&end_, "molt: warning: heap profile not written: ") == (lines) &&    \
                      lines_with(&end_, "molt: ") == (lines),                                     \
                  "%s: %s", name, end_.error);                                                    \
    } while (0)

static void check_exit(void)
{
    struct child_end end;
    options = "prof=64K";
    CHECK_ACT("nothing", 1, 0);
    CHECK_ACT("elsewhere", 1, 0);
    CHECK_ACT("close", 1, 0);
    CHECK_ACT("fork", 2, 0);
    CHECK_ACT("limit", 0, 1);
    CHECK_ACT("lost", 0, 1);
    if (geteuid() == 0)
        CHECK_ACT("nobody", 0, 1);
    CHECK(profiles_of("daemon", &end) == 1);
    options = "prof=64K,prof_final=0";
    CHECK_ACT("nothing", 0, 0);
    options = "prof=64K,prof_peak";
    CHECK_ACT("nothing", 2, 0);
    options = "prof=4K,prof_final=0,prof_interval=10M";
    CHECK_ACT("grow", 6, 0);
    options = "prof=64K,prof_final=0,prof_oom";
    CHECK_ACT("memory", 1, 0);
    options = "prof_out=unused,prof_signal=USR2,prof_peak";
    CHECK_ACT("nothing", 0, 0);
}

static void check_signals(void)
{
    struct child_end end;
    options = "prof=64K,prof_final=0,prof_signal=USR2";
    CHECK_ACT("signal", 1, 0);
    CHECK_ACT("handler", 0, 0);
    CHECK(profiles_of("threads", &end) > 0);
    CHECK(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7);
    options = "trace,prof_final=0,prof_signal=SIGUSR2";
    CHECK(profiles_of("threads", &end) > 0);
    CHECK(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7);
}

static void check_memory(void)
{
    struct child_end end;
    options = "prof=64K,prof_final=0,hard_limit=64M";
    CHECK(profiles_of("hard limit", &end) == 1);
    CHECK_MSG(lines_with(&end, "molt: warning: hard_limit ") == 1 &&
                  lines_with(&end, "molt: ") == 1,
              "%s", end.error);
    options = "prof=64K,prof_final=0,hard_limit=64M,prof_oom";
    CHECK(profiles_of("hard limit", &end) == 1);
    options = "prof=64K,prof_final=0,prof_dump_at=90%";
    profiles_of("cgroup none", &end);
    if (WEXITSTATUS(end.status) == 77) {
        case_say("skip: cgroups: no namespace of one's own");
        return;
    }
    CHECK_ACT("cgroup none", 0, 0);
    CHECK_ACT("cgroup", 2, 0);
    CHECK_ACT("cgroup 1", 1, 0);
    CHECK_ACT("cgroup high", 0, 0);
    options = "prof=64K,prof_final=0,prof_dump_at=memory.high";
    CHECK_ACT("cgroup high", 1, 0);
    CHECK_ACT("cgroup", 0, 0);
}

int main(int count, char **arguments)
{
    if (count > 2) {
        strcpy(folder, arguments[2]);
        return act(arguments[1]);
    }
    case_watchdog(60);
    case_needs_library();
    check_exit();
    check_signals();
    check_memory();
    return case_end();
}
