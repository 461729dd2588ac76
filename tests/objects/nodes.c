/* nodes.c: for the script `mirror`: nodes that it knows by number, and what happens to them. */
#include "molt_object.h"

#include <stdio.h>
#include <string.h>

#define NODES 4096
#define EXPORT __attribute__((visibility("default")))

enum { NOTHING, REVIVE, UNLINK, RELINK };

struct node {
    MOLT_OBJECT;
    struct node *slot[2];
    int id, action;
};

static struct node *nodes[NODES];
static molt_weak *weak[NODES];
static char events[65536];

static void note(char what, int id)
{
    size_t length = strlen(events);
    snprintf(events + length, sizeof events - length, "%c%d ", what, id);
}

static void finalize(void *object)
{
    struct node *node = object;
    note('f', node->id);
    if (node->action == REVIVE)
        molt_retain(node);
    else if (node->action == UNLINK)
        molt_clear(&node->slot[0]);
    else if (node->action == RELINK)
        molt_set(&node->slot[1], node);
}

static void dispose(void *object)
{
    note('d', ((struct node *)object)->id);
}

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, slot[0], slot[1]), .finalize = finalize,
          .dispose = dispose);

EXPORT void node_new(int id, int action)
{
    nodes[id] = molt_new(&node_type);
    nodes[id]->id = id;
    nodes[id]->action = action;
}

/* target -1: none. */
EXPORT void node_set(int id, int slot, int target)
{
    molt_set(&nodes[id]->slot[slot], target < 0 ? NULL : nodes[target]);
}

EXPORT void node_retain(int id)
{
    molt_retain(nodes[id]);
}

EXPORT void node_release(int id)
{
    molt_release(nodes[id]);
}

static void on_death(molt_weak *of, void *id)
{
    (void)of;
    note('w', (int)(intptr_t)id);
}

EXPORT void node_watch(int id)
{
    weak[id] = molt_weak_new(nodes[id], on_death, (void *)(intptr_t)id);
}

EXPORT void node_unwatch(int id)
{
    molt_weak_free(weak[id]);
    weak[id] = NULL;
}

/* What has happened since the last call. */
EXPORT const char *node_events(void)
{
    static char copy[sizeof events];
    strcpy(copy, events);
    events[0] = '\0';
    return copy;
}
