/* objects.h: what the suites of the object layer share: a node with two references, and a diary in
 * which nodes of the telling types write what happens to them. */
#ifndef UNIT_OBJECTS_H
#define UNIT_OBJECTS_H

#include "molt_object.h"

#include <stddef.h>

struct node {
    MOLT_OBJECT;
    struct node *a, *b;
    int id;
    void (*on_finalize)(struct node *node); /* of telling nodes; may be NULL */
};

extern molt_type node_type;    /* nothing but its references */
extern molt_type telling_type; /* writes "f<id>" when finalized and "d<id>" when disposed of */

/* A node that is the caller's; never NULL. The references are shared with it. */
struct node *node_new(const molt_type *type, int id, struct node *a, struct node *b);

/* The same, but it gets the caller's references. */
struct node *node_take(const molt_type *type, int id, struct node *a, struct node *b);

/* A ring of `count` nodes (id, id + 1, …), linked by a; the first, which is the caller's. */
struct node *ring_new(const molt_type *type, int id, int count);

/* `count` rings of one node each without a reference from outside. */
void make_garbage(size_t count);

/* Adds a word to the diary. */
__attribute__((format(printf, 1, 2))) void diary_add(const char *format, ...);

/* What has been written since the last call, with a space between the words. */
const char *diary_read(void);

/* Telling nodes disposed of so far. */
size_t disposed_nodes(void);

/* A weak reference's callback: writes "w<arg>". */
void diary_weak(molt_weak *weak, void *id);

#define WEAK_ID(id) ((void *)(uintptr_t)(id))

#endif
