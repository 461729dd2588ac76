/* stream.h: the recorder's threads and the file that their events go to. Everything here is called
 * with the recorder's lock held. Nothing allocates by malloc, and nothing is a point where a thread
 * can be cancelled.
 *
 * When one stream's buffer is full, all are written, with a mark: the file is a consistent cut
 * after each time. The file is open only meanwhile, because programs close descriptors that they do
 * not know. */
#ifndef BENCH_TRACE_STREAM_H
#define BENCH_TRACE_STREAM_H

#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    struct stream *next;
    bool begun; /* has had an event; only then it has a number */
    uint32_t thread;
    uint32_t previous_slot; /* of the last event */
    uint32_t free_slots;    /* slots.c: the list of those that this thread uses next */
    uint32_t used;          /* of bytes */
    unsigned char bytes[TRACE_CHUNK_BYTES];
};

struct event {
    enum trace_kind kind;
    bool handover;
    uint32_t sequence; /* if handover */
    uint32_t slot;
    uint32_t alignment_log2;
    size_t size;
};

/* Begins the file. False if that fails; as below, the reason has been written to standard error. */
bool stream_start(const char *prefix);

/* A stream for a thread that has its first event; NULL if there is no memory. */
struct stream *stream_new(void);

/* Adds an event; `live` is the sum of the sizes after it and `slots` the number in use so far.
 * False if the file cannot be written: the recording is over. */
bool stream_add(struct stream *stream, const struct event *event, size_t live, uint32_t slots);

/* Writes what is left. */
bool stream_finish(void);

void stream_complain(const char *what, int error);

/* Anonymous memory; NULL, with a complaint, if there is none. */
void *stream_map(size_t bytes);

#endif
