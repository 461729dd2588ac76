/* peer_molt.h: molt's objects. With PEER_ACYCLIC the collector does not look at nodes. */
#ifndef PEER_MOLT_H
#define PEER_MOLT_H

#include "objects.h"

#include <molt_object.h>

#ifdef PEER_ACYCLIC
enum { NODE_FLAGS = MOLT_ACYCLIC };
#else
enum { NODE_FLAGS = 0 };
#endif

struct node {
    MOLT_OBJECT;
    struct node *left, *right;
};

struct leaf {
    MOLT_OBJECT;
    uint64_t payload[LEAF_BYTES / 8 - 1];
};

struct array {
    MOLT_OBJECT;
    struct node *at[];
};

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, left, right), .flags = NODE_FLAGS);
__attribute__((unused)) MOLT_TYPE(leaf_type, struct leaf, .flags = MOLT_LEAF);
__attribute__((unused)) MOLT_TYPE(array_type, struct array, .flags = MOLT_TRAILING_REFS);

#define PEER_COLLECTS

static inline void objects_begin(void)
{
}

static inline struct node *node_new(struct node *left, struct node *right)
{
    struct node *n = not_null(molt_new(&node_type));
    n->left = left;
    n->right = right;
    return n;
}

static inline void node_set(struct node **field, struct node *to)
{
    *field = molt_retain(to);
}

static inline void node_drop(struct node **root)
{
    molt_clear(root);
}

static inline void node_retain(struct node *n)
{
    molt_retain(n);
}

static inline void node_release(struct node *n)
{
    molt_release(n);
}

static inline struct leaf *leaf_new(void)
{
    return not_null(molt_new(&leaf_type));
}

static inline void leaf_drop(struct leaf *leaf)
{
    molt_release(leaf);
}

static inline struct array *array_new(size_t length)
{
    return not_null(molt_new_extra(&array_type, length * sizeof(struct node *)));
}

static inline void array_drop(struct array **array)
{
    molt_clear(array);
}

static inline void objects_collect(void)
{
    if (molt_gc_collect(2) < 0)
        fail("molt_gc_collect failed");
}

static inline void objects_disable(void)
{
    molt_gc_disable();
}

static inline void objects_check(size_t count)
{
    uint64_t collected = 0;
    for (int generation = 0; generation <= 2; generation++) {
        struct molt_gc_stats stats;
        molt_gc_get_stats(generation, &stats);
        collected += stats.collected;
    }
    if (collected != count)
        fail("not all that was dropped has been collected");
}

#endif
