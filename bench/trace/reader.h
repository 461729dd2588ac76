/* reader.h: reads a trace. All but the present chunk of each thread stays in the file, so that the
 * trace does not count in the resident set. What is damaged ends the program: see reader_fail. */
#ifndef BENCH_TRACE_READER_H
#define BENCH_TRACE_READER_H

#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event {
    enum trace_kind kind;
    bool handover;
    uint32_t sequence; /* if handover */
    uint32_t slot;     /* not if TRACE_SPAWN */
    uint32_t thread;   /* if TRACE_SPAWN */
    size_t alignment;  /* 1 unless TRACE_ALIGNED */
    size_t size;       /* 0 if TRACE_FREE */
};

/* A thread's stream and how far it has been read. */
struct reader {
    const struct trace *trace;
    uint32_t thread;
    bool spawned;           /* kept by whoever plays the stream */
    uint32_t first;         /* chunk */
    uint32_t last;          /* chunk */
    uint32_t next;          /* chunk to read */
    uint32_t length;        /* of the present chunk */
    uint32_t at;            /* in the present chunk */
    uint32_t previous_slot; /* of the last event */
    unsigned char bytes[TRACE_CHUNK_BYTES];
};

struct place; /* of a chunk in the file */

struct trace {
    const char *path;
    int file;
    off_t bytes;
    struct trace_mark totals; /* the last mark's */
    struct place *chunks;
    uint32_t chunk_count;
    struct reader *readers; /* one for each thread */
};

/* Opens the file and finds every chunk in it. The totals are plausible then: there are no more
 * threads than chunks, no more slots than events, no more events than bytes. */
void reader_open(struct trace *trace, const char *path);

/* Back to the stream's first event. */
void reader_rewind(struct reader *reader);

/* Reads the next event; false after the last. Slot, thread, alignment and size are in range. */
bool reader_next(struct reader *reader, struct event *event);

/* Says what is wrong with the file, in one line, and ends the program with status 2. */
_Noreturn void reader_fail(const struct trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Memory of zeros that is resident at once. */
void *reader_map(size_t count, size_t size);

#endif
