/* instructions.c: operations on objects, to be counted under callgrind (bench/run counts).
 *
 *   retain     one more reference, by the owner
 *   release    one less
 *   leaf       molt_new of a type without references, molt_release
 *   tracked    the same with two references, which stay NULL
 *
 * Counts include the loop and the calls through the PLT. Argument: which one, and the rounds. */
#include <molt_object.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    MOLT_OBJECT;
    uint64_t payload[3];
};

struct node {
    MOLT_OBJECT;
    struct node *left, *right;
};

MOLT_TYPE(leaf_type, struct leaf, .flags = MOLT_LEAF);
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, left, right));

static void *volatile sink;

static void retain(long rounds)
{
    struct leaf *leaf = molt_new(&leaf_type);
    for (long i = 0; i < rounds; i++)
        sink = molt_retain(leaf);
}

static void release(long rounds)
{
    struct leaf *leaf = molt_new(&leaf_type);
    leaf->molt_base.molt_header += MOLT_COUNT_ONE * (uint64_t)rounds; /* retained without a loop */
    sink = leaf;
    for (long i = 0; i < rounds; i++)
        molt_release(sink);
}

static void make_and_release(const molt_type *type, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        sink = molt_new(type);
        molt_release(sink);
    }
}

static void leaf(long rounds)
{
    make_and_release(&leaf_type, rounds);
}

static void tracked(long rounds)
{
    make_and_release(&node_type, rounds);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long rounds);
    } loops[] = {{"retain", retain}, {"release", release}, {"leaf", leaf}, {"tracked", tracked}};
    for (size_t i = 0; argc == 3 && i < sizeof loops / sizeof loops[0]; i++) {
        if (strcmp(argv[1], loops[i].name) == 0) {
            loops[i].run(strtol(argv[2], NULL, 10));
            return 0;
        }
    }
    fprintf(stderr, "usage: %s retain|release|leaf|tracked ROUNDS\n", argv[0]);
    return 2;
}
