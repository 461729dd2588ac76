/* suppress.c: comparing patterns with what the loader knows of frames. */
#include "suppress.h"

#include "frame.h"
#include "module.h"
#include "stack.h"

#include "os/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define FILE_BYTES ((size_t)1 << 20)

/* Leaks come from the same frames again and again, and the loader looks for a name for long. */
enum { KNOWN_BITS = 12, KNOWN_BYTES = sizeof(uintptr_t) << KNOWN_BITS };

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
    *suppressions = (struct suppressions){.known = os_map(KNOWN_BYTES)};
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
    if (suppressions->known != NULL)
        os_unmap(suppressions->known, KNOWN_BYTES);
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

/* The function of an address that is told, as far as the loader knows it. */
static const char *function_at(uintptr_t address)
{
    const struct module *module = module_of(address);
    Dl_info info = {.dli_sname = NULL};
    if (module == NULL || module_is_loaded(module))
        dladdr((const void *)(address - (module != NULL ? module->shift : 0)), &info);
    return info.dli_sname;
}

static bool fits_any(const struct suppressions *suppressions, uintptr_t address)
{
    char buffer[FRAME_PATH_SIZE];
    uintptr_t base;
    struct names names = {frame_path(address, &base, buffer), function_at(address - 1)};
    return any_pattern(built_in, fits_frame, &names) ||
           (suppressions->text != NULL && any_pattern(suppressions->text, fits_frame, &names));
}

static bool has_frame(struct suppressions *suppressions, uintptr_t address)
{
    uintptr_t doubled = address << 1, nothing = 0;
    uint64_t hash = (uint64_t)address * UINT64_C(0x9e3779b97f4a7c15);
    uintptr_t *known =
        suppressions->known != NULL ? &suppressions->known[hash >> (64 - KNOWN_BITS)] : &nothing;
    if ((*known | 1) != (doubled | 1))
        *known = doubled | fits_any(suppressions, address);
    return (*known & 1) != 0;
}

bool suppress_has(struct suppressions *suppressions, const struct stack *stack)
{
    for (uint32_t n = 0; n < stack->depth; n++)
        if (has_frame(suppressions, stack->frames[n]))
            return true;
    return false;
}
