/* Metadata is out of reach: writing on past the end of a block, over the blocks behind it, hits
 * only blocks.
 *
 * A stretch of neighbouring live blocks is overwritten from the first to the last byte, whatever
 * lies between them included. That is a bug in a program, but the allocator must still know its
 * blocks: all can be freed, and the heap goes on. With headers between blocks (glibc) it aborts.
 */
#include "case.h"
#include <malloc.h>

enum { COUNT = 4000 };

static unsigned char *blocks[COUNT];

static int by_address(const void *a, const void *b)
{
    uintptr_t first = *(const uintptr_t *)a, second = *(const uintptr_t *)b;
    return (first > second) - (first < second);
}

/* The end of the stretch that begins with blocks[first]: blocks with no room for another between.
 */
static size_t stretch_end(size_t first, size_t size)
{
    size_t i = first;
    while (i + 1 < COUNT && (size_t)(blocks[i + 1] - blocks[i]) <= size + size / 8 + 16)
        i++;
    return i;
}

static void overrun(size_t size)
{
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(size);
        REQUIRE(blocks[i]);
    }
    qsort(blocks, COUNT, sizeof *blocks, by_address);
    size_t neighbours = 0;
    for (size_t first = 0, last; first < COUNT; first = last + 1) {
        last = stretch_end(first, size);
        size_t bytes = (size_t)(blocks[last] - blocks[first]) + malloc_usable_size(blocks[last]);
        fill_bytes(opaque(blocks[first]), bytes, 0x41);
        neighbours += last - first;
    }
    if (neighbours < COUNT / 4)
        case_say("blocks of %zu do not lie together: little was tested", size);
    for (size_t i = 0; i < COUNT; i++)
        CHECK(malloc_usable_size(blocks[i]) >= size);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i * 7 % COUNT]);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = calloc(1, size);
        REQUIRE(blocks[i]);
        CHECK(is_zero(blocks[i], size));
    }
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
}

static void overrun_small(void)
{
    overrun(64);
}

static void overrun_medium(void)
{
    overrun(1000);
}

static void overrun_large(void)
{
    overrun(50000);
}

int main(void)
{
    case_watchdog(60);
    expect_success(overrun_small);
    expect_success(overrun_medium);
    expect_success(overrun_large);
    return case_end();
}
