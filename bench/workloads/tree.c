/* tree.c: binary trees built, walked and dropped.
 *
 * Linked structures as parsers and functional programs make them: full trees of each even depth up
 * to DEPTH, as many nodes of each depth in all, beside OLD_TREES that live to the end. Nodes have
 * a few words, not always as many, behind their links. The pattern goes back to Boehm's
 * GCBench and the binary-trees of the Benchmarks Game.
 *
 * This shows the cost of one small block and how near neighbours in the tree come to lie. Bad: a
 * header per block that spreads the nodes, or reuse in an order that scatters the next tree. */
#include "workload.h"

enum {
    DEPTH_LEAST = 4,
    DEPTH = 14,
    OLD_DEPTH = 12,
    OLD_TREES = 16, /* of all threads */
    TOTAL = 80,     /* cycles of all threads */
    PAYLOAD_WORDS = 4,
};

struct node {
    struct node *left;
    struct node *right;
    uint64_t check;     /* of its own address and size */
    uint64_t payload[]; /* 1 to PAYLOAD_WORDS words */
};

static struct node *old_trees[OLD_TREES];

static uint64_t node_check(const struct node *node, size_t words)
{
    return (uint64_t)(uintptr_t)node * PAGE + words;
}

static struct node *tree_build(struct worker *worker, unsigned depth)
{
    size_t words = 1 + random_below(worker, PAYLOAD_WORDS);
    size_t size = sizeof(struct node) + words * WORD;
    struct node *node = malloc(size);
    pointer_check(node, size, ALIGNMENT);
    count_get(worker, size);
    node->check = node_check(node, words);
    node->payload[words - 1] = node->check;
    node->left = depth > 0 ? tree_build(worker, depth - 1) : NULL;
    node->right = depth > 0 ? tree_build(worker, depth - 1) : NULL;
    return node;
}

static size_t node_words(const struct node *node)
{
    size_t words = (size_t)(node->check % PAGE);
    if (words == 0 || words > PAYLOAD_WORDS || node->check != node_check(node, words) ||
        node->payload[words - 1] != node->check)
        fail("node %p was overwritten", (const void *)node);
    return words;
}

static uint64_t tree_nodes(const struct node *node)
{
    if (node == NULL)
        return 0;
    node_words(node);
    return 1 + tree_nodes(node->left) + tree_nodes(node->right);
}

static void tree_drop(struct worker *worker, struct node *node)
{
    if (node == NULL)
        return;
    tree_drop(worker, node->left);
    tree_drop(worker, node->right);
    count_put(worker, sizeof(struct node) + node_words(node) * WORD);
    free(node);
}

static void tree_check(const struct node *tree, unsigned depth)
{
    if (tree_nodes(tree) != (UINT64_C(2) << depth) - 1)
        fail("tree %p has lost nodes", (const void *)tree);
}

static void build_and_drop(struct worker *worker, unsigned depth)
{
    struct node *tree = tree_build(worker, depth);
    tree_check(tree, depth);
    tree_drop(worker, tree);
}

static void grow_woods(struct worker *worker)
{
    for (unsigned i = worker->number; i < OLD_TREES; i += thread_count)
        old_trees[i] = tree_build(worker, OLD_DEPTH);
    uint64_t cycles = share(worker, TOTAL);
    for (uint64_t cycle = 0; cycle < cycles; cycle++)
        for (unsigned depth = DEPTH_LEAST; depth <= DEPTH; depth += 2)
            for (unsigned i = 0; i < 1U << (DEPTH - depth); i++)
                build_and_drop(worker, depth);
}

static void run(void)
{
    run_threads(grow_woods);
}

static void drop(void)
{
    for (unsigned i = 0; i < OLD_TREES; i++) {
        tree_check(old_trees[i], OLD_DEPTH);
        tree_drop(&main_worker, old_trees[i]);
    }
}

const struct workload workload = {.least_threads = 1, .run = run, .drop = drop};
