/* stream.c: see stream.h. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    char path[4096];
    off_t length;           /* of the file: a group that cannot be written is cut off again */
    struct stream *streams; /* the newest first */
    struct stream *running; /* that of the last event */
    struct trace_mark totals;
} recording;

void stream_complain(const char *what, int error)
{
    char line[4200];
    int length = snprintf(line, sizeof line, "libtrace: %s: %s; recording stops\n", what,
                          strerrordesc_np(error));

    if (length > 0)
        syscall(SYS_write, STDERR_FILENO, line, (size_t)length);
}

void *stream_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory != MAP_FAILED)
        return memory;
    stream_complain("mmap", errno);
    return NULL;
}

/* ---- The file: plain system calls, since libc's functions are points of cancellation ---- */

static int file_open(int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, recording.path, O_WRONLY | O_CLOEXEC | flags, 0666);
}

static bool file_write(int file, const void *bytes, size_t length)
{
    const char *from = bytes;

    while (length) {
        long done = syscall(SYS_write, file, from, length);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            from += done;
            length -= (size_t)done;
            recording.length += done;
        }
    }
    return true;
}

static bool write_chunk(int file, uint32_t thread, const void *bytes, uint32_t length)
{
    struct trace_chunk chunk = {thread, length, trace_checksum(thread, length, bytes)};

    return file_write(file, &chunk, sizeof chunk) && file_write(file, bytes, length);
}

static bool write_group(int file)
{
    for (struct stream *stream = recording.streams; stream; stream = stream->next) {
        if (stream->used && !write_chunk(file, stream->thread, stream->bytes, stream->used))
            return false;
        stream->used = 0;
    }
    return write_chunk(file, TRACE_MARK, &recording.totals, sizeof recording.totals);
}

static bool flush(void)
{
    off_t length = recording.length;
    int file = file_open(O_APPEND);
    bool written = file >= 0 && write_group(file);

    if (!written) {
        stream_complain(recording.path, errno);
        if (file >= 0)
            syscall(SYS_ftruncate, file, length);
    }
    if (file >= 0)
        syscall(SYS_close, file);
    return written;
}

bool stream_start(const char *prefix)
{
    struct trace_header header = {TRACE_MAGIC, TRACE_VERSION, 0};
    int length = snprintf(recording.path, sizeof recording.path, "%s.%d", prefix, (int)getpid());

    if (length < 0 || (size_t)length >= sizeof recording.path) {
        stream_complain(prefix, ENAMETOOLONG);
        return false;
    }
    int file = file_open(O_CREAT | O_TRUNC);
    bool written = file >= 0 && file_write(file, &header, sizeof header);
    if (!written)
        stream_complain(recording.path, errno);
    if (file >= 0)
        syscall(SYS_close, file);
    return written;
}

bool stream_finish(void)
{
    recording.totals.complete = 1;
    return flush();
}

/* ---- Events ---- */

static bool make_room(const struct stream *stream)
{
    return stream->used + TRACE_EVENT_BYTES <= TRACE_CHUNK_BYTES || flush();
}

static void put_varint(struct stream *stream, uint64_t value)
{
    stream->used += trace_put_varint(stream->bytes + stream->used, value);
}

static void put_head(struct stream *stream, uint64_t argument, const struct event *event)
{
    put_varint(stream, argument << 4 | (uint64_t)event->kind << 1 | event->handover);
}

struct stream *stream_new(void)
{
    struct stream *stream = stream_map(sizeof *stream);

    if (!stream)
        return NULL;
    stream->next = recording.streams;
    recording.streams = stream;
    return stream;
}

/* A stream's first event: the spawn is in the stream of the thread that has run until now. The two
 * are in the same group, since an empty stream has room. */
static bool begin(struct stream *stream)
{
    static const struct event spawn = {.kind = TRACE_SPAWN};

    if (recording.running && !make_room(recording.running))
        return false;
    stream->thread = (uint32_t)recording.totals.threads++;
    stream->begun = true;
    if (recording.running)
        put_head(recording.running, stream->thread, &spawn);
    return true;
}

bool stream_add(struct stream *stream, const struct event *event, size_t live, uint32_t slots)
{
    if (!(stream->begun ? make_room(stream) : begin(stream)))
        return false;
    put_head(stream, trace_zigzag((int64_t)event->slot - stream->previous_slot), event);
    if (event->handover)
        put_varint(stream, event->sequence);
    if (event->kind == TRACE_ALIGNED)
        put_varint(stream, event->alignment_log2);
    if (event->kind != TRACE_FREE)
        put_varint(stream, event->size);
    stream->previous_slot = event->slot;
    recording.running = stream;
    recording.totals.events++;
    recording.totals.slots = slots;
    recording.totals.live = live;
    if (live > recording.totals.peak_live)
        recording.totals.peak_live = live;
    return true;
}
