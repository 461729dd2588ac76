/* peer_grcbox.h: GLib's GRcBox, blocks with a count in front. */
#ifndef PEER_GRCBOX_H
#define PEER_GRCBOX_H

#include "objects.h"

#include <glib.h>

struct node {
    struct node *left, *right;
};

struct leaf {
    uint64_t payload[LEAF_BYTES / 8 - 1];
};

static inline void objects_begin(void)
{
}

static inline struct node *node_new(struct node *left, struct node *right)
{
    struct node *n = g_rc_box_new(struct node);
    n->left = left;
    n->right = right;
    return n;
}

__attribute__((unused)) static void node_clear(gpointer object)
{
    struct node *n = object;
    if (n->left)
        g_rc_box_release_full(n->left, node_clear);
    if (n->right)
        g_rc_box_release_full(n->right, node_clear);
}

static inline void node_drop(struct node **root)
{
    g_rc_box_release_full(g_steal_pointer(root), node_clear);
}

static inline struct leaf *leaf_new(void)
{
    return g_rc_box_new0(struct leaf);
}

static inline void leaf_drop(struct leaf *leaf)
{
    g_rc_box_release(leaf);
}

#endif
