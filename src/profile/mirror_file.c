/* mirror_file.c: beginning, growing, and the two places for mappings. */
#include "mirror_file.h"

#include "code_map.h"
#include "output.h"
#include "stack.h"

#include "base/attributes.h"
#include "base/options.h" // options.prof_memory
#include "base/syscall.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

enum {
    UNIT = 16,          /* what rows are aligned to */
    ROOM = 128 << 10,   /* for rows: at first, and at least when the file grows */
    PLACE_LEAST = 4096, /* of mappings */
    REST_SHARE = 64,    /* of the time from writing mappings to the next time, what they take */
};

static const char heading[] = "MAPPED_LIBRARIES:\n";
enum { HEADING = sizeof heading - 1 };

static struct {
    char path[OUTPUT_PATH_SIZE];
    dev_t device;
    ino_t inode;
    char *text;                /* NULL: there is no file */
    size_t mapped;             /* bytes of the mapping, which reaches beyond the file's end */
    size_t size;               /* bytes of the file */
    _Atomic(size_t) rows_end;  /* where the next row goes */
    size_t places;             /* where the first place for mappings is, and rows must end */
    size_t place_bytes;        /* of each of the two */
    bool is_second;            /* the mappings are in the second one */
    _Atomic(bool) is_full;     /* the file has failed to grow */
    _Atomic(bool) is_behind;   /* a row has an address that no mapping has */
    uint64_t write_next_at_ns; /* mappings, at the earliest */
} file;

static size_t round_up(size_t bytes)
{
    return (bytes + UNIT - 1) / UNIT * UNIT;
}

/* ---- Mappings ---- */

/* Readers may come, or the process end, between any two stores, so their order matters. */
static void store(char *at, char byte)
{
    *(volatile char *)at = byte;
}

/* The heading appears as a comment, which then becomes the heading. */
static COLD void write_mappings(char *place, size_t bytes)
{
    store(place, '#');
    for (size_t i = 1; i < HEADING; i++)
        store(place + i, heading[i]);
    store(place, heading[0]);
    atomic_signal_fence(memory_order_seq_cst);
    code_map_write(place + HEADING, bytes - HEADING);
}

static COLD void clear_mappings(char *place, size_t bytes)
{
    memset(place + HEADING, '\n', bytes - HEADING);
    atomic_signal_fence(memory_order_seq_cst);
    store(place, '#');
    for (size_t i = HEADING; i-- > 0;)
        store(place + i, '\n');
}

static char *place_in_use(void)
{
    return file.text + file.places + (file.is_second ? file.place_bytes : 0);
}

/* Returns how large a place should be, so that some more libraries fit. */
static size_t place_needed(void)
{
    return round_up(PLACE_LEAST + HEADING + code_map_write(NULL, 0) / 2 * 3);
}

/* ---- Growing ---- */

