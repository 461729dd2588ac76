/* A preloaded library may replace any libc function by one that allocates, as libfaketime does with
 * the clock: nothing of it may be entered from inside malloc or free.
 *
 * libinterposer.so replaces some forty. The case runs itself and other programs with it, before
 * and behind the library under test, and compares their output with what they print alone.
 *
 */
// preload: no
// timeout: 240
#include "case.h"

enum { THREADS = 4, BLOCKS = 300 };

/* ---- What the case does as the program of its own test ---- */

static void *use_heap(void *argument)
{
    static const size_t largest[] = {64, 64, 64, 64, 64, 1000, 1000, 30000, 300000, 3000000};
    uint64_t random = 1 + (uintptr_t)argument;
    static __thread unsigned char *blocks[BLOCKS];
    static __thread size_t sizes[BLOCKS];
    for (unsigned i = 0; i < 3 * BLOCKS; i++) {
        size_t at = random_between(&random, 0, BLOCKS - 1);
        size_t size = random_between(&random, 1, largest[random_between(&random, 0, 9)]);
        if (blocks[at] != NULL)
            CHECK(blocks[at][0] == (at & 0xff) && blocks[at][sizes[at] - 1] == (at & 0xff));
        if (i % 3 == 0) {
            blocks[at] = realloc(blocks[at], size);
        } else {
            free(blocks[at]);
            blocks[at] = i % 3 == 1 ? calloc(1, size) : malloc(size);
        }
        REQUIRE(blocks[at] != NULL);
        if (i % 3 == 1)
            CHECK(blocks[at][0] == 0 && blocks[at][size / 2] == 0 && blocks[at][size - 1] == 0);
        blocks[at][0] = blocks[at][size / 2] = blocks[at][size - 1] = (unsigned char)at;
        sizes[at] = size;
        if (i % 64 == 0)
            sleep_ms(1); /* ticks find that time has passed */
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    return NULL;
}

static int use_heap_and_threads(void)
{
    for (int round = 0; round < 2; round++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            threads[i] = thread_start(use_heap, (void *)i);
        for (int i = 0; i < THREADS; i++)
            thread_join(threads[i]);
    }
    use_heap(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(use_heap(NULL) != NULL);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    if (case_failures == 0)
        puts("used");
    return case_end();
}

/* ---- Running programs ---- */

struct result {
    int status;
    char text[4096];
};

static struct result run(const char *preloaded, const char *command)
{
    struct result result = {.status = -1};
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(patience(60));
        setenv("LD_PRELOAD", preloaded, 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], result.text + length, sizeof result.text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    REQUIRE(waitpid(child, &result.status, 0) == child);
    return result;
}

static bool is_there(const char *program)
{
    char command[100];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return run("", command).status == 0;
}

static void check_program(const char *interposer, const char *command)
{
    struct result alone = run(interposer, command);
    char orders[2][2 * PATH_MAX + 2];
    snprintf(orders[0], sizeof orders[0], "%s:%s", case_library(), interposer);
    snprintf(orders[1], sizeof orders[1], "%s:%s", interposer, case_library());
    CHECK_MSG(alone.status == 0, "%s alone: status 0x%x: %s", command, (unsigned)alone.status,
              alone.text);
    for (int i = 0; i < 2; i++) {
        struct result both = run(orders[i], command);
        CHECK_MSG(both.status == alone.status && strcmp(both.text, alone.text) == 0,
                  "%s, library %s the interposer: status 0x%x: %.300s", command,
                  i == 0 ? "before" : "behind", (unsigned)both.status, both.text);
    }
}

int main(int count, char **arguments)
{
    if (count > 1)
        return use_heap_and_threads();
    case_watchdog(220);
    case_needs_library();
    char interposer[PATH_MAX], self[PATH_MAX + 16];
    beside_program("libinterposer.so", interposer);
    ssize_t length = readlink("/proc/self/exe", self, PATH_MAX);
    REQUIRE(length > 0);
    strcpy(self + length, " used");
    (void)arguments;
    check_program(interposer, self);
    check_program(interposer, "date -u -d @1000000000");
    check_program(interposer, "ls /usr/lib | sort -r | tail -n 5");
    if (is_there("perl"))
        check_program(interposer,
                      "perl -e 'print join(\",\", map { $_ x 3 } sort { $b <=> $a } 1..50)'");
    if (is_there("sqlite3"))
        check_program(interposer,
                      "sqlite3 :memory: 'create table t(a); insert into t values(1),(2); "
                      "select sum(a), hex(zeroblob(20)) from t'");
    if (is_there("/usr/bin/python3"))
        check_program(interposer,
                      "/usr/bin/python3 -S -c 'import threading; t=threading.Thread(target="
                      "print, args=(sum(range(1000)),)); t.start(); t.join()'");
    return case_end();
}
