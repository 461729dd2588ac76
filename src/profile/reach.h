/* reach.h: which live blocks can be reached from words that lie elsewhere.
 *
 * Marking is conservative: any aligned word that points into a block reaches it, at its start or
 * anywhere inside; a word that points behind its end does not. What a reached block holds is
 * scanned in turn. So a number that looks like an address hides a leak, but no block is called
 * leaked that a plain pointer leads to. Pointers that a program keeps tagged below their alignment
 * or offset lead inside the block still, and blocks that only such words reach are counted.
 *
 * Of the blocks that were not reached some hold others:
 *
 *     a ---> b ---> c          d <---> e
 *
 * a leaks directly, and b and c through it. A ring that nothing else leads to has one block, the
 * first by its address, that counts as direct, here d.
 *
 * Objects (through leak_hooks, which src/inspect defines): their references are followed wherever
 * they lie, also in arrays in memory that is not scanned. What else is in an object is scanned
 * like any block, for it may own blocks that no reference tells of. What stands in front of a large
 * object is the library's: it links all large objects, and neither leads to one nor away from it.
 *
 * Marking needs no recursion: blocks to be scanned wait on a stack. Where that is full they are
 * found again by a flag. Each block is scanned once a pass, so time is bounded by the size of the
 * heap. */
#ifndef PROFILE_REACH_H
#define PROFILE_REACH_H

#include "census.h"

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leak_hooks {
    /* Take and release the lock that guards the list of large objects; false: the calling thread
     * has it already. Taken before the allocator's locks. */
    bool (*lock)(void);
    void (*unlock)(void);

    /* Calls `visit` for the block of each large object, whose first `front` bytes are the
     * library's. Under the lock. */
    void (*each_large)(void (*visit)(uintptr_t block, size_t front, void *context), void *context);

    /* Calls `visit` for each reference of the object that begins at p, if it is a live one. */
    void (*each_reference)(void *p, void (*visit)(uintptr_t word, void *context), void *context);
};

extern HIDDEN const struct leak_hooks leak_hooks AT_SECTION_START("molt_leak_hooks");

enum reach_state {
    REACH_NO_BLOCK,  /* no live block starts there */
    REACH_BY_START,  /* reachable */
    REACH_BY_INSIDE, /* reachable, by words alone that point into its middle */
    REACH_DIRECT,    /* leaked */
    REACH_THROUGH,   /* leaked, and a block that is leaked leads to it */
};

struct front;

enum reach_pass { REACH_MARK, REACH_REFER, REACH_COVER };

struct reach {
    struct census census;
    enum reach_pass pass;
    uint32_t from;        /* the number of the block that is being scanned */
    uint32_t leader;      /* … of the block that REACH_COVER began with */
    uint8_t covers;       /* the flag of what that has led to */
    uint32_t depth;       /* of the stack */
    bool has_overflown;   /* blocks with a flag wait that the stack had no room for */
    uintptr_t *waiting;   /* the stack: where blocks begin */
    struct front *fronts; /* of large objects, in the order of their blocks' addresses */
    size_t front_count;
    size_t front_bytes; /* mapped for them */
    char *copy;         /* what has been copied to be scanned */
};

/* Takes the census; false: no memory. reach_end is due in any case. The caller holds the locks of
 * leak_hooks and of the census, and the other threads stand still. */
bool reach_begin(struct reach *reach);
void reach_end(struct reach *reach);

/* Marks what the words in the range lead to. Parts that cannot be read are left out. */
void reach_from_range(struct reach *reach, uintptr_t start, uintptr_t end);

/* Marks what one word leads to. */
void reach_from_word(struct reach *reach, uintptr_t word);

/* All roots have been marked: finds out which leaked blocks lead to others. */
void reach_deduce(struct reach *reach);

/* What is known of the block that starts at p. */
enum reach_state reach_state(const struct reach *reach, const void *p);

#endif