/* Writes new lines at the file's end. 0, or errno. */
static int append_lines(int fd, size_t bytes)
{
    static char lines[16384];
    memset(lines, '\n', sizeof lines);
    while (bytes > 0) {
        long written =
            SYSCALL(pwrite64, fd, lines, bytes < sizeof lines ? bytes : sizeof lines, file.size);
        if (written == -EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? EIO : (int)-written;
        bytes -= (size_t)written;
        file.size += (size_t)written;
    }
    return 0;
}

/* Opens the file by its name. Negative: -errno; -ESTALE: it has been renamed, removed or cut. */
static int open_again(void)
{
    struct stat status;
    long fd = SYSCALL(openat, AT_FDCWD, file.path,
                      O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd == -ENOENT || fd == -ELOOP)
        return -ESTALE;
    if (syscall_failed(fd))
        return (int)fd;
    if (SYSCALL(fstat, fd, &status) == 0 && status.st_dev == file.device &&
        status.st_ino == file.inode && (size_t)status.st_size == file.size)
        return (int)fd;
    SYSCALL(close, fd);
    return -ESTALE;
}

static int extend(size_t bytes)
{
    if (bytes > file.mapped - file.size)
        return ENOBUFS;
    if (file.size + bytes > os_file_limit())
        return EFBIG;
    int fd = open_again();
    if (fd < 0)
        return -fd;
    int error = append_lines(fd, bytes);
    SYSCALL(close, fd);
    return error;
}

/* Moves the mappings to the file's end; before them is so much more room for rows. */
static COLD bool grow(size_t room)
{
    size_t bytes = place_needed(), places = file.size + room;
    int error = file.is_full ? ENOSPC : extend(room + 2 * bytes);
    if (error != 0) {
        if (!file.is_full)
            output_warn("prof_file", error, file.path);
        file.is_full = true;
        return false;
    }
    write_mappings(file.text + places, bytes);
    clear_mappings(place_in_use(), file.place_bytes);
    file.place_bytes = bytes;
    file.places = places;
    file.is_second = false;
    return true;
}

COLD char *mirror_file_room(size_t bytes)
{
    size_t end = atomic_load_explicit(&file.rows_end, memory_order_relaxed);
    size_t more = file.size / 2 > ROOM ? round_up(file.size / 2) : ROOM;
    if (bytes > file.places - end && !grow(bytes > more ? bytes : more))
        return NULL;
    atomic_store_explicit(&file.rows_end, end + bytes, memory_order_relaxed);
    return file.text + end;
}

bool mirror_file_is_full(void)
{
    return atomic_load_explicit(&file.is_full, memory_order_relaxed);
}

/* ---- Following what is loaded ---- */

static void renew_mappings(uint64_t now_ns)
{
    if (HEADING + code_map_write(NULL, 0) > file.place_bytes) {
        grow(0);
    } else {
        char *old = place_in_use();
        file.is_second = !file.is_second;
        write_mappings(place_in_use(), file.place_bytes);
        clear_mappings(old, file.place_bytes);
    }
    uint64_t end_ns = os_now_ns();
    file.write_next_at_ns = end_ns + REST_SHARE * (end_ns - now_ns);
}

bool mirror_file_is_behind(void)
{
    return atomic_load_explicit(&file.is_behind, memory_order_relaxed);
}

COLD void mirror_file_catch_up(void)
{
    uint64_t now_ns = os_now_ns();
    if (!mirror_file_is_behind() || now_ns < file.write_next_at_ns)
        return;
    atomic_store_explicit(&file.is_behind, false, memory_order_relaxed);
    renew_mappings(now_ns);
}

COLD void mirror_file_follow(const struct stack *stack)
{
    unsigned known = 0;
    while (known < stack->depth && code_map_has(stack->frames[known]))
        known++;
    if (known == stack->depth)
        return;
    atomic_store_explicit(&file.is_behind, true, memory_order_relaxed);
    mirror_file_catch_up();
}

/* ---- Beginning and ending ---- */

static void write_lines(struct output *output, size_t bytes)
{
    static const char lines[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
    for (; bytes >= UNIT - 1; bytes -= UNIT - 1)
        output_write(output, lines, UNIT - 1);
    output_write(output, lines, bytes);
}

/* All of the file is written before it is mapped, and all that it needs is in it before it gets its
 * name. */
static void write_file(struct output *output, const struct output *head)
{
    struct stat status = {0};
    output_write(output, head->buffer, head->length);
    file.place_bytes = place_needed();
    file.places = round_up(head->length) + ROOM;
    file.size = file.places + 2 * file.place_bytes;
    file.rows_end = round_up(head->length);
    write_lines(output, file.size - head->length);
    file.mapped =
        os_round_to_pages(options.prof_memory > file.size ? options.prof_memory : file.size);
    file.text = output_map(output, file.mapped);
    if (file.text == NULL)
        return;
    SYSCALL(fstat, output->file, &status);
    file.device = status.st_dev;
    file.inode = status.st_ino;
    write_mappings(place_in_use(), file.place_bytes);
}

COLD bool mirror_file_begin(const char *path, const struct output *head)
{
    static struct output output;
    static int told;
    file.is_second = false;
    file.write_next_at_ns = 0;
    memcpy(file.path, path, strlen(path) + 1);
    output_open(&output, path);
    if (output.error == 0)
        write_file(&output, head);
    int error = output_close(&output);
    if (error != 0 && error != told)
        output_warn("prof_file", error, file.path);
    told = error;
    if (error != 0)
        mirror_file_end(true);
    return error == 0;
}

COLD void mirror_file_end(bool unmap)
{
    if (unmap && file.text != NULL)
        os_unmap(file.text, file.mapped);
    mirror_file_forget();
}

void mirror_file_forget(void)
{
    file.text = NULL;
    file.rows_end = 0;
    file.is_full = file.is_behind = false;
}

char *mirror_file_text(void)
{
    return file.text;
}

size_t mirror_file_bytes(void)
{
    return atomic_load_explicit(&file.rows_end, memory_order_relaxed);
}
