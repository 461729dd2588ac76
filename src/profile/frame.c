/* frame.c: asking the loader which module an address lies in. */
#include "frame.h"

#include "image.h"
#include "module.h"

#include "base/syscall.h"

#include <fcntl.h>
#include <link.h> // dl_iterate_phdr
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct wanted {
    uintptr_t address;
    uintptr_t base; /* of the module */
    const char *path;
};

static int compare(struct dl_phdr_info *module, size_t bytes, void *context)
{
    struct wanted *wanted = context;
    (void)bytes;
    for (unsigned n = 0; n < module->dlpi_phnum; n++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[n];
        if (header->p_type != PT_LOAD ||
            wanted->address - module->dlpi_addr - header->p_vaddr >= header->p_memsz)
            continue;
        wanted->base = module->dlpi_addr;
        wanted->path = module->dlpi_name;
        return 1;
    }
    return 0;
}

/* The program itself has no path in the loader's eyes. */
static const char *program_path(char *buffer)
{
    long length =
        SYSCALL(readlinkat, AT_FDCWD, "/proc/thread-self/exe", buffer, FRAME_PATH_SIZE - 1);
    if (syscall_failed(length))
        return "program";
    buffer[length] = '\0';
    return buffer;
}

static const char *find_path(uintptr_t address, uintptr_t *base)
{
    struct wanted wanted = {.address = address};
    const struct module *module = module_of(address);
    if (module != NULL) {
        *base = module->base + module->shift;
        return module->path;
    }
    const char *path = image_path(address, base);
    if (path != NULL || !dl_iterate_phdr(compare, &wanted))
        return path;
    *base = wanted.base;
    return wanted.path;
}

const char *frame_path(uintptr_t address, uintptr_t *base, char *buffer)
{
    const char *path = find_path(address - 1, base);
    return path != NULL && *path == '\0' ? program_path(buffer) : path;
}

static void append(struct report_line *line, uintptr_t address, const char *path, uintptr_t base)
{
    enum { SHOWN = 400 }; /* of a path: its end, so that there is room for the offset */
    if (path == NULL) {
        report_append(line, "%p", (void *)(address - 1));
        return;
    }
    size_t length = strlen(path);
    report_append(line, "%s+%p", length > SHOWN ? path + length - SHOWN : path,
                  (void *)(address - 1 - base));
}

void frame_append(struct report_line *line, uintptr_t address)
{
    char buffer[FRAME_PATH_SIZE];
    uintptr_t base;
    const char *path = frame_path(address, &base, buffer);
    append(line, address, path, base);
}

void frame_append_unlocked(struct report_line *line, uintptr_t address, char *buffer)
{
    uintptr_t base;
    const char *path = image_path(address - 1, &base);
    append(line, address, path != NULL && *path == '\0' ? program_path(buffer) : path, base);
}
