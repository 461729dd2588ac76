/* peer_gobject.h: GLib's GObject: types with classes, atomic counts. */
#ifndef PEER_GOBJECT_H
#define PEER_GOBJECT_H

#include "objects.h"

#include <glib-object.h>

struct node {
    GObject object;
    struct node *left, *right;
};

struct node_class {
    GObjectClass object;
};

GType node_get_type(void);

typedef struct node Node;
typedef struct node_class NodeClass;
G_DEFINE_TYPE(Node, node, G_TYPE_OBJECT)

static void node_finalize(GObject *object)
{
    struct node *n = (struct node *)object;
    if (n->left)
        g_object_unref(n->left);
    if (n->right)
        g_object_unref(n->right);
    G_OBJECT_CLASS(node_parent_class)->finalize(object);
}

static void node_class_init(NodeClass *class)
{
    class->object.finalize = node_finalize;
}

static void node_init(Node *n)
{
    (void)n;
}

static inline void objects_begin(void)
{
    g_type_ensure(node_get_type());
}

static inline struct node *node_new(struct node *left, struct node *right)
{
    struct node *n = g_object_new(node_get_type(), NULL);
    n->left = left;
    n->right = right;
    return n;
}

static inline void node_drop(struct node **root)
{
    g_object_unref(g_steal_pointer(root));
}

static inline void node_retain(struct node *n)
{
    g_object_ref(n);
}

static inline void node_release(struct node *n)
{
    g_object_unref(n);
}

/* A plain GObject is smaller than a leaf with LEAF_BYTES could be. */
static inline GObject *leaf_new(void)
{
    return g_object_new(G_TYPE_OBJECT, NULL);
}

static inline void leaf_drop(void *leaf)
{
    g_object_unref(leaf);
}

#endif
