/* dom.c: a document tree whose nodes know their parents.
 *
 *            html
 *          ↗↙    ↖↘            Each node refers to its parent, its siblings and its children, and
 *       head ⇄ body            each of these references is counted. So every node lies on a circle,
 *             ↗↙  ↖↘           and counts alone would never free one.
 *           h1 ⇄ p
 *
 * Nobody has to think about that: a subtree is removed by taking it out of its place, and whatever
 * the program no longer holds goes with the next collection. A reference to one node keeps all that
 * can be reached from it, the parents too; a weak reference keeps nothing.
 *
 *     cc dom.c $(pkg-config --cflags --libs molt) && ./a.out */
#include <molt_object.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    MOLT_OBJECT;
    struct node *parent, *first, *last, *previous, *next;
    char *tag; /* the node's own, and no object */
};

/* The references are gone by now; what is left is what the library does not know. */
static void node_dispose(void *node)
{
    free(((struct node *)node)->tag);
}

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, parent, first, last, previous, next),
          .dispose = node_dispose);

/* A node without a place in a tree. The reference is the caller's. */
static struct node *node_new(const char *tag)
{
    struct node *node = molt_new(&node_type);
    if (node != NULL && (node->tag = strdup(tag)) == NULL)
        molt_clear(&node);
    if (node == NULL) {
        perror("node_new");
        exit(1);
    }
    return node;
}

/* Puts `child`, which has no place yet, behind the other children. */
static void node_append(struct node *parent, struct node *child)
{
    molt_set(&child->parent, parent);
    molt_set(&child->previous, parent->last);
    if (parent->last != NULL)
        molt_set(&parent->last->next, child);
    else
        molt_set(&parent->first, child);
    molt_set(&parent->last, child);
}

/* A new node as the last child of `parent`, which keeps it: borrowed. */
static struct node *node_add(struct node *parent, const char *tag)
{
    struct node *child = node_new(tag);
    node_append(parent, child);
    molt_release(child);
    return child;
}

/* Takes the node, with all below it, out of its tree. The tree's were perhaps the last references
 * to it, so the caller holds one. */
static void node_remove(struct node *node)
{
    struct node *parent = node->parent;
    if (node->previous != NULL)
        molt_set(&node->previous->next, node->next);
    else
        molt_set(&parent->first, node->next);
    if (node->next != NULL)
        molt_set(&node->next->previous, node->previous);
    else
        molt_set(&parent->last, node->previous);
    molt_clear(&node->previous);
    molt_clear(&node->next);
    molt_clear(&node->parent);
}

/* The first node with that tag in the tree, borrowed; NULL. */
static struct node *node_find(struct node *root, const char *tag)
{
    if (strcmp(root->tag, tag) == 0)
        return root;
    for (struct node *child = root->first; child != NULL; child = child->next) {
        struct node *found = node_find(child, tag);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static void node_print(const struct node *node)
{
    printf("<%s>", node->tag);
    for (const struct node *child = node->first; child != NULL; child = child->next)
        node_print(child);
    printf("</%s>", node->tag);
}

/* How many nodes there are in memory: in this program all objects are nodes. */
static size_t count_nodes(void)
{
    return molt_gc_objects(-1, NULL, NULL);
}

static struct node *make_document(void)
{
    struct node *html = node_new("html");
    node_add(node_add(html, "head"), "title");
    struct node *body = node_add(html, "body");
    node_add(body, "h1");
    struct node *table = node_add(body, "table");
    for (int i = 0; i < 3; i++)
        node_add(node_add(table, "tr"), "td");
    node_add(body, "p");
    return html;
}

int main(void)
{
    struct node *html = make_document();
    node_print(html);
    printf("\n%zu nodes\n", count_nodes());

    /* Out goes the table: one reference, and a weak one to see what becomes of it. */
    struct node *table = molt_retain(node_find(html, "table"));
    molt_weak *watched = molt_weak_new(table, NULL, NULL);
    node_remove(table);
    node_print(html);
    putchar('\n');

    /* A cell keeps its row, and that the table with all its rows: they know their parents. */
    struct node *cell = molt_retain(node_find(table, "td"));
    molt_clear(&table);
    molt_gc_collect(2);
    struct node *found = molt_weak_get(watched);
    printf("a cell is held: %zu nodes, %s is there\n", count_nodes(), found->tag);
    molt_clear(&found);

    /* Nobody refers to the table any more but its own rows, and they do not count. */
    molt_clear(&cell);
    long freed = molt_gc_collect(2);
    found = molt_weak_get(watched);
    printf("let go: %ld freed, %zu nodes, the table is %s\n", freed, count_nodes(),
           found == NULL ? "gone" : "there");
    molt_weak_free(watched);

    molt_clear(&html);
    molt_gc_collect(2);
    printf("%zu nodes\n", count_nodes());
}
