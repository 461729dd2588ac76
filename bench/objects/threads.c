/* threads.c: one more reference and one less, by thread: threads COUNT.
 *
 *   owner     the thread that made the object
 *   foreign   another one, alone
 *   shared    both at the same time: per pair of operations of one thread
 *
 * The fastest of some parts, but of both at the same time all, and the slower of the two. */
#include PEER

#include <pthread.h>

static size_t count;
static struct node *object;
static pthread_barrier_t start_line;

enum { PARTS = 5 };

static double time_pairs(size_t pairs)
{
    struct node *n = object;
    double start = now_ns();
    for (size_t i = 0; i < pairs; i++) {
        node_retain(n);
        is_seen(n);
        node_release(n);
        is_seen(n);
    }
    return (now_ns() - start) / (double)pairs;
}

static double fastest_part(void)
{
    double fastest = time_pairs(count / PARTS);
    for (int part = 1; part < PARTS; part++) {
        double ns = time_pairs(count / PARTS);
        fastest = ns < fastest ? ns : fastest;
    }
    return fastest;
}

static void *foreign(void *ns)
{
    *(double *)ns = fastest_part();
    return NULL;
}

static void *shared(void *ns)
{
    pthread_barrier_wait(&start_line);
    *(double *)ns = time_pairs(count);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    double ns = 0, other_ns = 0;
    count = argument(argc, argv, 1);
    objects_begin();
    object = node_new(NULL, NULL);

    figure(fastest_part(), "owner, ns");

    if (pthread_create(&thread, NULL, foreign, &ns) != 0)
        fail("no thread");
    pthread_join(thread, NULL);
    figure(ns, "foreign, ns");

    pthread_barrier_init(&start_line, NULL, 2);
    if (pthread_create(&thread, NULL, shared, &other_ns) != 0)
        fail("no thread");
    shared(&ns);
    pthread_join(thread, NULL);
    figure(ns > other_ns ? ns : other_ns, "shared, ns");
    node_drop(&object);
    return 0;
}
