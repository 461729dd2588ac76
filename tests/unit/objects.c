/* objects.c: nodes and their diary. */
#include "objects.h"
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char diary[4096], read_part[4096];
static size_t disposed;

void diary_add(const char *format, ...)
{
    char word[100];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    if (strlen(diary) + strlen(word) + 2 > sizeof diary)
        return;
    if (diary[0] != '\0')
        strcat(diary, " ");
    strcat(diary, word);
}

const char *diary_read(void)
{
    strcpy(read_part, diary);
    diary[0] = '\0';
    return read_part;
}

size_t disposed_nodes(void)
{
    return disposed;
}

void diary_weak(molt_weak *weak, void *id)
{
    REQUIRE(molt_weak_get(weak) == NULL, "the object is still to be had");
    diary_add("w%d", (int)(uintptr_t)id);
}

static void finalize_node(void *object)
{
    struct node *node = object;
    diary_add("f%d", node->id);
    if (node->on_finalize != NULL)
        node->on_finalize(node);
}

static void dispose_node(void *object)
{
    struct node *node = object;
    disposed++;
    diary_add("d%d", node->id);
}

#define NODE_FIELDS                                     \
    .name = "struct node", .size = sizeof(struct node), \
    .refs = (const uint16_t[]){offsetof(struct node, a), offsetof(struct node, b)}, .ref_count = 2

molt_type node_type = {NODE_FIELDS};
molt_type telling_type = {NODE_FIELDS, .finalize = finalize_node, .dispose = dispose_node};

struct node *node_take(const molt_type *type, int id, struct node *a, struct node *b)
{
    struct node *node = molt_new(type);
    REQUIRE(node != NULL, "no memory for a node");
    node->id = id;
    node->a = a;
    node->b = b;
    return node;
}

struct node *node_new(const molt_type *type, int id, struct node *a, struct node *b)
{
    return node_take(type, id, molt_retain(a), molt_retain(b));
}

struct node *ring_new(const molt_type *type, int id, int count)
{
    struct node *first = node_take(type, id, NULL, NULL), *last = first;
    for (int i = 1; i < count; i++) {
        last->a = node_take(type, id + i, NULL, NULL);
        last = last->a;
    }
    molt_set(&last->a, first);
    return first;
}

void make_garbage(size_t count)
{
    for (size_t i = 0; i < count; i++)
        molt_release(ring_new(&node_type, 0, 1));
}
