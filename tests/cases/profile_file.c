/* MOLT=prof_file=PATH: a heap profile in a mapped file, which is right when the process is killed,
 * at whatever instruction. A child has a file of its own, its parent's is left alone; what cannot
 * be written is a line and harms nothing.
 *
 * Each program is this one again, preloaded and traced, in a folder of its own. What it does it
 * tells in memory that it shares with the case, before and after it does so.
 */
// preload: no
#include "case.h"
#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { KINDS = 4, THREADS = 4, KILLS = 20, DESCRIPTOR = 99 };

/* ---- What the program tells ---- */

/* Of the blocks of a kind: so many calls have begun, and have come back. */
struct told {
    _Atomic(uint64_t) allocating, allocated, freeing, freed;
};

static struct shared {
    uintptr_t functions[KINDS]; /* where the functions are that allocate, by kind */
    atomic_bool has_begun;
    struct told parent[KINDS], child[KINDS];
    struct told at_fork[KINDS]; /* what the parent had told when it forked */
} * shared;

static struct told *told; /* this process's */

static void share(bool is_new)
{
    if (is_new) {
        int fd = memfd_create("shared", 0);
        REQUIRE(fd >= 0 && ftruncate(fd, sizeof *shared) == 0 && dup2(fd, DESCRIPTOR) >= 0);
        close(fd);
    }
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, DESCRIPTOR, 0);
    REQUIRE(memory != MAP_FAILED);
    shared = memory;
    told = shared->parent;
}

/* ---- Functions that allocate ---- */

#define KIND(name)                                           \
    __attribute__((noinline)) static void *name(size_t size) \
    {                                                        \
        return opaque(malloc(size));                         \
    }
KIND(alpha)
KIND(beta)
KIND(gamma_)
KIND(delta)

static void *(*const functions[KINDS])(size_t size) = {alpha, beta, gamma_, delta};
static const size_t sizes[KINDS] = {100, 1000, 40000, 300000};

static void *take(size_t kind)
{
    told[kind].allocating++;
    void *block = functions[kind](sizes[kind]);
    REQUIRE(block);
    told[kind].allocated++;
    return block;
}

static void give(size_t kind, void *block)
{
    told[kind].freeing++;
    free(block);
    told[kind].freed++;
}

static void begin(void)
{
    for (size_t kind = 0; kind < KINDS; kind++)
        shared->functions[kind] = (uintptr_t)functions[kind];
    atomic_store(&shared->has_begun, true);
}

static void churn_for(uint64_t seed, size_t rounds)
{
    enum { KEPT = 64 };
    void *blocks[KEPT] = {NULL};
    size_t kinds[KEPT];
    for (size_t i = 0; i < rounds; i++) {
        size_t n = random_between(&seed, 0, KEPT - 1);
        if (blocks[n])
            give(kinds[n], blocks[n]);
        kinds[n] = random_between(&seed, 0, KINDS - 1);
        blocks[n] = random_between(&seed, 0, 3) == 0 ? NULL : take(kinds[n]);
    }
}

static void *churn(void *argument)
{
    churn_for((uintptr_t)argument * 77 + 1, SIZE_MAX);
    return NULL;
}

__attribute__((noinline)) static void *deep(unsigned depth)
{
    return depth == 0 ? alpha(10) : opaque(deep(depth - 1));
}

/* As many as their rows do not fit into a file that has not grown. */
static void make_stacks(void)
{
    for (unsigned depth = 0; depth < 110; depth++)
        free(deep(depth));
}

/* ---- Programs ---- */

static void run_churn(void)
{
    begin();
    for (uintptr_t i = 1; i < THREADS; i++)
        thread_start(churn, (void *)i);
    churn(NULL);
}

/* Blocks before the fork, and after it in both. */
static void work_and_end(void)
{
    churn_for(5, 1000);
    kill(getpid(), SIGKILL);
}

static pid_t fork_by_libc(void)
{
    return fork();
}

