/* mappings.c: reading /proc/self/maps line by line. */
#include "mappings.h"

#include "base/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void read_on(struct mappings_reader *reader)
{
    long got;
    do {
        got = SYSCALL(read, reader->fd, reader->text + reader->length,
                      sizeof reader->text - reader->length);
    } while (got == -EINTR);
    reader->has_failed |= syscall_failed(got);
    reader->has_ended |= got <= 0;
    reader->length += got > 0 ? (size_t)got : 0;
}

/* Drops what stands before the rest. */
static void keep_rest(struct mappings_reader *reader, size_t from)
{
    memmove(reader->text, reader->text + from, reader->length - from);
    reader->length -= from;
}

/* Drops the rest of a line that is longer than the buffer. */
static void skip_line(struct mappings_reader *reader)
{
    const char *end;
    while ((end = memchr(reader->text, '\n', reader->length)) == NULL && !reader->has_ended) {
        reader->length = 0;
        read_on(reader);
    }
    keep_rest(reader, end != NULL ? (size_t)(end + 1 - reader->text) : reader->length);
}

static uintptr_t read_hex(const char **text)
{
    uintptr_t value = 0;
    for (;; ++*text) {
        char digit = **text;
        if (digit >= '0' && digit <= '9')
            value = value * 16 + (uintptr_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = value * 16 + (uintptr_t)(digit - 'a') + 10;
        else
            return value;
    }
}

/* "start-end rwxp offset device inode   name" */
static struct mapping parse(const char *line)
{
    struct mapping mapping = {.line = line};
    mapping.start = read_hex(&line);
    line += *line == '-';
    mapping.end = read_hex(&line);
    if (strlen(line) < 6)
        return (struct mapping){.name = "", .line = ""};
    mapping.is_readable = line[1] == 'r';
    mapping.is_writable = line[2] == 'w';
    mapping.is_executable = line[3] == 'x';
    line += 6;
    mapping.offset = read_hex(&line);
    for (int fields = 0; fields < 3; fields++) { /* to behind the inode's number */
        while (*line == ' ')
            line++;
        while (fields < 2 && *line != ' ' && *line != '\0')
            line++;
    }
    mapping.name = line;
    return mapping;
}

static bool visit_lines(struct mappings_reader *reader,
                        bool (*visit)(const struct mapping *, void *), void *context)
{
    bool goes_on = true;
    while (goes_on) {
        char *end = memchr(reader->text, '\n', reader->length);
        bool is_cut = end == NULL && reader->length == sizeof reader->text;
        if (end == NULL && !is_cut) {
            if (reader->has_ended)
                return !reader->has_failed;
            read_on(reader);
            continue;
        }
        if (is_cut)
            end = reader->text + sizeof reader->text - 1;
        *end = '\0';
        struct mapping mapping = parse(reader->text);
        goes_on = visit(&mapping, context);
        keep_rest(reader, (size_t)(end + 1 - reader->text));
        if (is_cut)
            skip_line(reader);
    }
    return true;
}

/* What /proc/self tells is empty once the first thread has ended. */
static long open_mappings(void)
{
    long fd = SYSCALL(openat, AT_FDCWD, "/proc/thread-self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (syscall_failed(fd))
        fd = SYSCALL(openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    return fd;
}

bool mappings_read(struct mappings_reader *reader,
                   bool (*visit)(const struct mapping *mapping, void *context), void *context)
{
    reader->fd = open_mappings();
    reader->length = 0;
    reader->has_ended = reader->has_failed = false;
    if (syscall_failed(reader->fd))
        return false;
    bool is_done = visit_lines(reader, visit, context);
    SYSCALL(close, reader->fd);
    return is_done;
}

bool mappings_visit(bool (*visit)(const struct mapping *mapping, void *context), void *context)
{
    struct mappings_reader reader;
    return mappings_read(&reader, visit, context);
}
