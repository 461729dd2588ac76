/* What stands at /etc/molt.conf may be anything: a FIFO or a device must not keep every program of
 * the machine waiting, and only a regular file is read.
 *
 * Each child gets an /etc of its own, an empty one, in a mount namespace; the machine's stays as it
 * is.
 */
// preload: no
#include "case.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define CONFIG_FILE "/etc/molt.conf"

static const char *options; /* the program's $MOLT */

static void enter_namespace(void)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        _exit(77);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/etc", "tmpfs", 0, NULL) != 0)
        _exit(77);
}

static void start_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "config", (char *)(uintptr_t) "child", NULL};
    setenv("LD_PRELOAD", case_library(), 1);
    unsetenv("MOLT");
    if (options)
        setenv("MOLT", options, 1);
    alarm(patience(5));
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static void write_config(const char *text)
{
    int fd = open(CONFIG_FILE, O_WRONLY | O_CREAT, 0644);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void with_file(void)
{
    enter_namespace();
    write_config("verbose=1\n");
    start_program();
}

static void with_fifo(void)
{
    enter_namespace();
    REQUIRE(mkfifo(CONFIG_FILE, 0666) == 0);
    start_program();
}

/* A reader would wait for what is written. */
static void with_open_fifo(void)
{
    enter_namespace();
    REQUIRE(mkfifo(CONFIG_FILE, 0666) == 0);
    REQUIRE(open(CONFIG_FILE, O_RDWR) >= 0);
    start_program();
}

static void with_device(void)
{
    enter_namespace();
    REQUIRE(symlink("/dev/zero", CONFIG_FILE) == 0);
    start_program();
}

static void with_directory(void)
{
    enter_namespace();
    REQUIRE(mkdir(CONFIG_FILE, 0755) == 0);
    start_program();
}

static void with_endless_link(void)
{
    enter_namespace();
    REQUIRE(symlink(CONFIG_FILE, CONFIG_FILE) == 0);
    start_program();
}

static void with_huge_file(void)
{
    enter_namespace();
    write_config("verbose=1\n");
    REQUIRE(truncate(CONFIG_FILE, (off_t)1 << 40) == 0);
    start_program();
}

/* A file for others to read. */
static void with_forbidden_file(void)
{
    enter_namespace();
    write_config("verbose=1\n");
    REQUIRE(chmod(CONFIG_FILE, 0) == 0 && setuid(65534) == 0);
    start_program();
}

static void with_no_file(void)
{
    enter_namespace();
    start_program();
}

/* The program ends well with `lines` of molt's about what it read. */
#define CHECK_CONFIG(function, prefix, lines)                                                   \
    do {                                                                                        \
        struct child_end end_;                                                                  \
        run_child(function, &end_);                                                             \
        CHECK_MSG(ended_well(&end_) && lines_with(&end_, "molt: ") == (lines) &&                \
                      lines_with(&end_, prefix) == (lines),                                     \
                  "%s: status 0x%x, stderr: %s", #function, (unsigned)end_.status, end_.error); \
    } while (0)

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        free(malloc(100));
        return 0;
    }
    case_watchdog(60);
    case_needs_library();
    struct child_end end;
    run_child(enter_namespace, &end);
    if (!ended_well(&end))
        CASE_SKIP("no mount namespace of one's own here");
    CHECK_CONFIG(with_file, "molt: loaded", 1);
    CHECK_CONFIG(with_fifo, "molt: ", 0);
    CHECK_CONFIG(with_open_fifo, "molt: ", 0);
    CHECK_CONFIG(with_device, "molt: ", 0);
    CHECK_CONFIG(with_directory, "molt: ", 0);
    CHECK_CONFIG(with_endless_link, "molt: ", 0);
    CHECK_CONFIG(with_huge_file, "molt: warning: /etc/molt.conf: longer than", 1);

    /* Who asks is told. */
    options = "strict";
    CHECK_CONFIG(with_no_file, "molt: ", 0);
    CHECK_CONFIG(with_device, "molt: warning: /etc/molt.conf: not read: no regular file", 1);
    CHECK_CONFIG(with_directory, "molt: warning: /etc/molt.conf: not read: no regular file", 1);
    CHECK_CONFIG(with_endless_link, "molt: warning: /etc/molt.conf: not read: error 40", 1);
    if (geteuid() == 0)
        CHECK_CONFIG(with_forbidden_file,
                     "molt: warning: /etc/molt.conf: not read: permission denied", 1);
    options = "verbose";
    run_child(with_fifo, &end);
    CHECK(ended_well(&end) && lines_with(&end, "molt: ") == 2 &&
          lines_with(&end, "molt: warning: /etc/molt.conf: not read: no regular file") == 1);
    return case_end();
}
