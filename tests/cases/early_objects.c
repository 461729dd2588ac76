// preload: no
/* Objects that are made before any constructor has run, by a function of .preinit_array: the
 * collector has not filled in the object layer's hooks by then.
 *
 * What loses its last reference dies at once all the same, and so does a thread that has objects;
 * rings stay until the constructors have run. Then a collection stops all threads and frees them.
 */
#include "case.h"
#include "molt_object.h"

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

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next), .finalize = count_finalized);

enum { RINGS = 3000 }; /* more objects than make a collection due */

static struct node *kept; /* made by a thread that has ended */

static void make_rings(void)
{
    for (int i = 0; i < RINGS; i++) {
        struct node *node = molt_new(&node_type);
        REQUIRE(node);
        molt_set(&node->next, node);
        molt_release(node);
    }
}

static void *make_in_thread(void *argument)
{
    make_rings();
    kept = molt_new(&node_type);
    return argument;
}

static void before_constructors(void)
{
    pthread_t thread;
    make_rings();
    REQUIRE(pthread_create(&thread, NULL, make_in_thread, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(finalized == 0);
    molt_release(molt_new(&node_type));
    CHECK(finalized == 1);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const early)(void) = before_constructors;

int main(void)
{
    struct molt_gc_stats stats;
    CHECK(molt_gc_collect(2) == 2 * RINGS);
    CHECK(finalized == 2 * RINGS + 1);
    molt_release(kept);
    CHECK(finalized == 2 * RINGS + 2);
    make_rings();
    CHECK(molt_gc_get_stats(0, &stats) == 0 && stats.collections > 0 && stats.skipped == 0);
    CHECK(finalized > 2 * RINGS + 2);
    return case_end();
}
