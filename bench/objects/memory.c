/* memory.c: the resident set of a list of objects with two references: memory COUNT.
 *
 * Collections run by themselves. All figures are the growth since before the first object, by
 * object. */
#include PEER

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1);
    struct node *first = NULL;
    objects_begin();
    node_drop(&(struct node *){node_new(NULL, NULL)});
    peak_reset();
    double before = (double)resident_bytes();
    for (size_t i = 0; i < count; i++)
        first = node_new(first, NULL);
    is_seen(first);
    figure(((double)resident_bytes() - before) / (double)count, "now, bytes per object");
    figure(((double)peak_bytes() - before) / (double)count, "peak, bytes per object");
#ifdef PEER_COLLECTS
    objects_collect();
    figure(((double)peak_bytes() - before) / (double)count,
           "peak with a full collection, bytes per object");
    is_seen(first);
#endif
    return 0;
}
