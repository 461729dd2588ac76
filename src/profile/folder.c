/* folder.c: choosing a folder, and sweeping it. */
#include "folder.h"

#include "base/attributes.h"
#include "base/report.h" // report_append
#include "base/syscall.h"
#include "os/os.h"

#include "molt_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Folders ---- */

/* Copies the variable if it is an absolute path; a setuid program does not trust it. */
static bool run_time_directory(char *buffer, size_t size)
{
    if (os_is_secure())
        return false;
    long length = os_environment("XDG_RUNTIME_DIR", buffer, size);
    return length > 0 && length < (long)size && buffer[0] == '/';
}

static int make_path(unsigned number, char path[FOLDER_PATH_SIZE])
{
    static const char *const formats[] = {"/run/user/%u/molt", "/dev/shm/molt-%u", "/tmp/molt-%u"};
    _Static_assert(sizeof formats / sizeof formats[0] == FOLDERS - 1,
                   "and the one of the variable");
    struct report_line line = {.length = 0};
    char directory[FOLDER_PATH_SIZE];
    if (number > 0)
        report_append(&line, formats[number - 1], (unsigned)SYSCALL(geteuid));
    else if (run_time_directory(directory, sizeof directory))
        report_append(&line, "%s/molt", directory);
    else
        return -ENOENT;
    if (line.length >= FOLDER_PATH_SIZE)
        return -ENAMETOOLONG;
    memcpy(path, line.text, line.length);
    path[line.length] = '\0';
    return 0;
}

/* Whether nobody else can put anything there. */
static bool is_private(int folder)
{
    struct stat status;
    return SYSCALL(fstat, folder, &status) == 0 && status.st_uid == (uid_t)SYSCALL(geteuid) &&
           (status.st_mode & 077) == 0;
}

COLD int folder_open(unsigned number, char path[FOLDER_PATH_SIZE])
{
    int error = make_path(number, path);
    if (error != 0)
        return error;
    SYSCALL(mkdirat, AT_FDCWD, path, 0700);
    int folder = os_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (folder < 0 || is_private(folder))
        return folder;
    SYSCALL(close, folder);
    return -EPERM;
}

/* ---- Names ---- */

/* What stands behind a process's number. */
static void append_namespace(struct report_line *line)
{
    uint64_t namespace = os_pid_namespace();
    if (namespace != 0 && namespace != OS_PID_NAMESPACE_FIRST)
        report_append(line, ".%zu", (size_t) namespace);
    line->text[line->length] = '\0';
}

COLD void folder_page_name(unsigned process, char name[FOLDER_NAME_SIZE])
{
    struct report_line line = {.length = 0};
    report_append(&line, "%u", process);
    append_namespace(&line);
    memcpy(name, line.text, line.length + 1);
}

/* Returns the number at the name's beginning, and in *behind what follows it; 0: there is none. */
static unsigned leading_number(const char *name, const char **behind)
{
    uint64_t number = 0;
    for (; *name >= '0' && *name <= '9' && number <= INT32_MAX; name++)
        number = number * 10 + (uint64_t)(*name - '0');
    *behind = name;
    return number <= INT32_MAX ? (unsigned)number : 0;
}

/* ---- Sweeping ---- */

enum { LOOKS_MAX = 64 }; /* pages of running processes that are looked into */

static bool read_head(int folder, const char *name, struct molt_page_head *head)
{
    int file = os_open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return false;
    long length = SYSCALL(read, file, head, sizeof *head);
    SYSCALL(close, file);
    return length == sizeof *head && head->magic == MOLT_PAGE_MAGIC;
}

static bool differ(uint64_t a, uint64_t b)
{
    return a != 0 && b != 0 && a != b;
}

/* Whether the page is not of the process that has its number now. */
static bool is_of_another(int folder, const char *name, unsigned process)
{
    struct molt_page_head head;
    struct os_process now;
    return read_head(folder, name, &head) && os_process_find(process, &now) &&
           (differ(now.start_ticks, head.start_ticks) || differ(now.image, head.image));
}

struct sweep {
    int folder;
    unsigned looks;               /* that are left */
    struct report_line namespace; /* behind the numbers of processes that can be asked about */
};

static void sweep_page(struct sweep *sweep, const char *name)
{
    const char *behind;
    unsigned process = *name == '0' ? 0 : leading_number(name, &behind);
    if (process == 0 || strncmp(behind, sweep->namespace.text, sweep->namespace.length) != 0)
        return;
    behind += sweep->namespace.length;
    bool is_page = *behind == '\0';
    if (!is_page && strcmp(behind, FOLDER_UNFINISHED) != 0)
        return;
    bool is_gone = SYSCALL(kill, process, 0) == -ESRCH;
    if (!is_gone && is_page && sweep->looks > 0) {
        sweep->looks--;
        is_gone = is_of_another(sweep->folder, name, process);
    }
    if (is_gone)
        SYSCALL(unlinkat, sweep->folder, name, 0);
}

static bool sweep_name(const char *name, void *sweep)
{
    sweep_page(sweep, name);
    return true;
}

COLD void folder_sweep(int folder)
{
    struct sweep sweep = {.folder = folder, .looks = LOOKS_MAX};
    append_namespace(&sweep.namespace);
    os_each_name(folder, sweep_name, &sweep);
}