static pid_t fork_unnoticed(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static volatile pid_t forked;

static pid_t fork_and_tell(pid_t (*function)(void))
{
    memcpy(shared->at_fork, shared->parent, sizeof shared->parent);
    pid_t child = function();
    if (child == 0)
        told = shared->child;
    return child;
}

static void handler(int number)
{
    (void)number;
    if (forked == 0 && (forked = fork_and_tell(fork_unnoticed)) == 0)
        forked = -1;
}

static void fork_by(pid_t (*function)(void))
{
    begin();
    churn_for(3, 1000);
    pid_t child = fork_and_tell(function);
    if (child == 0)
        work_and_end();
    churn_for(4, 1000);
    REQUIRE(child > 0 && waitpid(child, NULL, 0) == child);
    kill(getpid(), SIGKILL);
}

static void run_fork(void)
{
    fork_by(fork_by_libc);
}

/* What the option becomes after the profile has begun is nothing to the child either. */
static void run_clone(void)
{
    int (*set)(const char *name, void *old, size_t *old_length, const void *value, size_t length);
    *(void **)&set = dlsym(RTLD_DEFAULT, "molt_ctl");
    REQUIRE(set && set("prof_file", NULL, NULL, "", 0) == 0);
    fork_by(fork_unnoticed);
}

/* The fork comes in the middle of malloc or free, and the child goes on there. */
static void run_handler(void)
{
    signal(SIGUSR1, handler);
    begin();
    churn_for(3, 1000);
    timer_start(100 * 1000);
    while (forked == 0)
        churn_for(4, 10);
    if (forked == -1)
        work_and_end();
    REQUIRE(waitpid(forked, NULL, 0) == forked);
    kill(getpid(), SIGKILL);
}

static void run_stacks(void)
{
    begin();
    make_stacks();
    free(take(0));
    _exit(7);
}

static void run_lost(void)
{
    begin();
    DIR *directory = opendir(".");
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strncmp(entry->d_name, "heap", 4) == 0)
            REQUIRE(unlink(entry->d_name) == 0);
    closedir(directory);
    make_stacks();
    _exit(7);
}

static void run_library(void)
{
    char path[PATH_MAX];
    begin();
    void *library = dlopen(beside_program("liblate.so", path), RTLD_NOW);
    REQUIRE(library);
    void *(*allocate)(size_t);
    *(void **)&allocate = dlsym(library, "late_allocate");
    REQUIRE(allocate && allocate(123));
    kill(getpid(), SIGKILL);
}

/* For a tracer who looks at each instruction: two rows come, and a block does and goes. */
static void run_steps(void)
{
    begin();
    give(0, take(0));
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    give(1, take(1));
    kill(getpid(), SIGKILL);
}

static void run_nothing(void)
{
    begin();
    take(0);
    _exit(7);
}

static const struct {
    const char *name;
    void (*run)(void);
} programs[] = {
    {"churn", run_churn},     {"fork", run_fork},     {"clone", run_clone},
    {"handler", run_handler}, {"stacks", run_stacks}, {"lost", run_lost},
    {"library", run_library}, {"steps", run_steps},   {"nothing", run_nothing},
};

static int run_program(const char *name)
{
    alarm(patience(20));
    share(false);
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (strcmp(programs[i].name, name) == 0)
            programs[i].run();
    return 5;
}

/* ---- Reading a file, as strictly as any reader ---- */

struct sums {
    uint64_t live, live_bytes, all, all_bytes;
};

struct profile {
    const char *wrong; /* the line that no reader could take, if there is one */
    struct sums kinds[KINDS];
    char text[1 << 21];
};

static struct profile *profile;

/* A row's numbers must make sense to readers who divide the ones by the others. */
static bool makes_sense(uint64_t count, uint64_t bytes)
{
    return (count == 0) == (bytes == 0);
}

static struct sums *sums_of(uintptr_t frame)
{
    struct sums *found = NULL;
    uintptr_t nearest = 64; /* bytes that these functions have at most */
    for (size_t kind = 0; kind < KINDS; kind++) {
        uintptr_t distance = frame - shared->functions[kind];
        if (distance < nearest) {
            nearest = distance;
            found = &profile->kinds[kind];
        }
    }
    return found;
}

static bool read_row(const char *line)
{
    struct sums row;
    uintptr_t frame;
    int length = 0;
    if (sscanf(line, " %" SCNu64 ": %" SCNu64 " [%" SCNu64 ": %" SCNu64 "] @ 0x%" SCNxPTR "%n",
               &row.live, &row.live_bytes, &row.all, &row.all_bytes, &frame, &length) != 5 ||
        !makes_sense(row.live, row.live_bytes) || !makes_sense(row.all, row.all_bytes))
        return false;
    for (line += length; *line != '\0'; line += length)
        if (sscanf(line, " 0x%*[0-9a-f]%n", (length = 0, &length)) != 0 || length == 0)
            return false;
    struct sums *sums = sums_of(frame);
    if (sums) {
        sums->live += row.live;
        sums->live_bytes += row.live_bytes;
        sums->all += row.all;
        sums->all_bytes += row.all_bytes;
    }
    return true;
}

