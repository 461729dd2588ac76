/* count.h: counting where the inline functions of molt_object.h do not.
 *
 * An object's count has two parts: that of its owner, in the header, and that of all other threads,
 * in a word of the shared counts (shared_counts.h): their retains less their releases. Alone either
 * may be anything; what counts is the sum.
 *
 *   31                      3    2        1        0
 *   +-----------------------+--------+--------+--------+
 *   |  others' count        |  weak  | queued | merged |
 *   +-----------------------+--------+--------+--------+
 *
 * When the owner's part comes to 0 it is merged: the tag becomes SHARED, and from then on every
 * thread counts in the word, until it is 0. What the header counts ends with the word's `merged`.
 * When the others' part falls below 0 they have released references that the owner counts; so they
 * queue the object for its owner, which merges at its next safepoint. If the owner is detached they
 * merge for it. (Choi, Shull, Torrellas, 2018.)
 *
 * `weak`: the object has weak references, so somebody may be about to revive it (weak.h): then its
 * death is made known in the word, by `merged` and a count of 0. */
#ifndef OBJECT_COUNT_H
#define OBJECT_COUNT_H

#include "header.h"
#include "shared_counts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_MERGED 1u
#define SHARED_QUEUED 2u
#define SHARED_WEAK 4u
#define SHARED_ONE 8u
#define SHARED_SHIFT 3
#define SHARED_MAX (1 << 27) /* a count that has come here stays */

static inline int32_t shared_count(uint32_t word)
{
    return (int32_t)word >> SHARED_SHIFT;
}

/* The object's word, if it has shared counts; else NULL. */
static inline _Atomic uint32_t *count_word_if_any(const void *object, uint64_t header)
{
    struct shared_counts *counts = shared_counts_if_any(object, header);
    return UNLIKELY(counts != NULL) ? shared_counts_word(counts, object) : NULL;
}

/* The object's word, made if need be; NULL when there is no memory. */
_Atomic uint32_t *count_word(const void *object);

/* One reference less, whoever calls. True if it was the last: the object is the caller's alone now,
 * to be brought to its end by death.h. */
bool count_drop_slow(void *object);

static ALWAYS_INLINE bool count_drop(void *object)
{
    uint64_t header = header_of(object);
    uint64_t above_one = header - header_own_one();
    if (LIKELY(above_one < HEADER_ONE)) { /* an own one with count 1 */
        if (LIKELY(shared_counts_if_any(object, header) == NULL))
            return true;
    } else if (above_one >> TAG_SHIFT == 0) {
        header_set(object, header - HEADER_ONE);
        return false;
    }
    return count_drop_slow(object);
}

/* A thread that has no owner yet, or that must not count now, comes to count: it takes part in
 * collections from now on. */
COLD void count_attach(const char *operation, const void *object);

/* A reference unless the object has died already; for weak.h. */
bool count_try_retain(void *object, _Atomic uint32_t *word);

/* A dying object gets a count of 1 for its finalizer. */
void count_revive(void *object);

/* All references to a live object; SIZE_MAX: immortal. Exact while the world stands still. */
size_t count_of(const void *object);

/* What a collection starts from, while the world stands still: all references but `held`, which are
 * the collector's own; of an immortal object more than any count. */
#define COUNT_IMMORTAL (UINT32_C(1) << 30)

static inline uint32_t count_for_deduction(const void *object, uint64_t header, unsigned held)
{
    if (UNLIKELY(tag_is_immortal(header_tag(header))))
        return COUNT_IMMORTAL;
    uint32_t count = header_count(header) - held;
    _Atomic uint32_t *word = count_word_if_any(object, header);
    if (UNLIKELY(word != NULL)) {
        uint32_t shared = atomic_load_explicit(word, memory_order_relaxed);
        count = (shared & SHARED_MERGED) == 0 ? count : 0 - held;
        count += (uint32_t)shared_count(shared);
    }
    return count;
}

/* The object will live no longer: what others count for it, and have brought its owner to settle,
 * is nobody's from now on. */
void count_forget(void *object);

/* Adds to the count of a live object while the world stands still. */
void count_add_stopped(void *object, int change);

/* Settles what others have queued for the calling thread's owner, or for a detached one. */
void count_merge_queue(struct owner *owner);

#endif
