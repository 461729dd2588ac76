/* account.h: where the process's memory is: sums that add up to what is resident, and the blocks of
 * each pool and size class.
 *
 * Sums are of resident pages, which the kernel tells (os.h). The blocks of a pool are counted as
 * its record and lists have them; where pages of live or free blocks are not resident, the free
 * ones are taken to be those. Nothing is counted beforehand: malloc and free know nothing of this.
 */
#ifndef ALLOC_ACCOUNT_H
#define ALLOC_ACCOUNT_H

#include "size_class.h"

#include "molt.h" // struct molt_account, struct molt_class, enum molt_format

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct report_line;

/* The blocks of a pool; with what is not carved yet they are its capacity. */
struct pool_blocks {
    unsigned live;     /* blocks in an outbox and those that a heap starts with count as live */
    unsigned listed;   /* free, in the pool's list */
    unsigned waiting;  /* freed by other threads, in the chain for the owner */
    unsigned in_holes; /* free, and without memory */
};

/* Any thread may ask. While the pool's owner goes on the numbers are close, not exact. */
struct pool_blocks account_pool(const struct pool *pool);

/* Calls the function for each pool, under arena_lock: it must neither allocate nor wait. No pool
 * goes meanwhile, and links in free blocks may be read. */
void account_each_pool(void (*visit)(const struct pool *pool, void *context), void *context);

/* The same for the pools of an arena. */
void account_each_pool_of(uint32_t arena, void (*visit)(const struct pool *pool, void *context),
                          void *context);

/* Calls the function for blocks that account_pool counts as live though no program has had them:
 * those that heaps start with (starter.h) and have not given out. */
void account_each_start(void (*visit)(const struct pool *pool, unsigned blocks, void *context),
                        void *context);

void account_get(struct molt_account *out);

/* One for each size class. */
#define ACCOUNT_CLASSES (OBJECT_CLASS_FIRST + OBJECT_CLASS_COUNT)
void account_get_classes(struct molt_class out[ACCOUNT_CLASSES]);

/* The same for who walks the pools himself: before that, for each pool, and after it. */
void account_begin_classes(struct molt_class out[ACCOUNT_CLASSES]);
void account_add_to_class(struct molt_class classes[ACCOUNT_CLASSES], const struct pool *pool,
                          const struct pool_blocks *blocks);
void account_end_classes(struct molt_class classes[ACCOUNT_CLASSES]);

/* The same, but does not wait: any thread, signal handlers too, under any lock. False: it would
 * have to wait, and what is in `out` is not all. */
bool account_try_classes(struct molt_class out[ACCOUNT_CLASSES]);

/* Appends a class's numbers with their names. */
void account_append_class(struct report_line *line, const struct molt_class *class);

/* Writes both to a descriptor: 0, or -1 and errno. */
int account_write(int fd, enum molt_format format);

#endif
