/* pattern.c: filling in a pattern, and what the program is called. */
#include "pattern.h"

#include "base/report.h" // report_append
#include "base/syscall.h"

#include <errno.h>
#include <fcntl.h> // AT_FDCWD
#include <string.h>
#include <sys/prctl.h>

static void append_value(struct report_line *line, char kind, const struct pattern_values *values)
{
    switch (kind) {
    case 'p':
        report_append(line, "%u", values->process);
        break;
    case 'n':
        report_append(line, "%u", values->number);
        break;
    case 'e':
        report_append(line, "%s", values->program);
        break;
    case '%':
        report_append(line, "%%");
        break;
    default:
        break;
    }
}

long pattern_expand(const char *pattern, const struct pattern_values *values, char *out,
                    size_t size)
{
    size_t length = 0;
    while (*pattern != '\0') {
        struct report_line value = {.length = 0};
        if (*pattern == '%')
            append_value(&value, pattern[1], values);
        bool is_value = value.length > 0;
        const char *text = is_value ? value.text : pattern;
        size_t bytes = is_value ? value.length : 1;
        if (bytes >= size - length)
            return -ENAMETOOLONG;
        memcpy(out + length, text, bytes);
        length += bytes;
        pattern += is_value ? 2 : 1;
    }
    out[length] = '\0';
    return (long)length;
}

bool pattern_has(const char *pattern, char kind)
{
    for (; (pattern = strchr(pattern, '%')) != NULL && pattern[1] != '\0'; pattern += 2)
        if (pattern[1] == kind)
            return true;
    return false;
}

/* ---- The program's name ---- */

static bool may_stand_in_name(unsigned char byte)
{
    return byte > ' ' && byte != 0x7f && byte != '/';
}

/* Returns where a name that does not fit is cut: before the UTF-8 character that does not. */
static size_t cut_at(const char *name, size_t length)
{
    while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
        length--;
    return length;
}

void pattern_clean_program(const char *name, char out[PATTERN_PROGRAM_SIZE])
{
    size_t length = strlen(name);
    if (length >= PATTERN_PROGRAM_SIZE)
        length = cut_at(name, PATTERN_PROGRAM_SIZE - 1);
    for (size_t i = 0; i < length; i++)
        out[i] = may_stand_in_name((unsigned char)name[i]) ? name[i] : '_';
    out[length] = '\0';
}

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t bytes = strlen(end);
    return length >= bytes && memcmp(text + length - bytes, end, bytes) == 0;
}

/* Writes the path of the program's file; false where /proc does not tell. */
static bool read_executable(char *path, size_t size)
{
    static const char deleted[] = " (deleted)"; /* what the kernel adds when the file is gone */
    long length = SYSCALL(readlinkat, AT_FDCWD, "/proc/thread-self/exe", path, size - 1);
    if (syscall_failed(length))
        return false;
    if (ends_with(path, (size_t)length, deleted))
        length -= (long)sizeof deleted - 1;
    path[length] = '\0';
    return true;
}

void pattern_program(char out[PATTERN_PROGRAM_SIZE])
{
    char path[1024], thread[16] = "";
    if (read_executable(path, sizeof path)) {
        const char *slash = strrchr(path, '/');
        pattern_clean_program(slash != NULL ? slash + 1 : path, out);
    } else {
        SYSCALL(prctl, PR_GET_NAME, thread);
        pattern_clean_program(thread, out);
    }
}
