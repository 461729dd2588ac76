/* MOLT=background: memory goes back while the program sleeps, in forked children too; the thread
 * sleeps when there is nothing to return, takes no signal, and stands in no one's way.
 *
 * Runs itself again with the option set. What should take a second may take ten on a busy machine.
 */
// timeout: 400
#include "case.h"
#include <dirent.h>

enum { BLOCKS = 1000000, SLACK = 8 * 1024 * 1024, WAIT_S = 10 };

static char *blocks[BLOCKS];
static size_t base;

static void burst(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(16 + i * 37 % 80);
        REQUIRE(blocks[i]);
        fill_bytes(blocks[i], 16 + i * 37 % 80, 1);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void check_falls(const char *what)
{
    long waited = 0, most = patience(WAIT_S) * 1000L;
    while (growth(base, rss_bytes()) > SLACK && waited < most) {
        sleep_ms(50);
        waited += 50;
    }
    CHECK_MSG(growth(base, rss_bytes()) <= SLACK, "%s: %zu MiB are left", what,
              growth(base, rss_bytes()) / MIB);
}

/* ---- The thread ---- */

static bool status_line(const char *task, const char *name, char *value, size_t size)
{
    char path[300], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    read_file(path, text, sizeof text);
    const char *line = strstr(text, name);
    if (!line)
        return false;
    line += strlen(name);
    line += strspn(line, " \t");
    size_t length = strcspn(line, "\n");
    if (length >= size)
        return false;
    memcpy(value, line, length);
    value[length] = '\0';
    return true;
}

/* The thread's number; how many there are. Opening the folder allocates, which is no harm. */
static int find_thread(char *task, size_t size)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    REQUIRE(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char name[64];
        if (entry->d_name[0] == '.' || !status_line(entry->d_name, "Name:", name, sizeof name) ||
            strcmp(name, "molt") != 0)
            continue;
        snprintf(task, size, "%s", entry->d_name);
        count++;
    }
    closedir(tasks);
    return count;
}

/* It has just been made, or told to end. */
static int wait_for_threads(int count, char *task, size_t size)
{
    int found = find_thread(task, size), most = (int)patience(WAIT_S) * 1000;
    for (int waited = 0; found != count && waited < most; waited += 50) {
        sleep_ms(50);
        found = find_thread(task, size);
    }
    return found;
}

static long times_awake(const char *task)
{
    char value[64] = "-1";
    CHECK(status_line(task, "\nvoluntary_ctxt_switches:", value, sizeof value));
    return atol(value);
}

/* With nothing to return it is not woken at all. */
static void check_sleeps(const char *task)
{
    long last = times_awake(task), same = 0;
    for (int i = 0; i < 100 && same < 10; i++) {
        sleep_ms(200);
        long now = times_awake(task);
        same = now == last ? same + 1 : 0;
        last = now;
    }
    CHECK_MSG(same == 10, "woken %ld times", last);
}

/* All but those that cannot be blocked, and the two that the C library keeps to itself. */
static void check_signals(const char *task)
{
    char blocked[64] = "";
    CHECK(status_line(task, "SigBlk:", blocked, sizeof blocked));
    uint64_t open = ~strtoull(blocked, NULL, 16);
    open &= ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) | UINT64_C(3) << 31);
    CHECK_MSG(open == 0, "blocked: %s", blocked);
}

/* ---- Children ---- */

typedef int control(const char *, void *, size_t *, const void *, size_t);

static void set(const char *option, const char *value)
{
    control *molt_ctl = (control *)(uintptr_t)dlsym(RTLD_DEFAULT, "molt_ctl");
    REQUIRE(molt_ctl);
    CHECK(molt_ctl(option, NULL, NULL, value, strlen(value)) == 0);
}

/* The thread looks for a shorter time after each release than by default. */
static void restart_with_decay(const char *value)
{
    char task[64];
    set("background", "0");
    CHECK(wait_for_threads(0, task, sizeof task) == 0);
    set("decay", value);
    set("background", "1");
}

