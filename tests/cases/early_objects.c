// preload: no
/* Objects that are made before any constructor has run, by a function of .preinit_array: the
 * collector serves them as it does later ones.
 *
 * Rings are freed by collections that come by themselves. A thread that ends in the middle of a
 * collection gives that up, so others can collect. A child that is forked there does not wait for
 * the parent's threads.
 */
#include "case.h"
#include "molt_object.h"

#include <sys/wait.h>
#include <unistd.h>

struct node {
    MOLT_OBJECT;
    struct node *next;
};

static int finalized;

static void count_finalized(void *object)
{
    (void)object;
    __atomic_add_fetch(&finalized, 1, __ATOMIC_RELAXED);
}

static void end_thread(void *object)
{
    (void)object;
    pthread_exit(NULL);
}

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next), .finalize = count_finalized);
MOLT_TYPE(end_type, struct node, MOLT_REFS(struct node, next), .finalize = end_thread);

enum { RINGS = 3000 }; /* more objects than make a collection due */

static struct node *kept; /* made by a thread that has ended */

static struct node *make_ring(molt_type *type)
{
    struct node *node = molt_new(type);
    REQUIRE(node);
    molt_set(&node->next, node);
    return node;
}

static void make_rings(void)
{
    for (int i = 0; i < RINGS; i++)
        molt_release(make_ring(&node_type));
}

static void *make_in_thread(void *argument)
{
    make_rings();
    kept = molt_new(&node_type);
    return argument;
}

static void *end_in_collection(void *argument)
{
    molt_release(make_ring(&end_type));
    molt_gc_collect(2);
    return argument;
}

static void *wait_for_ever(void *argument)
{
    molt_release(molt_new(&node_type));
    __atomic_store_n((int *)argument, 1, __ATOMIC_RELEASE);
    while (pause())
        continue;
    return argument;
}

static void run_thread(void *(*run)(void *))
{
    pthread_t thread;
    molt_gc_blocking_begin();
    REQUIRE(pthread_create(&thread, NULL, run, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    molt_gc_blocking_end();
}

/* The status of a child. In this process, too, the waiting thread is never ended. */
static int collect_in_child(void)
{
    int is_ready = 0, status = 0;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, wait_for_ever, &is_ready) == 0);
    while (!__atomic_load_n(&is_ready, __ATOMIC_ACQUIRE))
        usleep(1000);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        molt_release(make_ring(&node_type));
        _exit(molt_gc_collect(2) > 0 ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

static void fork_with_thread(void)
{
    int status = 0;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(collect_in_child() == 0 ? 0 : 1);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

static void before_constructors(void)
{
    make_rings();
    CHECK(finalized > 0 && finalized < RINGS);
    run_thread(make_in_thread);
    CHECK(molt_gc_collect(2) >= 0);
    CHECK(finalized == 2 * RINGS);
    run_thread(end_in_collection);
    CHECK(molt_gc_collect(2) == 0);
    fork_with_thread();
}

__attribute__((section(".preinit_array"),
               used)) static void (*const early)(void) = before_constructors;

int main(void)
{
    struct molt_gc_stats stats;
    molt_release(kept);
    CHECK(finalized == 2 * RINGS + 1);
    make_rings();
    CHECK(molt_gc_get_stats(0, &stats) == 0 && stats.collections > 0 && stats.skipped == 0);
    return case_end();
}
