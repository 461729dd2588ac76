/* reader.c: see reader.h. */
#include "reader.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_CHUNK UINT32_MAX

struct place {
    off_t offset;  /* of its head */
    uint32_t next; /* of the same thread */
};

void reader_fail(const struct trace *trace, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail(FAIL_FILE, "%s: %s", trace->path, text);
}

static void *map_lazily(size_t bytes, int flags)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (memory == MAP_FAILED)
        fail(FAIL_FILE, "cannot map %zu bytes: %s", bytes, strerror(errno));
    return memory;
}

void *reader_map(size_t count, size_t size)
{
    return map_lazily(count * size + 1, MAP_POPULATE);
}

/* ---- The file ---- */

static bool read_at(const struct trace *trace, off_t offset, void *bytes, size_t length)
{
    char *to = bytes;

    while (length) {
        ssize_t done = pread(trace->file, to, length, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            reader_fail(trace, "cannot read: %s", strerror(errno));
        if (!done)
            return false;
        to += done;
        offset += done;
        length -= (size_t)done;
    }
    return true;
}

static void read_header(const struct trace *trace)
{
    struct trace_header header;

    if (!read_at(trace, 0, &header, sizeof header) ||
        memcmp(header.magic, TRACE_MAGIC, sizeof header.magic) != 0)
        reader_fail(trace, "not a trace");
    if (header.version != TRACE_VERSION || header.unused)
        reader_fail(trace, "a trace of version %u, not %u", header.version, TRACE_VERSION);
}

static struct trace_chunk read_head(const struct trace *trace, off_t offset)
{
    struct trace_chunk chunk;

    if (!read_at(trace, offset, &chunk, sizeof chunk))
        reader_fail(trace, "truncated at byte %lld", (long long)trace->bytes);
    if (!chunk.length || chunk.length > TRACE_CHUNK_BYTES)
        reader_fail(trace, "damaged at byte %lld: a chunk's length", (long long)offset);
    return chunk;
}

/* Reads a chunk's bytes; returns its length. */
static uint32_t read_chunk(const struct trace *trace, off_t offset, unsigned char *bytes)
{
    struct trace_chunk chunk = read_head(trace, offset);

    if (!read_at(trace, offset + (off_t)sizeof chunk, bytes, chunk.length))
        reader_fail(trace, "truncated at byte %lld", (long long)trace->bytes);
    if (trace_checksum(chunk.thread, chunk.length, bytes) != chunk.checksum)
        reader_fail(trace, "damaged at byte %lld: a chunk's checksum", (long long)offset);
    return chunk.length;
}

static void read_totals(struct trace *trace, off_t offset)
{
    unsigned char bytes[TRACE_CHUNK_BYTES];
    struct trace_mark *totals = &trace->totals;

    if (!offset)
        reader_fail(trace, "truncated at byte %lld", (long long)trace->bytes);
    if (read_chunk(trace, offset, bytes) != sizeof *totals)
        reader_fail(trace, "damaged at byte %lld: a mark's length", (long long)offset);
    memcpy(totals, bytes, sizeof *totals);
    if (totals->threads > trace->chunk_count || totals->threads > TRACE_THREADS_MAX ||
        totals->events > (uint64_t)trace->bytes || totals->slots > totals->events ||
        totals->slots > TRACE_SLOTS_MAX || totals->live > totals->peak_live || totals->complete > 1)
        reader_fail(trace, "damaged at byte %lld: a mark's totals", (long long)offset);
}

/* Finds all chunks but marks, and the last mark, which must be exactly at the end. */
static void find_chunks(struct trace *trace, uint32_t *threads)
{
    off_t last_mark = 0;

    for (off_t offset = sizeof(struct trace_header); offset < trace->bytes;) {
        struct trace_chunk chunk = read_head(trace, offset);
        off_t end = offset + (off_t)sizeof chunk + chunk.length;
        if (chunk.thread == TRACE_MARK) {
            last_mark = end == trace->bytes ? offset : 0;
        } else {
            threads[trace->chunk_count] = chunk.thread;
            trace->chunks[trace->chunk_count++] = (struct place){offset, NO_CHUNK};
        }
        offset = end;
    }
    read_totals(trace, last_mark);
}

static void append_chunk(struct reader *reader, struct place *chunks, uint32_t chunk)
{
    if (reader->first == NO_CHUNK)
        reader->first = chunk;
    else
        chunks[reader->last].next = chunk;
    reader->last = chunk;
}

static void make_readers(struct trace *trace, const uint32_t *threads)
{
    trace->readers = reader_map(trace->totals.threads, sizeof *trace->readers);
    for (uint32_t i = 0; i < trace->totals.threads; i++) {
        trace->readers[i].trace = trace;
        trace->readers[i].thread = i;
        trace->readers[i].first = NO_CHUNK;
    }
    for (uint32_t chunk = 0; chunk < trace->chunk_count; chunk++) {
        if (threads[chunk] >= trace->totals.threads)
            reader_fail(trace, "damaged: thread %u of %ju", threads[chunk],
                        (uintmax_t)trace->totals.threads);
        append_chunk(&trace->readers[threads[chunk]], trace->chunks, chunk);
    }
    for (uint32_t i = 0; i < trace->totals.threads; i++) {
        if (trace->readers[i].first == NO_CHUNK)
            reader_fail(trace, "damaged: thread %u has no events", i);
        reader_rewind(&trace->readers[i]);
    }
}

void reader_open(struct trace *trace, const char *path)
{
    struct stat status;

    *trace = (struct trace){.path = path, .file = open(path, O_RDONLY | O_CLOEXEC)};
    if (trace->file < 0 || fstat(trace->file, &status))
        reader_fail(trace, "%s", strerror(errno));
    trace->bytes = status.st_size;
    read_header(trace);

    size_t chunks_max = (size_t)trace->bytes / sizeof(struct trace_chunk);
    if (chunks_max >= NO_CHUNK)
        reader_fail(trace, "too long");
    uint32_t *threads = map_lazily(chunks_max * sizeof *threads + 1, MAP_NORESERVE);
    trace->chunks = map_lazily(chunks_max * sizeof *trace->chunks + 1, MAP_NORESERVE);
    find_chunks(trace, threads);
    make_readers(trace, threads);
    munmap(threads, chunks_max * sizeof *threads + 1);
}

/* ---- Events ---- */

void reader_rewind(struct reader *reader)
{
    reader->spawned = false;
    reader->next = reader->first;
    reader->length = reader->at = 0;
    reader->previous_slot = 0;
}

static _Noreturn void fail_here(const struct reader *reader, const char *what)
{
    reader_fail(reader->trace, "damaged: thread %u: %s", reader->thread, what);
}

static uint64_t next_varint(struct reader *reader)
{
    uint64_t value;
    uint32_t length =
        trace_get_varint(reader->bytes + reader->at, reader->length - reader->at, &value);

    if (!length)
        fail_here(reader, "no number where one should be");
    reader->at += length;
    return value;
}

static void next_spawn(struct reader *reader, struct event *event, uint64_t thread)
{
    if (thread >= reader->trace->totals.threads || event->handover)
        fail_here(reader, "a spawn of no thread");
    event->thread = (uint32_t)thread;
}

static void next_slot(struct reader *reader, struct event *event, uint64_t argument)
{
    uint64_t slot = reader->previous_slot + (uint64_t)trace_unzigzag(argument);

    if (slot >= reader->trace->totals.slots)
        fail_here(reader, "a slot out of range");
    reader->previous_slot = event->slot = (uint32_t)slot;
    if (event->handover) {
        uint64_t sequence = next_varint(reader);
        if (!sequence || sequence > UINT32_MAX)
            fail_here(reader, "a sequence out of range");
        event->sequence = (uint32_t)sequence;
    }
}

static void next_size(struct reader *reader, struct event *event)
{
    if (event->kind == TRACE_ALIGNED) {
        uint64_t bits = next_varint(reader);
        if (bits < 3 || bits >= TRACE_ALIGNMENT_BITS)
            fail_here(reader, "an alignment out of range");
        event->alignment = (size_t)1 << bits;
    }
    event->size = next_varint(reader);
    if (event->size > reader->trace->totals.peak_live)
        fail_here(reader, "a size out of range");
}

bool reader_next(struct reader *reader, struct event *event)
{
    if (reader->at == reader->length) {
        if (reader->next == NO_CHUNK)
            return false;
        const struct place *chunk = &reader->trace->chunks[reader->next];
        reader->length = read_chunk(reader->trace, chunk->offset, reader->bytes);
        reader->at = 0;
        reader->next = chunk->next;
    }
    uint64_t head = next_varint(reader);
    *event = (struct event){
        .kind = (enum trace_kind)(head >> 1 & 7), .handover = head & 1, .alignment = 1};
    if (event->kind >= TRACE_KINDS)
        fail_here(reader, "an event of no kind");
    if (event->kind == TRACE_SPAWN) {
        next_spawn(reader, event, head >> 4);
        return true;
    }
    next_slot(reader, event, head >> 4);
    if (event->kind != TRACE_FREE)
        next_size(reader, event);
    return true;
}
