/* pauses.c: how long collections stop a program: pauses LIVE SECONDS.
 *
 * LIVE objects, then for some seconds a thousand rings of two a second, made and dropped at an even
 * pace, collected automatically. A pause is what the collector's callbacks tell; molt_new is timed
 * by itself beside that, so a pause that the callbacks do not show is seen. Some seconds have few
 * pauses: a million such rings without a pace follow, which have thousands. What the machine does
 * in between counts too. */
#include PEER

#include <stdbool.h>
#include <stdlib.h>

enum { RINGS_PER_SECOND = 1000, RINGS_UNPACED = 1000000, MOST = 1 << 20, COLLECTIONS = 3 };

/* Durations in ns. */
struct times {
    size_t count;
    double at[MOST];
};

static struct times pauses, calls;

static void note(struct times *times, double ns)
{
    if (times->count < MOST)
        times->at[times->count++] = ns;
}

static void note_pause(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)arg;
    if (phase == MOLT_GC_STOP)
        note(&pauses, (double)info->duration_ns);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_us(const struct times *sorted, double fraction)
{
    size_t rank = (size_t)(fraction * (double)sorted->count);
    if (sorted->count == 0)
        return 0;
    return sorted->at[rank < sorted->count ? rank : sorted->count - 1] / 1e3;
}

static void sort(struct times *times)
{
    qsort(times->at, times->count, sizeof times->at[0], compare);
}

static void print(const char *what, struct times *times)
{
    sort(times);
    figure(quantile_us(times, 0.5), "%s, p50, us", what);
    figure(quantile_us(times, 0.99), "%s, p99, us", what);
    figure(quantile_us(times, 0.999), "%s, p99.9, us", what);
    figure(quantile_us(times, 1), "%s, max, us", what);
}

static struct node *build(size_t count)
{
    if (count == 0)
        return NULL;
    struct node *left = build((count - 1) / 2);
    struct node *right = build(count - 1 - (count - 1) / 2);
    return node_new(left, right);
}

static struct node *timed_new(void)
{
    double start = now_ns();
    struct node *n = node_new(NULL, NULL);
    note(&calls, now_ns() - start);
    return n;
}

static void make_ring(void)
{
    struct node *one = timed_new();
    one->left = timed_new();
    node_set(&one->left->left, one);
    node_drop(&one);
}

static void make_rings(size_t seconds)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (size_t i = 0; i < seconds * RINGS_PER_SECOND; i++) {
        make_ring();
        due.tv_nsec += 1000000000 / RINGS_PER_SECOND;
        if (due.tv_nsec >= 1000000000) {
            due.tv_nsec -= 1000000000;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
}

int main(int argc, char **argv)
{
    size_t live = argument(argc, argv, 1), seconds = argument(argc, argv, 2);
    objects_begin();
    if (molt_gc_add_callback(note_pause, NULL) != 0)
        fail("no callback");
    struct node *root = build(live);
    sort(&pauses);
    figure(quantile_us(&pauses, 1), "growing, max, us");
    make_rings(1); /* what building has left behind is not what is asked for */
    pauses.count = calls.count = 0;
    make_rings(seconds);
    print("pause", &pauses);
    print("molt_new", &calls);
    pauses.count = 0;
    for (size_t i = 0; i < RINGS_UNPACED; i++)
        make_ring();
    print("unpaced pause", &pauses);
    double fastest = 0;
    for (int i = 0; i < COLLECTIONS; i++) {
        double start = now_ns();
        objects_collect();
        double ns = now_ns() - start;
        fastest = i == 0 || ns < fastest ? ns : fastest;
    }
    figure(fastest / 1e3, "molt_gc_collect(2), us");
    node_drop(&root);
    return 0;
}
