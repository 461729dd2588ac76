// preload: no
/* A constructor of a program that is linked with libmolt.a may run before the library's own. What
 * it makes first, and lets go in a handler that it registers then, the last collection finds: it
 * comes after the handler. So it is with a static object of C++, and its destructor.
 */
#include "case.h"
#include "molt_object.h"

struct node {
    MOLT_OBJECT;
    struct node *next;
};

static bool is_released, is_finalized;

static void note_finalized(void *object)
{
    (void)object;
    is_finalized = is_released;
}

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next), .finalize = note_finalized);

static struct node *held; /* a ring */

static void release_held(void)
{
    is_released = true;
    molt_release(held);
}

__attribute__((constructor)) static void make_held(void)
{
    held = molt_new(&node_type);
    REQUIRE(held);
    molt_set(&held->next, held);
    REQUIRE(atexit(release_held) == 0);
}

__attribute__((destructor)) static void check_finalized(void)
{
    if (!is_finalized)
        _exit(1);
}

int main(void)
{
    return case_end();
}