static bool read_lines(char *text)
{
    static const char mappings[] = "MAPPED_LIBRARIES:\n";
    static const char header[] = "heap profile: 0: 0 [00: 0] @ heap";
    char *end = strchr(text, '\n');
    profile->wrong = text;
    if (!end || strncmp(text, header, sizeof header - 1) != 0)
        return false;
    for (char *line = end; line = line + strspn(line, "\n"), (end = strchr(line, '\n')) != NULL;
         line = end) {
        profile->wrong = line;
        if (strncmp(line, mappings, sizeof mappings - 1) == 0)
            return strstr(line, " r-xp ") != NULL;
        *end = '\0';
        if (*line != '#' && !read_row(line))
            return false;
        *end = '\n';
    }
    return false;
}

static bool read_text(size_t length)
{
    memset(profile->kinds, 0, sizeof profile->kinds);
    profile->wrong = "";
    return length > 0 && strlen(profile->text) == length && read_lines(profile->text);
}

static bool read_profile(const char *path)
{
    return read_text(read_file(path, profile->text, sizeof profile->text));
}

/* Whether a number is between what was done for certain and what was begun. */
static bool is_between(uint64_t number, uint64_t least, uint64_t most)
{
    return number >= least && number <= most;
}

/* What has been told, of the parent, or of it at the fork and of the child. */
static void check_kind(const char *what, size_t kind, const struct told *truth)
{
    const struct sums *sums = &profile->kinds[kind];
    CHECK_MSG(is_between(sums->all, truth->allocated, truth->allocating),
              "%s, kind %zu: %" PRIu64 " allocated, told %" PRIu64 " to %" PRIu64, what, kind,
              sums->all, truth->allocated, truth->allocating);
    CHECK_MSG(
        is_between(sums->live, truth->allocated - truth->freeing, truth->allocating - truth->freed),
        "%s, kind %zu: %" PRIu64 " live, told %" PRIu64 " to %" PRIu64, what, kind, sums->live,
        truth->allocated - truth->freeing, truth->allocating - truth->freed);
    uint64_t in_flight = truth->allocating - truth->allocated + truth->freeing - truth->freed;
    CHECK_MSG(sums->live_bytes / sizes[kind] - sums->live <= in_flight &&
                  sums->live_bytes % sizes[kind] == 0 && sums->all_bytes % sizes[kind] == 0,
              "%s, kind %zu: %" PRIu64 " live bytes of %" PRIu64, what, kind, sums->live_bytes,
              sums->live);
}

static void check_profile(const char *what, const char *path, const struct told *truth)
{
    bool is_read = read_profile(path);
    CHECK_MSG(is_read, "%s: %s: line %.200s", what, path, profile->wrong);
    for (size_t kind = 0; is_read && truth && kind < KINDS; kind++)
        check_kind(what, kind, &truth[kind]);
}

/* ---- Running programs ---- */

static char folder[] = "/tmp/molt-case.XXXXXX";
static const char *options;
static const char *program;
static void (*prepare)(void);

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    REQUIRE(mkdtemp(folder));
    memset(shared, 0, sizeof *shared);
}

static void remove_folder(void)
{
    char path[PATH_MAX];
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    CHECK(rmdir(folder) == 0);
}

static void start_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "profile_file", (char *)(uintptr_t)program, NULL};
    REQUIRE(chdir(folder) == 0);
    if (prepare)
        prepare();
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("LD_BIND_NOW", "1", 1); /* fewer instructions to look at */
    setenv("MOLT", options, 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static const char *file_of(pid_t process)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/heap.%d", folder, process);
    return path;
}

/* The one file that is there whose process is not `other`. */
static pid_t process_with_file(pid_t other)
{
    pid_t found = -1;
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int process = 0;
        if (sscanf(entry->d_name, "heap.%d", &process) != 1 || process == other)
            continue;
        CHECK(found == -1);
        found = process;
    }
    closedir(directory);
    return found;
}

static pid_t start_alone(const char *name)
{
    make_folder();
    program = name;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        start_program();
    }
    return child;
}

/* ---- Killed ---- */

static void check_kill(unsigned number)
{
    char what[32];
    pid_t child = start_alone("churn");
    for (unsigned i = 0; !atomic_load(&shared->has_begun) && i < 2000 * patience(1); i++)
        sleep_ms(1);
    sleep_ms(1 + number * 7 % 23);
    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    snprintf(what, sizeof what, "kill %u, %s", number, options);
    bool is_traced = strncmp(options, "trace", 5) == 0;
    check_profile(what, file_of(child), is_traced ? shared->parent : NULL);
    struct stat status;
    CHECK(stat(file_of(child), &status) == 0 && (status.st_mode & 0777) == 0600);
    remove_folder();
}

static void check_kills(void)
{
    options = "trace,prof_file=heap.%p,prof_final=0";
    for (unsigned i = 0; i < KILLS; i++)
        check_kill(i);
    options = "prof=4K,prof_file=heap.%p,prof_final=0";
    for (unsigned i = 0; i < KILLS / 4; i++)
        check_kill(i);
}

