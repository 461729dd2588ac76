/* place.c: the directory, the pattern, and what is added to it. */
#include "place.h"

#include "pattern.h"

#include "base/attributes.h"
#include "base/report.h"
#include "base/syscall.h"
#include "os/os.h" // os_process_id

#include <string.h>

static struct {
    char directory[OUTPUT_PATH_SIZE]; /* where the process worked; "": not known */
    char program[PATTERN_PROGRAM_SIZE];
    unsigned process; /* 0: nothing is noted yet */
} noted;

/* Where no path leads to the directory, because it lies outside of the process's root, what the
 * kernel says does not begin with a slash: relative names stay relative then. */
COLD void place_note(void)
{
    if (noted.process != 0)
        return;
    noted.process = os_process_id();
    pattern_program(noted.program);
    if (syscall_failed(SYSCALL(getcwd, noted.directory, sizeof noted.directory)))
        noted.directory[0] = '\0';
}

const char *place_program(void)
{
    return noted.program;
}

static COLD bool append(char *path, size_t *length, const char *text)
{
    size_t bytes = strlen(text);
    if (bytes >= OUTPUT_PATH_SIZE - *length)
        return false;
    memcpy(path + *length, text, bytes + 1);
    *length += bytes;
    return true;
}

static bool append_directory(char *path, size_t *length, const char *pattern)
{
    bool is_relative = pattern[0] != '/' && noted.directory[0] == '/';
    return !is_relative || (append(path, length, noted.directory) && append(path, length, "/"));
}

static bool append_pattern(char *path, size_t *length, const char *pattern, unsigned number)
{
    struct pattern_values values = {noted.program, os_process_id(), number};
    long bytes = pattern_expand(pattern, &values, path + *length, OUTPUT_PATH_SIZE - *length);
    if (bytes < 0)
        return false;
    *length += (size_t)bytes;
    return true;
}

static bool append_process(char *path, size_t *length, const char *pattern)
{
    struct report_line suffix = {.length = 0};
    unsigned process = os_process_id();
    if (process == noted.process || pattern_has(pattern, 'p'))
        return true;
    report_append(&suffix, ".%u", process);
    suffix.text[suffix.length] = '\0';
    return append(path, length, suffix.text);
}

/* The option may be set meanwhile, and the pattern is read several times: so it is copied. */
static COLD void begin_next(struct place_series *series, const char *const *option)
{
    const char *pattern = __atomic_load_n(option, __ATOMIC_ACQUIRE);
    unsigned process = os_process_id();
    series->number = process == series->process ? series->number + 1 : 1;
    series->process = process;
    memcpy(series->pattern, pattern, strlen(pattern) + 1);
}

COLD bool place_next(struct place_series *series, const char *const *option, const char *suffix,
                     char path[OUTPUT_PATH_SIZE])
{
    size_t length = 0;
    begin_next(series, option);
    return append_directory(path, &length, series->pattern) &&
           append_pattern(path, &length, series->pattern, series->number) &&
           append_process(path, &length, series->pattern) && append(path, &length, suffix);
}
