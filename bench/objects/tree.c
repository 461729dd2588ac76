/* tree.c: full binary trees are built and dropped: tree DEPTH PASSES.
 *
 * Collections run by themselves. The first pass is not counted; the figure is the mean of the
 * others, so that every collection which the work brings about is in it. */
#include PEER

static struct node *build(size_t depth)
{
    if (depth == 0)
        return node_new(NULL, NULL);
    struct node *left = build(depth - 1);
    struct node *right = build(depth - 1);
    return node_new(left, right);
}

int main(int argc, char **argv)
{
    size_t depth = argument(argc, argv, 1), passes = argument(argc, argv, 2);
    double nodes = (double)((size_t)2 << depth) - 1;
    double build_ns = 0, drop_ns = 0;

    objects_begin();
    for (size_t pass = 0; pass <= passes; pass++) {
        double start = now_ns();
        struct node *root = build(depth);
        double built = now_ns();
        is_seen(root);
        node_drop(&root);
        if (pass > 0) {
            build_ns += built - start;
            drop_ns += now_ns() - built;
        }
    }
    nodes *= (double)passes;
    figure((build_ns + drop_ns) / nodes, "build and drop, ns per node");
    figure(build_ns / nodes, "… build, ns per node");
    figure(drop_ns / nodes, "… drop, ns per node");
    return 0;
}
