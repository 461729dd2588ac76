/* mappings.h: the memory mappings of the process, as the kernel lists them. */
#ifndef OS_MAPPINGS_H
#define OS_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uintptr_t start, end;
    uintptr_t offset; /* in its file */
    bool is_readable, is_writable, is_executable;
    const char *name; /* path, "[stack]" … or ""; a long one is cut. Valid during the visit */
    const char *line; /* the kernel's whole line, likewise */
};

/* Text that has been read and not yet passed on. */
struct mappings_reader {
    long fd;
    size_t length;
    bool has_ended, has_failed;
    char text[4096];
};

/* Calls `visit` for each mapping in the order of addresses until it returns false. False if
 * /proc does not tell them all. Takes no lock and does not allocate; of mappings that are made or
 * go meanwhile some may be missed. */
bool mappings_visit(bool (*visit)(const struct mapping *mapping, void *context), void *context);

/* The same where there is little room on the stack. */
bool mappings_read(struct mappings_reader *reader,
                   bool (*visit)(const struct mapping *mapping, void *context), void *context);

#endif
