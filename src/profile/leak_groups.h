/* leak_groups.h: records that are alike: of the same stack, the same type and the same kind. */
#ifndef PROFILE_LEAK_GROUPS_H
#define PROFILE_LEAK_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;
struct stack;

enum leak_kind {
    LEAK_DIRECT,
    LEAK_THROUGH, /* only leaked blocks lead to it */
    LEAK_SUSPECT, /* reachable, but kept for long since the mark */
    LEAK_REACHABLE,
    LEAK_KINDS
};

struct leak_group {
    const struct stack *stack; /* an element of the hash table that has no blocks is empty */
    const char *type;          /* of objects, or NULL */
    enum leak_kind kind;
    uint64_t blocks, bytes; /* bytes: that were asked for */
    uint64_t oldest_ns;     /* when the first of the blocks was allocated */
};

struct leak_groups {
    struct leak_group *groups; /* a hash table, later a list */
    size_t capacity;           /* a power of two */
    size_t count;
    size_t mapped_bytes;
    uint64_t left_out; /* blocks for whose groups there was no room */
};

/* Makes room for so many groups. False: no memory. leak_groups_end is due in any case. */
bool leak_groups_begin(struct leak_groups *groups, uint64_t most);
void leak_groups_end(struct leak_groups *groups);

void leak_groups_add(struct leak_groups *groups, enum leak_kind kind, const struct record *record);

/* Sorts by kind, then by bytes, the most first. Nothing can be added from then on. */
void leak_groups_sort(struct leak_groups *groups);

#endif
