/* known.c: writes heap profiles of which all is known: known CASE MEAN FILE.
 *
 * Standard output has what a reader must find, a line for each row of the profile:
 *
 *     function  bytes of a block  bytes asked for  blocks in use  all blocks
 *
 * The cases: `mixed`, `kept` (no block is freed), `freed` (all are), `deep` (the deepest stacks),
 * `lost` (a stack without frames), `empty`. */
#include "profile/dump.h"
#include "profile/record.h"
#include "profile/site.h"
#include "profile/stack.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns an address inside of the calling function: that behind this call. */
__attribute__((noinline)) static uintptr_t here(void)
{
    return (uintptr_t)__builtin_return_address(0);
}

/* Functions with such an address each; not static, so that their names are seen. */
#define FUNCTION(name)                             \
    uintptr_t name(void);                          \
    __attribute__((noinline)) uintptr_t name(void) \
    {                                              \
        uintptr_t address = here();                \
        __asm__ volatile("" : "+r"(address));      \
        return address;                            \
    }
FUNCTION(alpha)
FUNCTION(beta)
FUNCTION(omega)

/* A function that ends in its call: where that returns to lies behind the function. */
void edge(void);
void behind_edge(void);
__asm__(".text\n"
        ".globl edge\n"
        ".type edge, %function\n"
        "edge: .skip 8\n"
        ".size edge, 8\n"
        ".globl behind_edge\n"
        ".type behind_edge, %function\n"
        "behind_edge: .skip 8\n"
        ".size behind_edge, 8\n");

static uintptr_t edge_address(void)
{
    return (uintptr_t)behind_edge;
}

struct row {
    const char *function;
    uintptr_t (*address)(void);
    size_t bytes, size;
    unsigned all, freed;
};

/* Blocks of all kinds: in pools, in runs, with a mapping of their own. */
static const struct row rows[] = {
    {"alpha", alpha, 16, 9, 1000, 400},     {"alpha", alpha, 48, 40, 3, 0},
    {"alpha", alpha, 8, 8, 777, 700},       {"beta", beta, 32768, 32000, 20, 11},
    {"beta", beta, 5242880, 5000000, 2, 2}, {"omega", omega, 1 << 20, 1 << 20, 5, 1},
    {"omega", omega, 16, 16, 1, 1},         {"edge", edge_address, 8, 1, 1000, 100},
};

static void add_row(const struct row *row, const char *which)
{
    uintptr_t frames[STACK_DEPTH_MAX];
    unsigned depth = strcmp(which, "deep") == 0 ? STACK_DEPTH_MAX : 2;
    unsigned freed = strcmp(which, "kept") == 0    ? 0
                     : strcmp(which, "freed") == 0 ? row->all
                                                   : row->freed;
    for (unsigned i = 0; i < depth; i++)
        frames[i] = i % 2 == 0 ? row->address() : here();
    if (strcmp(which, "lost") == 0)
        depth = 0;
    struct site *site =
        site_intern(stack_intern(frames, depth), row->bytes, "a tag: [1]", NULL, "a thread: [1]");
    if (site == NULL)
        exit(1);
    for (unsigned i = 0; i < row->all; i++)
        site_add(site, row->size, row->bytes);
    for (unsigned i = 0; i < freed; i++)
        site_remove(site, row->size, row->bytes);
    printf("%s %zu %zu %u %u\n", row->function, row->bytes, row->size, row->all - freed, row->all);
}

int main(int count, char **arguments)
{
    static struct output output;
    struct dump_facts facts = {DUMP_NOW, "for a test", "known", 1};
    if (count != 4)
        return 2;
    record_restart((size_t)atol(arguments[2]));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(arguments[1], "empty") != 0)
            add_row(&rows[i], arguments[1]);
    output_open(&output, arguments[3]);
    dump_write(&output, &facts);
    return output_close(&output);
}
