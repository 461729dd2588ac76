/* stats.h: counting on demand, so that malloc and free count nothing. */
#ifndef ALLOC_STATS_H
#define ALLOC_STATS_H

#include "molt.h" // struct molt_stats, enum molt_format

/* Walks all pools, while other threads go on: so the numbers are close, not exact. */
void stats_get(struct molt_stats *out);

/* Writes the statistics to a descriptor: 0, or -1 and errno. */
int stats_write(int fd, enum molt_format format);

#endif
