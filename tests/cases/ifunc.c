/* A library's IFUNC resolver allocates while the program is still being relocated.
 *
 * That early the thread's TLS is there but holds zeroes: the loader copies the initial values of
 * thread-local variables only after the last relocation, over whatever was stored in them. So the
 * allocator must take zeroes for "no heap yet", and a heap that is forgotten once; the resolver's
 * blocks must be whole and freeable afterwards. glibc works; jemalloc and mimalloc crash.
 */
#include "case.h"

char *ifunc_block(size_t index);
int ifunc_chosen(void);

/* Resolved when the program is relocated, not at the first call. */
static int (*volatile chosen)(void) = ifunc_chosen;

static void *free_in_thread(void *block)
{
    free(block);
    return malloc(100);
}

int main(void)
{
    case_watchdog(20);
    CHECK(chosen() == 42);
    for (size_t i = 0; ifunc_block(i); i++) {
        char *block = ifunc_block(i);
        CHECK(has_bytes(block, (i + 1) * 50, 'r'));
        block = realloc(block, (i + 1) * 100);
        REQUIRE(block);
        CHECK(has_bytes(block, (i + 1) * 50, 'r'));
        free(i % 2 ? block : in_thread(free_in_thread, block));
    }
    for (size_t i = 0; i < 5000; i++)
        free(malloc(i));
    return case_end();
}
