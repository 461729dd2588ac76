/* stats.h: counting on demand, so that malloc and free count nothing. */
#ifndef ALLOC_STATS_H
#define ALLOC_STATS_H

#include "molt.h" // struct molt_stats, struct molt_class, enum molt_format

#include <stdbool.h>
#include <stdint.h>

/* Walks all pools, while other threads go on: so the numbers are close, not exact. */
void stats_get(struct molt_stats *out);

/* The same in steps, between which the program may go on. */
struct stats_count {
    struct molt_stats stats;
    struct molt_class *classes; /* counted in the same walk (account.h); NULL: not wanted */
    uint32_t arenas;            /* that have been counted */
};

/* Begins to count, also ACCOUNT_CLASSES classes if `classes` is not NULL. */
void stats_begin(struct stats_count *count, struct molt_class *classes);

/* Takes a step, which is one arena. Returns true when all has been counted. */
bool stats_step(struct stats_count *count);

/* Writes the statistics to a descriptor: 0, or -1 and errno. */
int stats_write(int fd, enum molt_format format);

#endif
