/* collect.c: full collections of a heap without garbage: collect COUNT.
 *
 *   list     in the order of allocation
 *   tree     binary, allocated from the left to the right
 *   graph    a ring through all objects in random order, and from each to a random one
 *   array    one array that refers to them all
 *
 * For each the first collection, of objects that are all new, and the fastest of a few more. */
#include PEER

#include <stdbool.h>

enum { AGAIN = 3 };

static struct node *root;
static struct array *array;

static struct node *build_tree(size_t count)
{
    if (count == 0)
        return NULL;
    struct node *left = build_tree((count - 1) / 2);
    struct node *right = build_tree(count - 1 - (count - 1) / 2);
    return node_new(left, right);
}

static void make_list(size_t count)
{
    root = node_new(NULL, NULL);
    for (struct node *last = root; --count > 0; last = last->left)
        last->left = node_new(NULL, NULL);
}

static void make_tree(size_t count)
{
    root = build_tree(count);
}

static void make_array(size_t count)
{
    array = array_new(count);
    for (size_t i = 0; i < count; i++)
        array->at[i] = node_new(NULL, NULL);
}

static void make_graph(size_t count)
{
    uint64_t random = 1;
    make_array(count);
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = random_below(&random, i + 1);
        struct node *n = array->at[i];
        array->at[i] = array->at[other];
        array->at[other] = n;
    }
    for (size_t i = 0; i < count; i++) {
        struct node *n = array->at[i];
        node_set(&n->left, array->at[i + 1 < count ? i + 1 : 0]);
        node_set(&n->right, array->at[random_below(&random, count)]);
    }
    node_set(&root, array->at[0]);
    array_drop(&array);
}

static double collection_ns(size_t count)
{
    double start = now_ns();
    objects_collect();
    return (now_ns() - start) / (double)count;
}

static void measure(const char *shape, void (*make)(size_t count), size_t count)
{
    make(count);
    figure(collection_ns(count), "%s, first, ns per object", shape);
    double fastest = collection_ns(count);
    for (int i = 1; i < AGAIN; i++) {
        double ns = collection_ns(count);
        fastest = ns < fastest ? ns : fastest;
    }
    figure(fastest, "%s, ns per object", shape);
    if (root)
        node_drop(&root);
    if (array)
        array_drop(&array);
    objects_collect();
}

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1);
    objects_begin();
    objects_disable();
    measure("list", make_list, count);
    measure("tree", make_tree, count);
    measure("graph", make_graph, count);
    measure("array", make_array, count);
    return 0;
}
