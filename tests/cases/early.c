/* The first allocations come before main and before the allocator's own constructor.
 *
 * A .preinit_array function, a library's constructors of every priority; the blocks are freed much
 * later, and some in destructors after main. The allocator must be ready at its first call,
 * whenever that is, and must not depend on its own constructor.
 */
#include "case.h"

enum { EARLY_BLOCKS = 64 };

extern void *early_blocks[EARLY_BLOCKS];

static char *from_preinit, *from_constructor;

static void preinit(void)
{
    from_preinit = malloc(500);
    if (from_preinit)
        fill_bytes(from_preinit, 500, 'p');
    free(calloc(1000, 7));
}

typedef void preinit_function(void);

__attribute__((section(".preinit_array"), used)) static preinit_function *run_preinit = preinit;

__attribute__((constructor(101))) static void constructor(void)
{
    from_constructor = realloc(malloc(300), 600);
    if (from_constructor)
        fill_bytes(from_constructor, 600, 'c');
}

__attribute__((destructor)) static void destructor(void)
{
    free(from_constructor);
    free(malloc(5000));
}

static void *free_in_thread(void *block)
{
    free(block);
    return malloc(100);
}

int main(void)
{
    case_watchdog(60);
    (void)run_preinit;
    REQUIRE(from_preinit && from_constructor);
    CHECK(has_bytes(from_preinit, 500, 'p'));
    CHECK(has_bytes(from_constructor, 600, 'c'));
    from_preinit = realloc(from_preinit, 5000);
    REQUIRE(from_preinit);
    CHECK(has_bytes(from_preinit, 500, 'p'));
    free(in_thread(free_in_thread, from_preinit));
    for (size_t i = 0; i < EARLY_BLOCKS; i++) {
        CHECK(early_blocks[i] && has_bytes(early_blocks[i], (i + 1) * 97, (unsigned)i));
        free(early_blocks[i]);
    }
    return case_end();
}
