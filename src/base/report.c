/* report.c: a printf of six conversions, where its lines may go, and the end that some of them
 * announce. */
#include "report.h"

#include "syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h> // STDERR_FILENO

static void append_text(struct report_line *line, const char *text, size_t length)
{
    size_t room = sizeof line->text - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void append_number(struct report_line *line, uintmax_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    append_text(line, digits + at, sizeof digits - at);
}

static void append_signed(struct report_line *line, int value)
{
    if (value < 0)
        append_text(line, "-", 1);
    append_number(line, value < 0 ? (uintmax_t)(-(intmax_t)value) : (uintmax_t)value, 10);
}

static void append_arguments(struct report_line *line, const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            append_text(line, format, 1);
            continue;
        }
        switch (*++format) {
        case 's': {
            const char *text = va_arg(arguments, const char *);
            append_text(line, text, strlen(text));
            break;
        }
        case 'd':
            append_signed(line, va_arg(arguments, int));
            break;
        case 'u':
            append_number(line, va_arg(arguments, unsigned), 10);
            break;
        case 'z': /* %zu, %zx */
            append_number(line, va_arg(arguments, size_t), *++format == 'x' ? 16 : 10);
            break;
        case 'p':
            append_text(line, "0x", 2);
            append_number(line, (uintptr_t)va_arg(arguments, void *), 16);
            break;
        default:
            append_text(line, format, 1);
            break;
        }
    }
}

void report_append(struct report_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_arguments(line, format, arguments);
    va_end(arguments);
}

/* Writes all bytes. 0, or -errno. */
static long write_bytes(int fd, const char *text, size_t length)
{
    while (length > 0) {
        long written = SYSCALL(write, fd, text, length);
        if (written == -EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? -EIO : written;
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

static void end_line(struct report_line *line)
{
    if (line->length == sizeof line->text)
        line->length--;
    append_text(line, "\n", 1);
}

int report_write(int fd, const char *text, size_t length)
{
    long result = write_bytes(fd, text, length);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

int report_write_line(int fd, struct report_line *line)
{
    end_line(line);
    return report_write(fd, line->text, line->length);
}

/* ---- Standard error ---- */

/* The file that descriptor 2 was when the process started. */
static struct {
    dev_t device;
    ino_t inode;
    bool is_open;
} at_start;

static bool read_status(int fd, struct stat *status)
{
    return SYSCALL(fstat, fd, status) == 0;
}

void report_init(void)
{
    struct stat status;
    at_start.is_open = read_status(STDERR_FILENO, &status);
    if (at_start.is_open) {
        at_start.device = status.st_dev;
        at_start.inode = status.st_ino;
    }
}

static bool is_as_at_start(const struct stat *status)
{
    return at_start.is_open && status->st_dev == at_start.device &&
           status->st_ino == at_start.inode;
}

int report_stderr(void)
{
    struct stat status;
    return read_status(STDERR_FILENO, &status) && is_as_at_start(&status) ? STDERR_FILENO : -1;
}

/* Whether the descriptor is that of a log: a file that is only ever appended to. */
static bool is_log(int fd)
{
    long flags = SYSCALL(fcntl, fd, F_GETFL);
    return !syscall_failed(flags) && (flags & O_APPEND) != 0 && (flags & O_ACCMODE) == O_WRONLY;
}

/* Returns where the line goes that says why the program is stopped: descriptor 2, unless it is
 * closed or may be a file of data by now; then the terminal, if there is one. */
static int error_descriptor(void)
{
    struct stat status;
    if (read_status(STDERR_FILENO, &status) &&
        (is_as_at_start(&status) || S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) ||
         (S_ISREG(status.st_mode) && is_log(STDERR_FILENO))))
        return STDERR_FILENO;
    return (int)SYSCALL(openat, AT_FDCWD, "/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC, 0);
}

static struct report_line begin_line(const char *kind, const char *format, va_list arguments)
{
    struct report_line line = {.length = 0};
    report_append(&line, "molt: %s: ", kind);
    append_arguments(&line, format, arguments);
    return line;
}

void report_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct report_line line = begin_line("warning", format, arguments);
    va_end(arguments);
    end_line(&line);
    write_bytes(report_stderr(), line.text, line.length);
}

/* ---- The end ---- */

static void raise_abort(void)
{
    SYSCALL(tgkill, SYSCALL(getpid), SYSCALL(gettid), SIGABRT);
}

/* Does what abort(3) does: a handler of the program runs; if it returns, or there is none, the
 * default action comes, with a core file where the system writes one. */
static _Noreturn void report_stop(void)
{
    const uint64_t only_abort = UINT64_C(1) << (SIGABRT - 1);
    /* The kernel's struct sigaction: handler (SIG_DFL), flags, restorer, mask. */
    const uint64_t by_default[4] = {0};
    SYSCALL(rt_sigprocmask, SIG_UNBLOCK, &only_abort, NULL, sizeof only_abort);
    raise_abort();
    SYSCALL(rt_sigaction, SIGABRT, by_default, NULL, sizeof only_abort);
    raise_abort();
    __builtin_trap();
}

void report_begin_fatal(const char *format, va_list arguments)
{
    struct report_line line = begin_line("error", format, arguments);
    write_bytes(error_descriptor(), line.text, line.length);
}

/* Whatever goes wrong after the line, the line is there. */
static _Noreturn void end_fatal(struct report_line *line, const void *block, const void *before)
{
    int fd = error_descriptor();
    end_line(line);
    write_bytes(fd, line->text, line->length);
    report_hooks.after_error(fd, block, before);
    report_stop();
}

void report_end_fatal(const void *block, struct report_line *rest)
{
    end_fatal(rest, block, NULL);
}

void report_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct report_line line = begin_line("error", format, arguments);
    va_end(arguments);
    end_fatal(&line, NULL, NULL);
}

void report_fatal_about(const void *block, const void *before, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct report_line line = begin_line("error", format, arguments);
    va_end(arguments);
    end_fatal(&line, block, before);
}