/* ---- Forked ---- */

/* The child has what its parent had, and what it has done itself. */
static void check_fork(const char *name)
{
    pid_t parent = start_alone(name);
    REQUIRE(waitpid(parent, NULL, 0) == parent);
    check_profile(name, file_of(parent), shared->parent);
    pid_t child = process_with_file(parent);
    CHECK_MSG(child > 0, "%s: the child has no file", name);
    for (size_t kind = 0; kind < KINDS; kind++) {
        shared->child[kind].allocating += shared->at_fork[kind].allocating;
        shared->child[kind].allocated += shared->at_fork[kind].allocated;
        shared->child[kind].freeing += shared->at_fork[kind].freeing;
        shared->child[kind].freed += shared->at_fork[kind].freed;
    }
    check_profile(name, file_of(child), shared->child);
    remove_folder();
}

static void check_forks(void)
{
    options = "trace,prof_file=heap.%p,prof_final=0";
    check_fork("fork");
    check_fork("clone");
    for (int i = 0; i < 5; i++)
        check_fork("handler");
}

/* ---- What cannot be written ---- */

static void limit_files(void)
{
    struct rlimit limit = {200000, 200000};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void limit_files_much(void)
{
    struct rlimit limit = {1000, 1000};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void fill_disk(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=200k") != 0 || chdir(folder) != 0)
        _exit(77);
}

static void become_nobody(void)
{
    REQUIRE(chmod(folder, 0700) == 0 && setuid(65534) == 0);
}

/* The program ends as it would have, after one line with these words. */
static void check_failure(const char *name, void (*first)(void), const char *words)
{
    struct child_end end;
    make_folder();
    program = name;
    prepare = first;
    run_child(start_program, &end);
    prepare = NULL;
    if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == 77) {
        case_say("skip: a full disk: no namespace of one's own");
    } else {
        CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7, "%s: status 0x%x, %s",
                  words, (unsigned)end.status, end.error);
        CHECK_MSG(lines_with(&end, "molt: ") == 1 && strstr(end.error, words), "wanted %s, got %s",
                  words, end.error);
        pid_t process = process_with_file(0);
        if (process > 0)
            check_profile(words, file_of(process), NULL);
    }
    remove_folder();
}

static void check_failures(void)
{
    options = "trace,prof_file=heap.%p,prof_final=0";
    check_failure("stacks", fill_disk, "no space left");
    check_failure("nothing", limit_files_much, "larger than allowed");
    check_failure("stacks", limit_files, "larger than allowed");
    check_failure("lost", NULL, "renamed, removed or cut");
    if (geteuid() == 0)
        check_failure("nothing", become_nobody, "permission denied");
    options = "trace,prof_file=none/heap.%p,prof_final=0";
    check_failure("nothing", NULL, "no such directory");
}

/* ---- Libraries that are loaded later ---- */

static void check_library(void)
{
    options = "trace,prof_file=heap.%p,prof_final=0";
    pid_t child = start_alone("library");
    REQUIRE(waitpid(child, NULL, 0) == child);
    check_profile("library", file_of(child), NULL);
    CHECK(strstr(profile->text, "liblate.so"));
    remove_folder();
}

/* ---- After each instruction ---- */

/* Whether the file has changed since it was last looked at. */
static bool has_changed(int fd)
{
    static char text[sizeof profile->text], last[sizeof profile->text];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    if (length <= 0 || memcmp(text, last, (size_t)length + 1) == 0)
        return false;
    memcpy(last, text, (size_t)length + 1);
    memcpy(profile->text, text, (size_t)length + 1);
    return true;
}

static void check_steps(void)
{
    options = "trace,prof_file=heap.%p,prof_final=0";
    pid_t child = start_alone("steps");
    unsigned steps = 0, changes = 0;
    int status, fd = -1;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (fd < 0)
            fd = open(file_of(child), O_RDONLY | O_CLOEXEC);
        if (has_changed(fd)) {
            changes++;
            CHECK_MSG(read_text(strlen(profile->text)), "after %u steps: line %.200s", steps,
                      profile->wrong);
        }
        steps++;
        REQUIRE(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0 || errno == ESRCH);
    }
    close(fd);
    CHECK_MSG(changes > 30, "%u changes in %u steps", changes, steps);
    check_profile("steps", file_of(child), shared->parent);
    remove_folder();
}

int main(int count, char **arguments)
{
    if (count > 1)
        return run_program(arguments[1]);
    case_watchdog(60);
    case_needs_library();
    share(true);
    profile =
        mmap(NULL, sizeof *profile, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(profile != MAP_FAILED);
    check_kills();
    check_forks();
    check_failures();
    check_library();
    check_steps();
    return case_end();
}
