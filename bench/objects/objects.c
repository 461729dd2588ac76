/* objects.c: figures, arguments and the resident set. */
#include "objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

void *not_null(void *p)
{
    if (p == NULL)
        fail("no memory");
    return p;
}

void figure(double value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("{\"figure\": \"", stdout);
    vprintf(format, arguments);
    printf("\", \"value\": %.3f}\n", value);
    va_end(arguments);
}

size_t argument(int argc, char **argv, int number)
{
    char *end = NULL;
    size_t value = number < argc ? strtoull(argv[number], &end, 10) : 0;
    if (value == 0 || *end != '\0')
        fail("arguments: see the head of its source");
    return value;
}

/* The value of a line "Name:   123 kB", in bytes. Without allocating. */
static size_t read_kb(const char *path, const char *name)
{
    char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = '\0';
    const char *line = strstr(text, name);
    if (line == NULL)
        fail("/proc does not tell the resident set");
    return strtoull(line + strlen(name), NULL, 10) * 1024;
}

size_t resident_bytes(void)
{
    return read_kb("/proc/self/smaps_rollup", "\nRss:");
}

size_t peak_bytes(void)
{
    return read_kb("/proc/self/status", "\nVmHWM:");
}

void peak_reset(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "5", 1) != 1)
        fail("/proc/self/clear_refs cannot be written");
    close(file);
}
