/* Few mappings: a process may have 65,530, and every one costs the kernel time.
 *
 * A heap of 1 GiB in small, medium and large blocks adds at most 100 lines to /proc/self/maps, also
 * when every other block is free and the free pages went back to the OS (guard pages by mprotect
 * or purging by PROT_NONE or munmap cost two each; hardened_malloc and mimalloc ran out).
 */
#include "case.h"
#include <malloc.h>

enum { ALLOWED = 100 };

static void check_count(size_t before, size_t size, const char *when)
{
    size_t added = growth(before, mapping_count());
    CHECK_MSG(added <= ALLOWED, "1 GiB in blocks of %zu, %s: %zu mappings more", size, when, added);
}

static void heap_of(size_t size)
{
    size_t count = GIB / size;
    void **blocks = malloc(count * sizeof *blocks);
    REQUIRE(blocks);
    size_t before = mapping_count();
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        REQUIRE(blocks[i]);
    }
    check_count(before, size, "all live");
    for (size_t i = 0; i < count; i += 2)
        free(blocks[i]);
    check_count(before, size, "every other one freed");
    malloc_trim(0);
    check_count(before, size, "after malloc_trim");
    for (size_t i = 1; i < count; i += 2)
        free(blocks[i]);
    malloc_trim(0);
    check_count(before, size, "all freed");
    free(blocks);
}

int main(void)
{
    case_watchdog(60);
    static const size_t sizes[] = {500, 5000, 20000, 300000, MIB + 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        heap_of(sizes[i]);
    return case_end();
}
