/* roster.h: all live objects, numbered, in a world that stands still.
 *
 * Every block of a pool that holds a live object has a number, in the order of the addresses; then
 * come the large objects. From any word to the object that it leads to, if any, is one look into a
 * table: who asks reads no memory but that of pools with live objects, which cannot go meanwhile.
 * The roster, and what its user needs for each number, is one mapping, so that the heap is as it
 * was.
 *
 *   slot of the window ---> part: a pool, or a large object ---> number
 *
 * Everything here after look_begin_still or look_try_begin. */
#ifndef OBJECT_ROSTER_H
#define OBJECT_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roster_part {
    uintptr_t start;    /* of the first object */
    size_t block_bytes; /* of an object */
    uint32_t first;     /* its first block's number */
    uint32_t blocks;    /* numbers that it has */
};

struct roster {
    struct roster_part *parts; /* pools, then large objects, both by address */
    uint32_t *part_by_slot;    /* 1 + the part of each 64 KiB of the window; 0: none */
    uint32_t *numbers;         /* of the user: `arrays` times one for each block, 0 at first */
    uint32_t pools, larges, slots;
    uint32_t blocks; /* numbers given */
    size_t mapped_bytes;
};

#define ROSTER_NONE UINT32_MAX

/* False: no memory. */
bool roster_make(struct roster *roster, unsigned arrays);
void roster_free(struct roster *roster);

/* The number of the live object that starts at p, or ROSTER_NONE. Any address may be asked for. */
uint32_t roster_number(const struct roster *roster, const void *p);

void *roster_object(const struct roster *roster, uint32_t number);

/* The part that p points into, or NULL. */
const struct roster_part *roster_part_around(const struct roster *roster, const void *p);

static inline uint32_t *roster_array(const struct roster *roster, unsigned n)
{
    return roster->numbers + (size_t)n * roster->blocks;
}

/* Visits all live objects in the order of their numbers. */
void roster_visit(const struct roster *roster,
                  void (*visit)(void *object, uint32_t number, void *context), void *context);

#endif
