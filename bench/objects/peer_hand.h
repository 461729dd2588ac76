/* peer_hand.h: malloc, and a free written by hand: who holds the root frees the tree. With
 * PEER_HEADER a node has as many bytes as one of molt's. */
#ifndef PEER_HAND_H
#define PEER_HAND_H

#include "objects.h"

#include <stdlib.h>

struct node {
#ifdef PEER_HEADER
    uint64_t value;
#endif
    struct node *left, *right;
};

struct leaf {
    uint64_t payload[LEAF_BYTES / 8];
};

static inline void objects_begin(void)
{
}

static inline struct node *node_new(struct node *left, struct node *right)
{
    struct node *n = not_null(malloc(sizeof *n));
#ifdef PEER_HEADER
    n->value = 1;
#endif
    n->left = left;
    n->right = right;
    return n;
}

__attribute__((unused)) static void node_free(struct node *n)
{
    if (n == NULL)
        return;
    node_free(n->left);
    node_free(n->right);
    free(n);
}

static inline void node_drop(struct node **root)
{
    node_free(*root);
    *root = NULL;
}

static inline struct leaf *leaf_new(void)
{
    return not_null(malloc(sizeof(struct leaf)));
}

static inline void leaf_drop(struct leaf *leaf)
{
    free(leaf);
}

#endif
