/* rings.c: rings of 2, 10 and 100 objects are made, dropped and collected: rings COUNT.
 *
 * COUNT objects in all. Collections run by themselves, and a full one comes at the end; then once
 * more with that one alone. */
#include PEER

static void make_ring(size_t length)
{
    struct node *first = node_new(NULL, NULL), *last = first;
    for (size_t i = 1; i < length; i++) {
        last->left = node_new(NULL, NULL);
        last = last->left;
    }
    node_set(&last->left, first);
    node_drop(&first);
}

static size_t made;

static double ns_per_object(size_t count, size_t length)
{
    size_t rings = count / length;
    double start = now_ns();
    for (size_t i = 0; i < rings; i++)
        make_ring(length);
    objects_collect();
    made += rings * length;
    return (now_ns() - start) / (double)(rings * length);
}

int main(int argc, char **argv)
{
    static const size_t lengths[] = {2, 10, 100};
    size_t count = argument(argc, argv, 1);
    objects_begin();
    ns_per_object(count, 2);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        figure(ns_per_object(count, lengths[i]), "of %zu, ns per object", lengths[i]);
    objects_disable();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        figure(ns_per_object(count, lengths[i]), "of %zu at once, ns per object", lengths[i]);
    objects_check(made);
    return 0;
}
