/* output.c: the temporary file, the buffer before it, and the end of both. */
#include "output.h"

#include "base/syscall.h"
#include "os/os.h" // os_process_id, os_now_ns, os_map_file

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static void note_error(struct output *output, long result)
{
    if (output->error == 0)
        output->error = (int)-result;
}

/* ---- Opening ---- */

/* Splits the path where its last slash stands. */
static void set_path(struct output *output, const char *path)
{
    size_t length = strlen(path);
    if (length >= sizeof output->path - 2) {
        note_error(output, -ENAMETOOLONG);
        return;
    }
    const char *slash = strrchr(path, '/');
    const char *directory = slash == NULL ? "." : slash == path ? "/" : path;
    size_t directory_length = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    const char *name = slash == NULL ? path : slash + 1;
    memcpy(output->path, directory, directory_length);
    output->path[directory_length] = '\0';
    output->name = memcpy(output->path + directory_length + 1, name, strlen(name) + 1);
    if (*name == '\0')
        note_error(output, length == 0 ? -ENOENT : -EISDIR);
}

/* The name must be free, or that of a file, which may be replaced. */
static void check_name(struct output *output)
{
    struct stat status;
    long result =
        SYSCALL(newfstatat, output->directory, output->name, &status, AT_SYMLINK_NOFOLLOW);
    if (result == 0 && !S_ISREG(status.st_mode))
        note_error(output, -EEXIST);
    else if (syscall_failed(result) && result != -ENOENT)
        note_error(output, result);
}

/* Another process that shares the directory may have the same number in a container of its own:
 * then the next names are tried. */
static void create_temporary(struct output *output)
{
    enum { TRIES = 100 };
    uint64_t key = os_now_ns();
    for (unsigned i = 0; i < TRIES; i++) {
        struct report_line name = {.length = 0};
        report_append(&name, ".molt-%u-%zu", output->process, (size_t)(key + i));
        memcpy(output->temporary, name.text, name.length);
        output->temporary[name.length] = '\0';
        output->file = os_open_at(output->directory, output->temporary, O_RDWR | O_CREAT | O_EXCL);
        if (output->file != -EEXIST)
            break;
    }
    if (output->file < 0)
        note_error(output, output->file);
}

void output_open(struct output *output, const char *path)
{
    output->length = 0;
    output->written = 0;
    output->limit = os_file_limit(); /* a write beyond it would end the process by SIGXFSZ */
    output->directory = output->file = -1;
    output->process = os_process_id();
    output->error = 0;
    set_path(output, path);
    if (output->error != 0)
        return;
    output->directory = os_open_at(AT_FDCWD, output->path, O_PATH | O_DIRECTORY);
    if (output->directory < 0)
        note_error(output, output->directory);
    else
        check_name(output);
    if (output->error == 0)
        create_temporary(output);
}

/* ---- Writing ---- */

/* Writes bytes, at most as many as there is room for below the limit. */
static long write_some(struct output *output, const char *text, size_t length)
{
    uint64_t room = output->limit - output->written;
    if (room == 0)
        return -EFBIG;
    return SYSCALL(write, output->file, text, length < room ? length : (size_t)room);
}

static void flush(struct output *output)
{
    const char *text = output->buffer;
    if (output->error == 0 && os_process_id() != output->process)
        note_error(output, -EINTR); /* a handler that interrupted this has forked */
    while (output->length > 0 && output->error == 0) {
        long written = write_some(output, text, output->length);
        if (written == -EINTR)
            continue;
        if (written <= 0) {
            note_error(output, written == 0 ? -EIO : written);
            break;
        }
        text += written;
        output->length -= (size_t)written;
        output->written += (uint64_t)written;
    }
    output->length = 0;
}

void output_write(struct output *output, const char *text, size_t length)
{
    while (length > 0) {
        if (output->length == sizeof output->buffer)
            flush(output);
        size_t room = sizeof output->buffer - output->length;
        size_t bytes = length < room ? length : room;
        memcpy(output->buffer + output->length, text, bytes);
        output->length += bytes;
        text += bytes;
        length -= bytes;
    }
}

void output_line(struct output *output, struct report_line *line)
{
    output_write(output, line->text, line->length);
    line->length = 0;
}

char *output_map(struct output *output, size_t bytes)
{
    flush(output);
    char *mapping = output->error == 0 ? os_map_file_unforked(output->file, bytes) : NULL;
    if (mapping == NULL)
        note_error(output, -ENOMEM);
    return mapping;
}

/* ---- The end ---- */

static void close_file(struct output *output)
{
    if (output->file < 0)
        return;
    long result = SYSCALL(close, output->file); /* some file systems write only now */
    if (syscall_failed(result) && result != -EINTR)
        note_error(output, result);
}

static void name_file(struct output *output)
{
    long result =
        SYSCALL(renameat, output->directory, output->temporary, output->directory, output->name);
    if (syscall_failed(result))
        note_error(output, result);
}

int output_close(struct output *output)
{
    flush(output);
    close_file(output);
    if (output->error == 0)
        name_file(output);
    if (output->error != 0 && output->file >= 0 && os_process_id() == output->process)
        SYSCALL(unlinkat, output->directory, output->temporary, 0);
    if (output->directory >= 0)
        SYSCALL(close, output->directory);
    return output->error;
}

/* Words for the error; NULL: only its number is known. */
static const char *error_text(int error)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        {ENOSPC, "no space left on the device"},
        {EDQUOT, "the disk quota is used up"},
        {EFBIG, "the file would become larger than allowed"},
        {EROFS, "the file system is read-only"},
        {EACCES, "permission denied"},
        {EPERM, "not permitted"},
        {ENOENT, "no such directory"},
        {ENOTDIR, "no such directory"},
        {EISDIR, "the name is that of a directory"},
        {EEXIST, "the name is that of something else than a file"},
        {ENAMETOOLONG, "the name is too long"},
        {ELOOP, "too many symbolic links"},
        {EMFILE, "too many open files"},
        {ENFILE, "too many open files in the system"},
        {ENOMEM, "the system has no memory"},
        {EIO, "input/output error"},
        {EBADF, "its descriptor was closed"},
        {ESTALE, "the file has been renamed, removed or cut"},
        {ENOBUFS, "prof_memory allows no more"}, /* which a file in memory counts against */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].error == error)
            return texts[i].text;
    return NULL;
}

void output_warn(const char *what, int error, const char *path)
{
    const char *text = error_text(error);
    if (text != NULL)
        report_warning("%s: %s: %s", what, text, path);
    else
        report_warning("%s: error %d: %s", what, error, path);
}
