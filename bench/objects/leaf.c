/* leaf.c: objects without references are made and dropped: leaf COUNT.
 *
 * One at a time, and in batches that are dropped first in, first out; the fastest of some parts. A
 * collector without counts has its collections in the figure, since a part is much more than its
 * heap. */
#include PEER

enum { BATCH = 1000, PARTS = 5 };

static void one_at_a_time(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *leaf = leaf_new();
        is_seen(leaf);
        leaf_drop(leaf);
    }
}

static void in_batches(size_t count)
{
    static void *leaves[BATCH];
    for (size_t done = 0; done < count; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            leaves[i] = leaf_new();
        is_seen(leaves);
        for (size_t i = 0; i < BATCH; i++)
            leaf_drop(leaves[i]);
    }
}

static void time_of(void (*work)(size_t count), size_t count, const char *name)
{
    double fastest = 0;
    for (int part = 0; part < PARTS; part++) {
        double start = now_ns();
        work(count / PARTS);
        double ns = (now_ns() - start) / (double)(count / PARTS);
        fastest = part == 0 || ns < fastest ? ns : fastest;
    }
    figure(fastest, "%s, ns", name);
}

int main(int argc, char **argv)
{
    size_t count = argument(argc, argv, 1);
    objects_begin();
    time_of(one_at_a_time, count, "one at a time");
    time_of(in_batches, count, "batches of 1000");
    return 0;
}
