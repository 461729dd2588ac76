/* report.c: a printf of six conversions, and the two ways a message leaves the process. */
#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        case 'z': /* %zu */
            format++;
            append_number(line, va_arg(arguments, size_t), 10);
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

int report_write(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

int report_write_line(int fd, struct report_line *line)
{
    if (line->length == sizeof line->text)
        line->length--;
    append_text(line, "\n", 1);
    return report_write(fd, line->text, line->length);
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
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    struct report_line line = begin_line("warning", format, arguments);
    va_end(arguments);
    report_write_line(STDERR_FILENO, &line);
    errno = saved;
}

void report_begin_fatal(const char *format, va_list arguments)
{
    struct report_line line = begin_line("error", format, arguments);
    report_write(STDERR_FILENO, line.text, line.length);
}

void report_end_fatal(struct report_line *rest)
{
    report_write_line(STDERR_FILENO, rest);
    abort();
}

void report_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct report_line line = begin_line("error", format, arguments);
    va_end(arguments);
    report_end_fatal(&line);
}
