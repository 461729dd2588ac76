/* Address space that is only reserved must not count as memory.
 *
 * With vm.overcommit_memory=2 the kernel promises every writable private page: a large reservation
 * with PROT_READ | PROT_WRITE is refused there, MAP_NORESERVE or not (jemalloc #193). RLIMIT_DATA
 * counts the same pages and needs no change of the machine. 256 MiB: 150 MiB can be had, the end
 * is NULL and ENOMEM, and what was given back can be had again.
 */
// run: ulimit -d 262144
#include "case.h"

enum { MAX_BLOCKS = 8192 };

static void *blocks[MAX_BLOCKS];

/* Allocates and touches until NULL; the bytes that it got. */
static size_t exhaust(size_t size)
{
    size_t count = 0;
    for (; count < MAX_BLOCKS; count++) {
        errno = 0;
        blocks[count] = malloc(size);
        if (!blocks[count])
            break;
        fill_bytes(blocks[count], size, (unsigned)count);
    }
    CHECK_MSG(count < MAX_BLOCKS && errno == ENOMEM, "%zu blocks of %zu, errno %d", count, size,
              errno);
    for (size_t i = 0; i < count; i++) {
        CHECK(has_bytes(blocks[i], size, (unsigned)i));
        free(blocks[i]);
    }
    return count * size;
}

int main(void)
{
    case_watchdog(60);
    static const size_t sizes[] = {64 * KIB, 8 * MIB, 300 * KIB, 64 * KIB};
    free(strdup("a small program"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t got = exhaust(sizes[i]);
        CHECK_MSG(got >= 150 * MIB, "only %zu bytes in blocks of %zu", got, sizes[i]);
    }
    return case_end();
}
