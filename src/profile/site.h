/* site.h: what is counted of the blocks that are alike: same stack, same size, same tag, type and
 * name of the thread.
 *
 * All blocks of a site are sampled with the same probability, so its counts can be scaled exactly
 * (random.h). They are counts of samples, not of all blocks.
 *
 * Sites are never moved or freed. They are counted in by any thread, without a lock; who reads
 * them finds numbers of about the same moment. Numbers of live blocks go up and down: one that
 * is read while other threads work may be -1. */
#ifndef PROFILE_SITE_H
#define PROFILE_SITE_H

#include "chain.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack;

/* Lifetimes are counted by powers of ten: i is for those below 10^i microseconds that are not
 * counted before, the last one for all others, of 100 seconds and more. */
enum { SITE_LIFETIMES = 10 };

/* Sizes are what was asked for; block sizes what was given for it. */
struct site {
    struct chain_link link;
    struct site *older;        /* in the list of all; never changes once the site is in it */
    const struct stack *stack; /* that allocated the blocks; without frames: not known */
    size_t bytes;              /* of each block; of large ones rounded up (record.c) */
    const char *tag;           /* the thread's innermost tag (name.h); NULL: none */
    const char *type;          /* the objects' type; NULL: they are no objects */
    const char *thread;        /* what the thread was called (thread_name.h); NULL: no name */
    _Atomic(uint64_t) live_count, live_bytes, live_block_bytes;    /* blocks not freed yet */
    _Atomic(uint64_t) total_count, total_bytes, total_block_bytes; /* … and those freed */
    _Atomic(uint64_t) peak_count, peak_bytes, peak_block_bytes; /* … live when all sites had most */
    _Atomic(uint64_t) temporary_count;           /* freed before their thread's next sample */
    _Atomic(uint64_t) lifetimes[SITE_LIFETIMES]; /* of those freed */
    _Atomic(char *) row;                         /* in the mirror (mirror.h); NULL: it has none */
    char *total_row;                             /* the second one, if there is a first */
};

/* Returns the site of these blocks; NULL if it is new and there is no memory. `tag`, `type` and
 * `thread` are interned names or NULL. */
struct site *site_intern(const struct stack *stack, size_t bytes, const char *tag, const char *type,
                         const char *thread);

void site_each(void (*visit)(struct site *site, void *context), void *context);

/* ---- Counting ---- */

/* A block lives; it was not to be counted; it lives no longer; another size was asked for. */
void site_add(struct site *site, size_t size, size_t block_bytes);
void site_undo_add(struct site *site, size_t size, size_t block_bytes);
void site_remove(struct site *site, size_t size, size_t block_bytes);
void site_resize(struct site *site, size_t old_size, size_t size);

/* The block that site_remove was told of has lived so long. */
void site_note_lifetime(struct site *site, uint64_t ns, bool is_temporary);

/* Makes what lives now the peak. */
void site_keep_peak(struct site *site);

/* Forgets all numbers. */
void site_forget(struct site *site);

/* Count anew what lives: from 0 on, each block that is in the total already. */
void site_forget_live(struct site *site);
void site_add_live(struct site *site, size_t size, size_t block_bytes);

#endif
