/* snapshot.h: all live objects, numbered, in a world that stands still.
 *
 * Every block of a pool that holds a live object has a number, in the order of the addresses; then
 * come the large objects. From any word to the object that it leads to, if any, is one look into a
 * table: who asks reads no memory but that of pools with live objects, which cannot go meanwhile.
 * The snapshot, and what its user needs for each number, is one mapping, so that the heap is as it
 * was.
 *
 *   slot of the window ---> part: a pool, or a large object ---> number
 *
 * Everything here after pause_begin_still or pause_try_begin. */
#ifndef INSPECT_SNAPSHOT_H
#define INSPECT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot_part {
    uintptr_t start;    /* of the first object */
    size_t block_bytes; /* of an object */
    uint32_t first;     /* its first block's number */
    uint32_t blocks;    /* numbers that it has */
};

struct snapshot {
    struct snapshot_part *parts; /* pools, then large objects, both by address */
    uint32_t *part_by_slot;      /* 1 + the part of each 64 KiB of the window; 0: none */
    uint32_t *numbers;           /* of the user: `arrays` times one for each block, 0 at first */
    uint32_t pools, larges, slots;
    uint32_t blocks; /* numbers given */
    size_t mapped_bytes;
};

#define SNAPSHOT_NONE UINT32_MAX

/* False: no memory. */
bool snapshot_make(struct snapshot *snapshot, unsigned arrays);
void snapshot_free(struct snapshot *snapshot);

/* The number of the live object that starts at p, or SNAPSHOT_NONE. Any address may be asked for.
 */
uint32_t snapshot_number(const struct snapshot *snapshot, const void *p);

void *snapshot_object(const struct snapshot *snapshot, uint32_t number);

/* The part that p points into, or NULL. */
const struct snapshot_part *snapshot_part_around(const struct snapshot *snapshot, const void *p);

static inline uint32_t *snapshot_array(const struct snapshot *snapshot, unsigned n)
{
    return snapshot->numbers + (size_t)n * snapshot->blocks;
}

/* Visits all live objects in the order of their numbers. */
void snapshot_visit(const struct snapshot *snapshot,
                    void (*visit)(void *object, uint32_t number, void *context), void *context);

#endif
