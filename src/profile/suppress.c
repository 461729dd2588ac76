/* suppress.c: comparing patterns with what the loader knows of frames. */
#include "suppress.h"

#include "frame.h"
#include "stack.h"

#include "os/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define FILE_BYTES ((size_t)1 << 20)

/* What the loader and libc keep until the end of the process, or lose where a thread ends. */
static const char built_in[] = "leak:*tls_get_addr*\n"
                               "leak:^pthread_exit$\n"
                               "leak:/ld-linux\n"
                               "leak:/ld-musl\n";

/* ---- Patterns ---- */

/* After a * (one stands before every pattern without ^) the rest of the pattern, up to the next *,
 * is looked for further and further on; what stands before the * needs no second look. */
bool suppress_fits(const char *pattern, size_t length, const char *text)
{
    const char *end = pattern + length, *rest = NULL;
    if (length > 0 && *pattern == '^')
        pattern++;
    else
        rest = pattern;
    for (const char *looked = text; pattern < end;) {
        bool is_end = *pattern == '$' && pattern + 1 == end;
        if (*pattern == '*') {
            rest = ++pattern;
            looked = text;
        } else if (is_end && *text == '\0') {
            return true;
        } else if (!is_end && *text != '\0' && *pattern == *text) {
            pattern++;
            text++;
        } else if (rest != NULL && *looked != '\0') {
            pattern = rest;
            text = ++looked;
        } else {
            return false;
        }
    }
    return true;
}

/* Calls `fits` for each pattern of the text until it returns true; whether it did. */
static bool any_pattern(const char *text,
                        bool (*fits)(const char *pattern, size_t length, const void *context),
                        const void *context)
{
    while (*text != '\0') {
        size_t line = strcspn(text, "\n"), length = line;
        const char *start = text;
        text += line + (text[line] == '\n');
        for (; length > 0 && (*start == ' ' || *start == '\t'); start++)
            length--;
        while (length > 0 && (start[length - 1] == ' ' || start[length - 1] == '\r'))
            length--;
        if (length > 5 && strncmp(start, "leak:", 5) == 0 && fits(start + 5, length - 5, context))
            return true;
    }
    return false;
}

/* ---- Files ---- */

int suppress_begin(struct suppressions *suppressions, const char *path)
{
    *suppressions = (struct suppressions){.text = NULL};
    if (path == NULL || *path == '\0')
        return 0;
    suppressions->mapped_bytes = FILE_BYTES;
    suppressions->text = os_map(FILE_BYTES);
    if (suppressions->text == NULL)
        return ENOMEM;
    long length = os_read_file(path, suppressions->text, FILE_BYTES);
    if (length >= 0 && (size_t)length < FILE_BYTES - 1)
        return 0;
    suppressions->text[0] = '\0';
    return length < 0 ? (int)-length : EFBIG;
}

void suppress_end(struct suppressions *suppressions)
{
    if (suppressions->text != NULL)
        os_unmap(suppressions->text, suppressions->mapped_bytes);
}

/* ---- Frames ---- */

struct names {
    const char *path, *function; /* NULL: not known */
};

static bool fits_frame(const char *pattern, size_t length, const void *context)
{
    const struct names *names = context;
    return (names->function != NULL && suppress_fits(pattern, length, names->function)) ||
           (names->path != NULL && suppress_fits(pattern, length, names->path));
}

static bool has_frame(const struct suppressions *suppressions, uintptr_t address)
{
    char buffer[FRAME_PATH_SIZE];
    uintptr_t base;
    Dl_info info = {.dli_sname = NULL};
    dladdr((const void *)(address - 1), &info);
    struct names names = {frame_path(address, &base, buffer), info.dli_sname};
    return any_pattern(built_in, fits_frame, &names) ||
           (suppressions->text != NULL && any_pattern(suppressions->text, fits_frame, &names));
}

bool suppress_has(const struct suppressions *suppressions, const struct stack *stack)
{
    for (uint32_t n = 0; n < stack->depth; n++)
        if (has_frame(suppressions, stack->frames[n]))
            return true;
    return false;
}
