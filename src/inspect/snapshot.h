/* snapshot.h: numbers for all live objects of a stopped world.
 *
 * A part is a pool that holds a live object, or a large object. All blocks of a part have numbers
 * that follow each other, in the order of the addresses, first those of pools:
 *
 *   any address ---> 64 KiB slot of the window ---> part ---> number of the live object, if any
 *
 * Finding a number reads no memory but the table and blocks of parts, which cannot go meanwhile.
 * The snapshot, and the arrays that its user needs by number, are one mapping: the heap stays as it
 * is.
 *
 * Everything here between exclusive_begin_still, or exclusive_try_begin, and exclusive_end
 * (gc/exclusive.h). */
#ifndef INSPECT_SNAPSHOT_H
#define INSPECT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot_part {
    uintptr_t start;    /* address of the first block */
    size_t block_bytes; /* bytes of an object with its extra words */
    uint32_t first;     /* number of the first block */
    uint32_t blocks;    /* blocks with a number */
};

struct snapshot {
    struct snapshot_part *parts; /* pools, then large objects, both in the order of addresses */
    uint32_t *part_by_slot;      /* 1 + the index of the pool's part in each slot; 0: none */
    uint32_t *numbers;           /* the user's arrays: an element for each block, 0 at first */
    uint32_t pools, larges;      /* parts of each kind */
    uint32_t slots;              /* slots of the window in use */
    uint32_t blocks;             /* sum of all parts' blocks */
    size_t mapped_bytes;         /* of the one mapping, which begins with `parts` */
};

#define SNAPSHOT_NONE UINT32_MAX

/* Takes a snapshot with so many arrays. False: no memory. snapshot_free is due in any case. */
bool snapshot_make(struct snapshot *snapshot, unsigned arrays);
void snapshot_free(struct snapshot *snapshot);

/* The number of the live object that starts at p, or SNAPSHOT_NONE. p may be any address. */
uint32_t snapshot_number(const struct snapshot *snapshot, const void *p);

/* The block with that number. */
void *snapshot_object(const struct snapshot *snapshot, uint32_t number);

/* The part that p points into, or NULL. */
const struct snapshot_part *snapshot_part_around(const struct snapshot *snapshot, const void *p);

/* The user's nth array. */
static inline uint32_t *snapshot_array(const struct snapshot *snapshot, unsigned n)
{
    return snapshot->numbers + (size_t)n * snapshot->blocks;
}

/* Calls `visit` for each live object, in the order of their numbers. */
void snapshot_visit(const struct snapshot *snapshot,
                    void (*visit)(void *object, uint32_t number, void *context), void *context);

#endif
