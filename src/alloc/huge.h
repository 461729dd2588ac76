/* huge.h: huge blocks: blocks with a mapping of their own, above RUN_MAX bytes, or aligned to more
 * than a run can be.
 *
 * A hash table by address holds the blocks; the memory of each is a span (span.h). The table lies
 * in a mapping of its own. It grows by replacement, and each change is completed by one store, so a
 * forked child finds it whole. */
#ifndef ALLOC_HUGE_H
#define ALLOC_HUGE_H

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct huge_totals {
    size_t bytes;  /* in live blocks */
    size_t blocks; /* live */
    size_t table_bytes;
};

extern HIDDEN struct lock huge_lock;
extern HIDDEN struct huge_totals huge_totals;

void *huge_alloc(size_t size, size_t alignment, bool zero);

/* A block that realloc moves a smaller one to: it is expected to grow on. */
void *huge_alloc_to_grow(size_t size);

/* The bytes of the block that starts at p, or 0: no huge block starts there. */
size_t huge_bytes(const void *p);

/* Frees the block that starts at p: its bytes, or 0: no huge block starts there. */
size_t huge_free(void *p);

/* Resizes the block where it is, or moves it with its pages; NULL leaves it as it was. */
void *huge_resize(void *p, size_t size);

/* Calls the function for each span: of a block of `bytes`, or a kept one (0). Here and below the
 * caller holds the lock. */
void huge_each_span(void (*visit)(const char *start, size_t bytes, size_t span_bytes,
                                  void *context),
                    void *context);

/* The table of blocks, of huge_totals.table_bytes; NULL: there is none yet. */
const void *huge_table(void);

/* In a forked child whose parent was changing them: derives the totals from the table again, and
 * forgets the kept spans. */
void huge_repair(void);

/* Calls `visit` for each live block. The caller holds huge_lock. */
void huge_visit(void (*visit)(uintptr_t start, size_t bytes, void *context), void *context);

/* The huge block that p points into; 0 if there is none. For messages. */
uintptr_t huge_find(const void *p, size_t *bytes);

/* The bytes of a block that was at p and has been freed; 0 if nothing is known. For messages. */
size_t huge_freed_bytes(const void *p);

/* Gives back the spans that have been kept for longer than `decay`; skipped when another thread has
 * the lock. */
void huge_tick(uint64_t now_ms);

/* Gives back at least `bytes` of kept spans, if there are so many, the oldest first; skipped when
 * another thread has the lock. */
void huge_drop_oldest(size_t bytes);

/* Gives back all kept spans; the bytes returned. */
size_t huge_purge_all(void);

#endif
