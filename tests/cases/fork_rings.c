// preload: no
/* Four threads make rings of objects as fast as they can, which is work for collections only, while
 * another one forks: then it is at no safepoint for as long as that takes. So collections are put
 * off; what waits to be freed stays little all the same, or each fork would take longer than the
 * one before. The children make rings and collect, too.
 */
#include "case.h"
#include "molt_object.h"

#include <sys/resource.h>

struct node {
    MOLT_OBJECT;
    struct node *next, *other;
    int id;
};

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next, other));

enum { MAKERS = 4, ROUNDS = 100, LIVE = 100000 };

static bool stop;

static void make_ring(void)
{
    struct node *one = molt_new(&node_type), *two = molt_new(&node_type);
    REQUIRE(one && two);
    molt_set(&one->next, two);
    molt_set(&two->next, one);
    molt_release(one);
    molt_release(two);
}

static void *make_rings(void *argument)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        make_ring();
    return argument;
}

static void make_and_collect(void)
{
    for (int i = 0; i < 200; i++)
        make_ring();
    _exit(molt_gc_collect(2) < 0);
}

static void wait_for_child(pid_t child)
{
    int status;
    molt_gc_blocking_begin();
    REQUIRE(waitpid(child, &status, 0) == child);
    molt_gc_blocking_end();
    CHECK_MSG(status == 0, "a child ended with status %#x", status);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(void)
{
    case_watchdog(70);
    pthread_t makers[MAKERS];
    struct node *list = NULL;
    for (int i = 0; i < LIVE; i++) {
        struct node *node = molt_new(&node_type);
        node->next = list;
        list = node;
    }
    long live = peak_kib();
    for (int i = 0; i < MAKERS; i++)
        REQUIRE(pthread_create(&makers[i], NULL, make_rings, NULL) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        molt_gc_blocking_begin();
        usleep(500);
        molt_gc_blocking_end();
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            make_and_collect();
        wait_for_child(child);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    molt_gc_blocking_begin();
    for (int i = 0; i < MAKERS; i++)
        pthread_join(makers[i], NULL);
    molt_gc_blocking_end();
    CHECK_MSG(peak_kib() <= 2 * live + (64 << 10), "%ld KiB at the peak, %ld with what lives",
              peak_kib(), live);
    molt_release(list);
    return case_end();
}