static void end_child(void)
{
    _exit(case_failures > 0);
}

static void check_child(void (*body)(void), const char *what)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        body();
        end_child();
    }
    int status = 0;
    pid_t ended = 0;
    for (int waited = 0; ended == 0 && waited < (int)patience(90) * 1000; waited += 20) {
        ended = waitpid(child, &status, WNOHANG);
        sleep_ms(20);
    }
    if (ended == 0) { /* a child whose only thread is the library's takes no other signal */
        kill(child, SIGKILL);
        REQUIRE(waitpid(child, &status, 0) == child);
    }
    CHECK_MSG(status == 0, "%s: status %#x", what, (unsigned)status);
}

static void in_child(void)
{
    char task[64];
    alarm(patience(60));
    CHECK(wait_for_threads(1, task, sizeof task) == 1);
    burst();
    check_falls("a child");
}

static void in_grandchild(void)
{
    check_child(in_child, "a child of a child");
}

static void use_exit(void)
{
    exit(0);
}

/* The process ends with its last thread, which is the library's. */
static void end_by_thread(void)
{
    alarm(patience(60));
    free(malloc(1));
    pthread_exit(NULL);
}

static void *end_later(void *unused)
{
    sleep_ms(2000);
    return unused;
}

/* The last one but the library's ends without a call of malloc, long after all has gone back. */
static void end_by_quiet_thread(void)
{
    pthread_t thread;
    alarm(patience(60));
    restart_with_decay("20");
    REQUIRE(pthread_create(&thread, NULL, end_later, NULL) == 0);
    pthread_exit(NULL);
}

/* What is released while the thread is at work goes back, however long it has worked by then. */
static void end_of_busy_time(void)
{
    alarm(patience(80));
    restart_with_decay("100");
    for (int ms = 600; ms <= 920; ms += 80) {
        struct timespec now, begin;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
            burst();
            clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms);
        check_falls("after a busy time");
        sleep_ms(500);
    }
}

/* What need not wait goes back, too, and then the thread sleeps. */
static void without_decay(void)
{
    char task[64];
    alarm(patience(80));
    restart_with_decay("0");
    CHECK(wait_for_threads(1, task, sizeof task) == 1);
    burst();
    check_falls("without a decay");
    check_sleeps(task);
}

/* ---- Switched on and off ---- */

static void check_switch(void)
{
    char task[64];
    CHECK(wait_for_threads(1, task, sizeof task) == 1);
    set("background", "0");
    CHECK(wait_for_threads(0, task, sizeof task) == 0);
    burst();
    set("background", "1");
    set("background", "1");
    CHECK(wait_for_threads(1, task, sizeof task) == 1);
    check_falls("switched on");
}

int main(int count, char **arguments)
{
    case_needs_library();
    if (count == 1) {
        REQUIRE(setenv("MOLT", "background", 1) == 0);
        execv("/proc/self/exe", (char *[]){arguments[0], "again", NULL});
        REQUIRE(!"exec");
    }
    char task[64];
    case_watchdog(400);
    fill_bytes(blocks, sizeof blocks, 0);
    free(malloc(1));
    base = rss_bytes();
    if (wait_for_threads(1, task, sizeof task) != 1) {
        CHECK(!"there is a thread");
        return case_end();
    }
    check_signals(task);
    burst();
    check_falls("a program that sleeps");
    check_sleeps(task);
    burst();
    check_falls("once more");
    check_child(in_child, "a child");
    check_child(in_grandchild, "a child of a child");
    check_child(use_exit, "exit");
    check_child(end_by_thread, "the last thread ends");
    check_child(end_by_quiet_thread, "the last thread ends quietly");
    check_child(end_of_busy_time, "busy times");
    check_child(without_decay, "no decay");
    check_switch();
    return case_end();
}
