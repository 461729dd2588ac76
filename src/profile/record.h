/* record.h: a profile: what has been sampled, where, and what of it lives.
 *
 *     record_add      a block is sampled: a record in the table of live ones (live.h), counts in
 *                     the site of all blocks that are alike (site.h)
 *     record_remove   a block is freed: its record goes, its site's counts change
 *
 * Any thread calls these two and their like at any time, in signal handlers and under any lock,
 * too: they wait for nothing but, with prof_file, for mirror_lock (mirror.h). What finds no memory
 * is counted as missed.
 *
 * A profile has one mean, by which its blocks are sampled, so one number tells how much a record
 * stands for: its `bytes` times random_weight(bytes, mean). The sum of these over the live records
 * estimates how many bytes live; where it is at its highest the counts of all sites are kept.
 *
 * A new profile begins with all counts at 0, while threads may be at work. So each thread that
 * changes counts says so first (`inside`) and then looks at the mean. The mean becomes 0, nobody
 * begins any more, and when nobody is inside, all can be forgotten.
 *
 * In a forked child what vanished threads were just doing is half counted: record_repair counts
 * again. */
#ifndef PROFILE_RECORD_H
#define PROFILE_RECORD_H

#include "live.h" // struct record
#include "site.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack;

/* Begins a profile of blocks that are sampled with that mean (random.h): all records and counts of
 * the one before are forgotten. One thread at a time, and no signal handler; it waits for threads
 * that are about to count. */
void record_restart(size_t mean);

/* ---- What the allocator tells. A block has at most one record ---- */

struct sample {
    void *block;
    size_t size;               /* that was asked for */
    size_t bytes;              /* of the block */
    const struct stack *stack; /* NULL: there was no memory for it */
    const char *type;          /* an object's type's name, which is copied; or NULL */
    uint32_t home;             /* as in struct record */
};

/* False: the sample is missed, and counted as that; or there is no profile. */
bool record_add(const struct sample *sample);

/* The calling thread's id. */
uint32_t record_thread(void);

/* The block is about to be freed. Returns whether it had a record; and a copy of that. */
bool record_remove(void *block);
bool record_take(void *block, struct record *record);

/* The block is about to be resized, and may move: another thread's block may have its address from
 * then on. Afterwards its record is there as before, if it could not be resized; or it goes, as if
 * the block had been freed, and what was made of it is another block. */
void record_set_aside(void *block);
void record_put_back(void *block);
void record_remove_aside(void *block);

/* Another size was asked for, which the block has room for as it is. Does nothing if it has no
 * record. If `bytes` changes, too, so does the chance to be sampled: it is another block then. */
void record_resize(void *block, size_t size);

/* ---- What readers see; any thread ---- */

/* Finds a live block's record. */
bool record_find(void *block, struct record *record);

void record_each_site(void (*visit)(const struct site *site, void *context), void *context);

/* Calls `visit` with a copy of each live record, until it returns false. */
void record_each_live(bool (*visit)(const struct record *record, void *context), void *context);

/* Sums over a profile. Estimates are sums of what samples stand for; all others are of samples. */
struct record_totals {
    size_t mean;                            /* 0: there is no profile */
    uint64_t sites;                         /* with any sample */
    uint64_t live_count, live_bytes;        /* samples not freed yet, and what was asked for */
    uint64_t total_count, total_bytes;      /* … and those freed */
    uint64_t temporary_count;               /* freed before their thread's next sample */
    uint64_t total_estimate;                /* bytes of all blocks, freed ones too */
    uint64_t missed_count, missed_estimate; /* samples without a record; bytes of blocks */
    uint64_t live_estimate;                 /* bytes of all blocks that live */
    uint64_t peak_estimate, peak_at_ns; /* … when the counts of the peak were kept; and when */
};

void record_totals_get(struct record_totals *totals);

/* Returns live_estimate alone. */
uint64_t record_live_estimate(void);

/* ---- Fork ---- */

/* Makes the profile whole again in a forked child (base/fork.h). */
void record_repair(void);

#endif
