/* trace.h: the format of an allocation trace, as libtrace.so records it and replay reads it.
 *
 *   file    = header group*           group = chunk* mark
 *   chunk   = head, `length` bytes of one thread's events; an event never spans two chunks
 *   mark    = head with thread TRACE_MARK, then the totals of everything before it
 *
 * All numbers are little-endian. The concatenated chunks of a thread are its stream. Groups are
 * consistent cuts: whatever an event in a group depends on is in that group or an earlier one, so a
 * file that ends with any mark can be replayed (of a program that was killed, say). A file that
 * ends in the middle of a group is damaged. `complete` is set in the mark of a program's end.
 *
 * A block is known by its slot, a small number that is used again once the block is gone. Every
 * slot counts its events: its sequence. An event is
 *
 *   varint  argument << 4 | kind << 1 | handover
 *   varint  the slot's sequence before this event; if handover
 *   varint  log2 of the alignment; if TRACE_ALIGNED
 *   varint  size in bytes; if TRACE_MALLOC, TRACE_CALLOC, TRACE_REALLOC, TRACE_ALIGNED
 *
 * argument is the thread of a TRACE_SPAWN, which is no event of a slot and never a handover; of
 * all others the difference of their slot and that of the stream's previous event (at first 0), in
 * zigzag: 0, -1, 1, -2, … A varint has seven bits per byte, the lowest first, and the top bit set
 * in all bytes but the last.
 *
 * Invariants:
 * - In the total order in which the program ran, a slot's events begin with one of MALLOC, CALLOC
 *   and ALIGNED, go on with any number of REALLOC (of a size that is not 0) and end with FREE, over
 *   and over.
 * - An event carries handover exactly if the slot's previous event was another thread's. Handover
 *   and spawn are the only order between threads.
 * - Thread 0 exists from the start. Every other has exactly one SPAWN, by the thread whose event
 *   was the last before its own first, and at least one event. It ends after its last one.
 * - Blocks that the program had before the recording began, and calls that failed, do not occur. */
#ifndef BENCH_TRACE_TRACE_H
#define BENCH_TRACE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC "molt-mem"

enum {
    TRACE_VERSION = 1,
    TRACE_CHUNK_BYTES = 8192, /* the longest chunk, head not counted */
    TRACE_EVENT_BYTES = 32,   /* no event is longer */
    TRACE_VARINT_BYTES = 10,
    TRACE_ALIGNMENT_BITS = 40, /* an alignment's log2 is less */
};

#define TRACE_MARK UINT32_MAX
#define TRACE_THREADS_MAX (UINT32_C(1) << 24)
#define TRACE_SLOTS_MAX (UINT32_C(1) << 30)

enum trace_kind {
    TRACE_MALLOC,
    TRACE_CALLOC,
    TRACE_ALIGNED,
    TRACE_REALLOC,
    TRACE_FREE,
    TRACE_SPAWN,
    TRACE_KINDS,
};

struct trace_header {
    char magic[8];
    uint32_t version;
    uint32_t unused; /* 0 */
};

struct trace_chunk {
    uint32_t thread;
    uint32_t length;
    uint32_t checksum; /* trace_checksum */
};

struct trace_mark {
    uint64_t events;    /* all but SPAWN */
    uint64_t threads;   /* streams */
    uint64_t slots;     /* slots are less than this */
    uint64_t live;      /* bytes asked for and not freed at this mark */
    uint64_t peak_live; /* the most at any time, exact by the total order */
    uint64_t complete;  /* 1: the program has ended here */
};

/* FNV-1a over a chunk's thread, length and bytes. */
static inline uint32_t trace_checksum(uint32_t thread, uint32_t length, const void *bytes)
{
    uint64_t hash = 0xcbf29ce484222325 ^ thread ^ (uint64_t)length << 32;
    const unsigned char *byte = bytes;

    hash *= 0x100000001b3;
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3;
    return (uint32_t)(hash ^ hash >> 32);
}

static inline uint64_t trace_zigzag(int64_t difference)
{
    return (uint64_t)difference << 1 ^ (uint64_t)(difference >> 63);
}

static inline int64_t trace_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* Writes the varint and returns its length. */
static inline uint32_t trace_put_varint(unsigned char *out, uint64_t value)
{
    uint32_t length = 0;

    for (; value >= 0x80; value >>= 7)
        out[length++] = (unsigned char)(value | 0x80);
    out[length++] = (unsigned char)value;
    return length;
}

/* Reads a varint and returns its length; 0 if it does not end before `limit` bytes or is no 64-bit
 * number. */
static inline uint32_t trace_get_varint(const unsigned char *in, size_t limit, uint64_t *value)
{
    uint64_t result = 0;

    for (uint32_t i = 0; i < limit && i < TRACE_VARINT_BYTES; i++) {
        if (i == TRACE_VARINT_BYTES - 1 && in[i] > 1)
            return 0;
        result |= (uint64_t)(in[i] & 0x7f) << 7 * i;
        if (in[i] < 0x80) {
            *value = result;
            return i + 1;
        }
    }
    return 0;
}

#endif
