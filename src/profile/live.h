/* live.h: sets of samples that are live, found by the addresses of their blocks.
 *
 * A record stays in the slot that it was given, so nothing needs a lock, and a look for a block
 * that has no record, which every free of a large block takes, reads little. Slots lie in buckets
 * of eight, which begin with the blocks' addresses. A set has several tables, each four times as
 * large as the one before, in which a block's address leads to one bucket each. A record takes a
 * free slot in the first table that has one in its bucket:
 *
 *     table 0   512 buckets   [........] [........]  -  [........] ...     - has no memory yet
 *     table 1  2048 buckets   [........]  -   -   -   [........]  -  ...
 *     table 2  8192 buckets    -   -   - ...
 *
 * A slot's address is 0 while it is free, and TAKEN while its record is written; the block's
 * address is stored last. Only who has allocated a block adds its record, and only who frees or
 * resizes it removes that, or sets it aside: so another block that gets the address meanwhile has a
 * record of its own. Others may read a record at any time: the slot's `version` tells them whether
 * it has become another one meanwhile. Stopping at any instruction (fork) loses a slot at most. */
#ifndef PROFILE_LIVE_H
#define PROFILE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket;
struct site;

/* A sample: a block that the program has. */
struct record {
    void *block;
    size_t size;       /* that was asked for */
    size_t bytes;      /* of the block */
    struct site *site; /* where it is counted */
    uint64_t at_ns;    /* when it was allocated (os_now_ns) */
    uint32_t thread;   /* by whom: the thread's id */
    uint32_t number;   /* which of the thread's samples it was */
    uint32_t home;     /* the pool in which the block would lie if it were not sampled, by its
                          number (alloc/map.h); 0: the block lies where it would anyway */
    _Atomic(uintptr_t) *place; /* in the tables; set by who reads it there */
};

enum { LIVE_TABLES = 7 }; /* with room for 22 million records, which take 1.2 GiB */

/* Zero: it is empty. */
struct live_set {
    /* Each table's array of buckets; NULL: it has none yet. They are taken in order. */
    _Atomic(_Atomic(struct bucket *) *) tables[LIVE_TABLES];
};

/* Adds a record of a block that has none. False: there is no memory. */
bool live_add(struct live_set *set, const struct record *record);

/* Finds the block's record. False: it has none. The caller owns the block. */
bool live_find(struct live_set *set, void *block, struct record *record);

/* Takes a record out that has been found. False: somebody else has done so. */
bool live_remove(const struct record *record);

/* The block may lose its address: its record is found by those below alone, and by live_each. */
bool live_set_aside(struct live_set *set, void *block);

/* The block has kept its address. False: it has no record that was set aside. */
bool live_put_back(struct live_set *set, void *block);

/* As live_find and live_remove, of a record that was set aside: the block has lost its address. */
bool live_find_aside(struct live_set *set, void *block, struct record *record);
bool live_remove_aside(const struct record *record);

/* Notes another size that was asked for. */
void live_resize(struct live_set *set, void *block, size_t size);

/* Calls `visit` with a copy of each record until it returns false. What is added or removed
 * meanwhile may be left out. */
void live_each(struct live_set *set, bool (*visit)(const struct record *record, void *context),
               void *context);

/* Takes out all records but those that are just being added. */
void live_clear(struct live_set *set);

#endif
