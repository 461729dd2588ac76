/* peer_boehm.h: Boehm's conservative collector, as it comes. */
#ifndef PEER_BOEHM_H
#define PEER_BOEHM_H

#include "objects.h"

#include <gc.h>

struct node {
    struct node *left, *right;
};

struct leaf {
    uint64_t payload[LEAF_BYTES / 8];
};

struct array {
    struct node *at[1];
};

#define PEER_COLLECTS

static inline void objects_begin(void)
{
    GC_INIT();
}

static inline struct node *node_new(struct node *left, struct node *right)
{
    struct node *n = not_null(GC_MALLOC(sizeof *n));
    n->left = left;
    n->right = right;
    return n;
}

static inline void node_set(struct node **field, struct node *to)
{
    *field = to;
}

static inline void node_drop(struct node **root)
{
    *root = NULL;
}

static inline struct leaf *leaf_new(void)
{
    return not_null(GC_MALLOC_ATOMIC(sizeof(struct leaf)));
}

static inline void leaf_drop(struct leaf *leaf)
{
    (void)leaf;
}

static inline struct array *array_new(size_t length)
{
    return not_null(GC_MALLOC(length * sizeof(struct node *)));
}

static inline void array_drop(struct array **array)
{
    *array = NULL;
}

__attribute__((unused)) static int objects_are_disabled;

static inline void objects_disable(void)
{
    objects_are_disabled = 1;
    GC_disable();
}

/* GC_disable is for explicit collections too. */
static inline void objects_collect(void)
{
    if (objects_are_disabled)
        GC_enable();
    GC_gcollect();
    if (objects_are_disabled)
        GC_disable();
}

static inline void objects_check(size_t count)
{
    (void)count;
}

#endif
