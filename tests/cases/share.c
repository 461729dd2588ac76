/* Other programs see a process's statistics in a page that it keeps in a file: whole states while
 * four threads work and handlers fork, pages of children and after execve, nothing left behind by
 * a process that was killed once the next one has begun; and where there is no place for the page
 * one line says so, and the program goes on.
 *
 * Each child is this program again, preloaded, with its page in a folder of the case's own. This
 * process reads, and knows molt by the header alone.
 */
// preload: no
#include "case.h"
#include "../../include/molt_page.h"
#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

static char folder[] = "/tmp/molt-case.XXXXXX"; /* XDG_RUNTIME_DIR */
static char path[PATH_MAX];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- The program that shares ---- */

static atomic_bool is_over;

static void *churn(void *argument)
{
    static _Atomic(void *) slots[256]; /* so that threads free each other's blocks, too */
    uint64_t state = (uintptr_t)argument | 1;
    while (!is_over) {
        size_t size = random_between(&state, 1, random_next(&state) % 64 == 0 ? 300000 : 2000);
        free(atomic_exchange(&slots[random_next(&state) % 256], opaque(malloc(size))));
    }
    return NULL;
}

static void allocate_for(unsigned milliseconds)
{
    double until = now_seconds() + milliseconds / 1000.0;
    while (now_seconds() < until)
        for (size_t i = 0; i < 100; i++)
            free(opaque(malloc(i * 10)));
}

/* Until the other end of standard input is closed. */
static void allocate_until_end(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, 0) == 0)
        allocate_for(10);
}

static void wait_for_end(void)
{
    char byte;
    if (read(STDIN_FILENO, &byte, 1) < 0)
        _exit(3);
}

static void *wait_in_thread(void *argument)
{
    wait_for_end();
    is_over = true;
    return argument;
}

static void run_threads(void)
{
    pthread_t threads[4], waiter = thread_start(wait_in_thread, NULL);
    for (size_t i = 0; i < 4; i++)
        threads[i] = thread_start(churn, &threads[i]);
    for (size_t i = 0; i < 4; i++)
        thread_join(threads[i]);
    thread_join(waiter);
}

/* The child goes on with what the handler has interrupted, perhaps a refresh, and ends soon by
 * SIGALRM. */
static void fork_in_handler(int number)
{
    (void)number;
    static const struct itimerval soon = {{0, 0}, {0, 2000}};
    pid_t child = fork();
    if (child == 0)
        setitimer(ITIMER_REAL, &soon, NULL);
    else
        timer_wind_up(1000000);
}

static void fork_in_handlers(void)
{
    struct sigaction reap = {.sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &reap, NULL);
    pid_t parent = getpid();
    signal(SIGUSR1, fork_in_handler);
    timer_start(1000000);
    allocate_for(1000);
    if (getpid() != parent)
        _exit(0);
    timer_end();
}

static void fork_and_wait(void)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        allocate_until_end();
        exit(0);
    }
    wait_for_end();
    waitpid(child, NULL, 0);
}

static void execute_another(void)
{
    unsetenv("LD_PRELOAD");
    execlp("cat", "cat", (char *)NULL);
}

static void close_all(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    allocate_until_end();
}

/* Descriptors of a program that knows of none but the first three. */
static void count_descriptors(void)
{
    for (int fd = 3; fd < 64; fd++)
        CHECK(fcntl(fd, F_GETFD) < 0);
    allocate_until_end();
    for (int fd = 3; fd < 64; fd++)
        CHECK(fcntl(fd, F_GETFD) < 0);
}

typedef int control(const char *name, void *old, size_t *old_len, const void *new_, size_t new_len);

static void switch_it(void)
{
    control *molt_ctl = (control *)(uintptr_t)dlsym(RTLD_DEFAULT, "molt_ctl");
    REQUIRE(molt_ctl);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        threads[i] = thread_start(churn, &threads[i]);
    for (unsigned i = 0; i <= 200; i++)
        CHECK(molt_ctl("share", NULL, NULL, i % 2 == 0 ? "0" : "1", 1) == 0);
    is_over = true;
    for (size_t i = 0; i < 2; i++)
        thread_join(threads[i]);
}

static void leave_at_once(void)
{
    allocate_for(1);
}

static const struct case_act acts[] = {
    {"threads", run_threads},  {"handlers", fork_in_handlers}, {"fork", fork_and_wait},
    {"exec", execute_another}, {"close", close_all},           {"descriptors", count_descriptors},
    {"switch", switch_it},     {"leave", leave_at_once},       {"idle", wait_for_end},
};

static int act(const char *name)
{
    alarm(patience(20));
    case_act(acts, name);
    return case_end();
}

/* ---- Running it ---- */

struct program {
    pid_t process;
    int input, error; /* the program ends when its input is closed */
};

