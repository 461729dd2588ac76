/* count.h: reference counts where the inline functions of molt_object.h do not do: biased reference
 * counting (Choi, Shull, Torrellas, 2018).
 *
 * A count has two parts: the owner's, in the header, which its thread changes by plain
 * instructions; and that of all other threads, their retains less their releases, in the object's
 * word of the shared counts (shared_counts.h), which atomic instructions change.
 *
 *   31                      3    2        1        0
 *   +-----------------------+--------+--------+--------+
 *   |  others' part         |  weak  | queued | merged |
 *   +-----------------------+--------+--------+--------+
 *
 *   references == owner's part + others' part    before the merge; the others' may be below 0
 *   references == others' part                   after it: tag SHARED, `merged`
 *
 * An object without a word has no others' part. When the owner's part comes to 0 it is merged into
 * the word, in which all threads count from then on, until it is 0. When the others' part falls
 * below 0, other threads have released references that the owner counts: they queue the object
 * (`queued`) for its owner, which merges at its next safepoint. For a detached owner they merge
 * themselves.
 *
 * `weak`: the object has weak references, so another thread may be about to retain it through one
 * (weak.h). The word tells that thread of the object's death: `merged`, and a count of 0. */
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
#define SHARED_MAX (1 << 27) /* a part that has come here stays: the object never dies */

/* The others' part in a word. */
static inline int32_t shared_count(uint32_t word)
{
    return (int32_t)word >> SHARED_SHIFT;
}

/* The object's word, or NULL. */
static inline _Atomic uint32_t *count_word_if_any(const void *object, uint64_t header)
{
    struct shared_counts *counts = shared_counts_if_any(object, header);
    return UNLIKELY(counts != NULL) ? shared_counts_word(counts, object) : NULL;
}

/* The object's word, made if there is none. NULL: no memory. */
_Atomic uint32_t *count_word(const void *object);

/* Drops a reference, on any thread. True: it was the last, and the caller brings the object to its
 * end (death_of). */
bool count_drop_slow(void *object);

static ALWAYS_INLINE bool count_drop(void *object)
{
    uint64_t header = header_of(object);
    uint64_t above_one = header - header_own_one();
    if (LIKELY(above_one < HEADER_ONE)) { /* the thread is the owner, the count is 1 */
        if (LIKELY(shared_counts_if_any(object, header) == NULL))
            return true;
    } else if (above_one >> TAG_SHIFT == 0) {
        header_set(object, header - HEADER_ONE);
        return false;
    }
    return count_drop_slow(object);
}

/* A thread without an owner is about to count: it attaches. An error if it must not count. */
COLD void count_attach(const char *operation, const void *object);

/* Retains an object unless it has died already. For weak.h. */
bool count_try_retain(void *object, _Atomic uint32_t *word);

/* Gives a dying object a count of 1, for its finalizer. */
void count_revive(void *object);

/* The references to a live object; SIZE_MAX: it is immortal. Exact while the world is stopped. */
size_t count_of(const void *object);

/* More references than any count tells. */
#define COUNT_IMMORTAL (UINT32_C(1) << 30)

/* For a collection, while the world is stopped: the references to a live object less `held`, those
 * of the collector; COUNT_IMMORTAL of an immortal one. */

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

/* Clears the word of an object that is to be freed, so that no queue merges it. */
void count_forget(void *object);

/* Adds to the count of a live object, while the world is stopped. */
void count_add_stopped(void *object, int change);

/* Merges the counts of all objects that are queued for the owner: the calling thread's, or a
 * detached one. */
void count_merge_queue(struct owner *owner);

#endif
