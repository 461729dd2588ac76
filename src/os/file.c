/* file.c: opening files, reading a regular file at once, and the names in a directory. */
#include "os.h"

#include "base/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Reads until the buffer is full, the file ends or something goes wrong. Returns how many bytes it
 * has read. */
static size_t read_all(int fd, char *buffer, size_t size)
{
    size_t at = 0;
    long got;
    while (at < size && (got = SYSCALL(read, fd, buffer + at, size - at)) != 0) {
        if (got == -EINTR)
            continue;
        if (syscall_failed(got))
            break;
        at += (size_t)got;
    }
    return at;
}

/* O_NONBLOCK: opening a FIFO or a device may wait for ever. */
long os_read_file(const char *path, char *buffer, size_t size)
{
    struct stat status;
    long length = -EINVAL;
    long fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (syscall_failed(fd))
        return fd;
    if (SYSCALL(fstat, fd, &status) == 0 && S_ISREG(status.st_mode)) {
        length = (long)read_all((int)fd, buffer, size - 1);
        buffer[length] = '\0';
    }
    SYSCALL(close, fd);
    return length;
}

int os_open_at(int directory, const char *name, int flags)
{
    long fd;
    do
        fd = SYSCALL(openat, directory, name, flags | O_CLOEXEC, 0600);
    while (fd == -EINTR);
    if (syscall_failed(fd) || fd > 2)
        return (int)fd;
    long higher = SYSCALL(fcntl, fd, F_DUPFD_CLOEXEC, 3);
    SYSCALL(close, fd);
    return (int)higher;
}

/* What getdents64 stores for each name. */
struct entry {
    uint64_t inode, next;
    uint16_t bytes; /* of this entry */
    uint8_t type;
    char name[];
};

bool os_each_name(int directory, bool (*visit)(const char *name, void *context), void *context)
{
    _Alignas(struct entry) char buffer[1024];
    long length;
    while ((length = SYSCALL(getdents64, directory, buffer, sizeof buffer)) > 0) {
        const struct entry *entry;
        for (long at = 0; at < length; at += entry->bytes) {
            entry = (const struct entry *)(buffer + at);
            if (!visit(entry->name, context))
                return false;
        }
    }
    return length == 0;
}