static struct program start(const char *name)
{
    struct program program;
    int input[2], error[2];
    REQUIRE(pipe2(input, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0);
    program.process = fork();
    REQUIRE(program.process >= 0);
    if (program.process == 0) {
        char *arguments[] = {(char *)(uintptr_t) "share", (char *)(uintptr_t)name, NULL};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input[0], STDIN_FILENO);
        dup2(error[1], STDERR_FILENO);
        closefrom(3);
        setenv("LD_PRELOAD", case_library(), 1);
        setenv("MOLT", "share", 1);
        setenv("XDG_RUNTIME_DIR", folder, 1);
        execv("/proc/self/exe", arguments);
        _exit(5);
    }
    close(input[0]);
    close(error[1]);
    program.input = input[1];
    program.error = error[0];
    return program;
}

/* Returns what it wrote to standard error. */
static const char *end(struct program program)
{
    static char text[4096];
    size_t length = 0;
    int status;
    ssize_t got;
    close(program.input);
    while (length < sizeof text - 1 &&
           (got = read(program.error, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(program.error);
    REQUIRE(waitpid(program.process, &status, 0) == program.process);
    CHECK_MSG(status == 0, "status %#x: %s", (unsigned)status, text);
    return text;
}

/* ---- Pages ---- */

/* The name of the process's page: its number, perhaps with a namespace's behind it. */
static bool find_page(pid_t process, char name[NAME_MAX + 1])
{
    bool is_there = false;
    DIR *directory = opendir(in_folder("molt"));
    struct dirent *entry;
    while (directory && !is_there && (entry = readdir(directory)) != NULL) {
        char *behind;
        is_there = strtol(entry->d_name, &behind, 10) == process && !strchr(behind, '~');
        if (is_there)
            strcpy(name, entry->d_name);
    }
    if (directory)
        closedir(directory);
    return is_there;
}

static int count_pages(void)
{
    int count = 0;
    DIR *directory = opendir(in_folder("molt"));
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

/* Maps a page as soon as it is there. */
static const struct molt_page_head *map_page(pid_t process)
{
    char name[NAME_MAX + 1], whole[NAME_MAX + 8];
    double until = now_seconds() + patience(5);
    while (!find_page(process, name) && now_seconds() < until)
        sleep_ms(1);
    snprintf(whole, sizeof whole, "molt/%s", name);
    int fd = open(in_folder(whole), O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    struct stat status;
    REQUIRE(fstat(fd, &status) == 0);
    CHECK(status.st_mode == (S_IFREG | 0600));
    void *head = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(head != MAP_FAILED);
    close(fd);
    CHECK(molt_page_check((struct molt_page_head *)head, (size_t)status.st_size) == 0);
    return (struct molt_page_head *)head;
}

static struct molt_page page;

/* Reads a state, which must be whole; how many refreshes there have been. */
static uint64_t read_page(const struct molt_page_head *head)
{
    uint64_t pools = 0, blocks = 0;
    int error = molt_page_read(head, head->bytes, &page);
    CHECK_MSG(error == 0 || error == EAGAIN, "error %d", error);
    if (error != 0)
        return 0;
    const struct molt_page_stats *stats = &page.stats;
    CHECK(stats->live_bytes == stats->pool_bytes + stats->run_bytes + stats->huge_bytes);
    CHECK(stats->peak_bytes >= stats->committed_bytes && stats->heaps >= stats->parked_heaps);
    for (size_t i = 0; i < page.state.classes; i++) {
        const struct molt_page_class *class = &page.classes[i];
        uint64_t capacity = class->live_blocks + class->free_blocks + class->moving_blocks +
                            class->hole_blocks + class->uncarved_blocks;
        CHECK(class->pools > 0 && class->block_bytes > 0);
        CHECK(capacity * class->block_bytes <= class->pools * 64 * KIB);
        CHECK((capacity + class->pools) * class->block_bytes > class->pools * 56 * KIB);
        CHECK(i == 0 || class->kind > class[-1].kind || class->block_bytes > class[-1].block_bytes);
        pools += class->pools;
        blocks += class->live_blocks;
    }
    CHECK(pools <= stats->arenas * 64 && blocks <= stats->live_blocks + 100000);
    return page.state.refreshes;
}

/* Reads until there have been so many refreshes. */
static void read_until(const struct molt_page_head *head, uint64_t refreshes)
{
    double until = now_seconds() + patience(10);
    uint64_t seen, last = 0;
    while ((seen = read_page(head)) < refreshes && page.state.ended == 0 && now_seconds() < until) {
        CHECK(seen >= last || seen == 0);
        last = seen > last ? seen : last;
    }
    CHECK_MSG(seen >= refreshes, "%lu refreshes", (unsigned long)seen);
}

/* ---- What is to be seen ---- */

static void see_threads(void)
{
    struct program program = start("threads");
    const struct molt_page_head *head = map_page(program.process);
    read_until(head, 3);
    CHECK(head->process == (uint32_t)program.process && strcmp(head->program, "share") == 0);
    CHECK(page.stats.heaps >= 4 && page.stats.committed_bytes > 0 && page.state.classes > 0);
    CHECK(*end(program) == '\0');
    CHECK(count_pages() == 0);
    read_page(head);
    CHECK(page.state.ended == 1);
}

static void see_handlers(void)
{
    struct program program = start("handlers");
    const struct molt_page_head *head = map_page(program.process);
    double until = now_seconds() + patience(5);
    do
        read_page(head);
    while (page.state.ended == 0 && now_seconds() < until);
    CHECK(page.state.ended == 1 && head->process == (uint32_t)program.process);
    CHECK(*end(program) == '\0');
    do /* children whose time is up end when they are next scheduled */
        end(start("leave"));
    while (count_pages() > 0 && now_seconds() < until);
    CHECK(count_pages() == 0);
}

/* Its child's page is there beside its own; a program that follows by execve leaves a page that
 * says so, until the next process sweeps it. */
static void see_children(void)
{
    struct program program = start("fork");
    map_page(program.process);
    double until = now_seconds() + patience(5);
    while (count_pages() < 2 && now_seconds() < until)
        sleep_ms(1);
    CHECK(count_pages() == 2);
    end(program);
    CHECK(count_pages() == 0);
    program = start("exec");
    const struct molt_page_head *head = map_page(program.process);
    char text[64] = "";
    while (strcmp(text, "cat\n") != 0 && now_seconds() < until) {
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/comm", program.process);
        read_file(name, text, sizeof text);
    }
    CHECK(count_pages() == 1 && head->image != 0);
    end(start("leave"));
    CHECK(count_pages() == 0);
    end(program);
}

static void see_killed(void)
{
    struct program killed[3];
    for (size_t i = 0; i < 3; i++) {
        killed[i] = start(i == 0 ? "threads" : "idle");
        read_until(map_page(killed[i].process), 1);
    }
    for (size_t i = 0; i < 3; i++) {
        kill(killed[i].process, SIGKILL);
        waitpid(killed[i].process, NULL, 0);
        close(killed[i].input);
        close(killed[i].error);
    }
    CHECK(count_pages() == 3);
    end(start("leave"));
    CHECK(count_pages() == 0);
}

static void see_descriptors(void)
{
    static const char *const names[] = {"close", "descriptors"};
    for (size_t i = 0; i < 2; i++) {
        struct program program = start(names[i]);
        read_until(map_page(program.process), 3);
        CHECK(*end(program) == '\0');
    }
}

/* A user to whom no other folder is left. */
static void be_stranger(void)
{
    enum { STRANGER = 54322 };
    static const char *const others[] = {"/dev/shm/molt-54322", "/tmp/molt-54322"};
    for (size_t i = 0; i < 2; i++)
        REQUIRE(mkdir(others[i], 0755) == 0 || errno == EEXIST);
    REQUIRE(chmod(folder, 0755) == 0);
    REQUIRE(setgid(STRANGER) == 0 && setuid(STRANGER) == 0);
    case_say("%s", end(start("leave")));
    struct program program = start("idle");
    case_say("%s", end(program));
    _exit(0);
}

static void see_no_place(void)
{
    struct child_end child = {0};
    if (geteuid() != 0)
        return;
    int output[2];
    REQUIRE(pipe2(output, O_CLOEXEC) == 0);
    pid_t process = fork();
    REQUIRE(process >= 0);
    if (process == 0) {
        alarm(patience(20));
        dup2(output[1], STDOUT_FILENO);
        be_stranger();
    }
    close(output[1]);
    for (ssize_t got; (got = read(output[0], child.error + child.length,
                                  sizeof child.error - 1 - child.length)) > 0;)
        child.length += (size_t)got;
    close(output[0]);
    REQUIRE(waitpid(process, &child.status, 0) == process);
    rmdir("/dev/shm/molt-54322");
    rmdir("/tmp/molt-54322");
    CHECK_MSG(child.status == 0 && lines_with(&child, "molt: ") == 2 &&
                  lines_with(&child, "molt: warning: statistics not shared: not permitted: ") == 2,
              "status %#x: %s", (unsigned)child.status, child.error);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return act(argv[1]);
    case_needs_library();
    case_watchdog(70);
    REQUIRE(mkdtemp(folder));
    see_threads();
    see_handlers();
    see_children();
    see_killed();
    see_descriptors();
    CHECK(*end(start("switch")) == '\0');
    see_no_place();
    rmdir(in_folder("molt"));
    CHECK(rmdir(folder) == 0);
    return case_end();
}
