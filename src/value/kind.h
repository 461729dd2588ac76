/* kind.h: how values lie in memory, and telling them apart.
 *
 *   int     value
 *   str     hash, length, bytes, NUL
 *   list    length, ──► items, room for more
 *   tuple   hash, length, items
 *   dict    ──► keys and values in turns, their hashes, the index (dict.c)
 *
 * A hash of 0 is not known yet. Threads that read a value may compute its hash at the same time:
 * they all store the same. */
#ifndef VALUE_KIND_H
#define VALUE_KIND_H

#include "molt_value.h"

#include "base/attributes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { KIND_OTHER, KIND_INT, KIND_STR, KIND_LIST, KIND_TUPLE, KIND_DICT, KINDS };

struct molt_int {
    MOLT_OBJECT;
    int64_t value;
};

struct molt_str {
    MOLT_OBJECT;
    _Atomic uint64_t hash;
    size_t length;
    char bytes[];
};

/* length <= room */
struct molt_list {
    MOLT_OBJECT;
    void **items;
    size_t length;
    size_t room;
};

struct molt_tuple {
    MOLT_OBJECT;
    _Atomic uint64_t hash;
    size_t length;
    void *items[];
};

/* live <= item_count / 2 <= room <= 2/3 of the index's places */
struct molt_dict {
    MOLT_OBJECT;
    void **items;         /* entry n: its key at 2n, its value at 2n + 1; both NULL: deleted */
    size_t item_count;    /* twice the entries, deleted ones too */
    size_t live;          /* entries that are not deleted */
    size_t room;          /* entries that fit */
    uint64_t *hashes;     /* hashes[n]: of the key of entry n */
    void *index;          /* by hash: an entry's number + 1; 0: the place is free */
    size_t index_mask;    /* places in the index - 1, a power of two less one */
    unsigned index_width; /* bytes of a place: 1, 2 or 4 */
};

/* The type of each kind; NULL for KIND_OTHER. */
extern HIDDEN const molt_type *const kind_types[KINDS];

/* Returns the kind of an object; KIND_OTHER also for NULL. */
enum kind kind_of(const void *object);

/* Whether the object is of the kind. False and EINVAL. */
static inline bool kind_expect(const void *object, enum kind kind)
{
    if (LIKELY(object != NULL && molt_typeof(object) == kind_types[kind]))
        return true;
    errno = EINVAL;
    return false;
}

/* The same for a container that is about to be changed. */
static inline bool kind_expect_to_change(const void *object, enum kind kind)
{
    molt_begin_change(object);
    return kind_expect(object, kind);
}

#endif
