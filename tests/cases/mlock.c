/* Under mlockall calloc still gives zeroes.
 *
 * MADV_DONTNEED fails with EINVAL on locked memory (and is a no-op in qemu-user): an allocator that
 * purges pages and remembers them as zero hands out old content. And mlockall brings in every
 * writable page, so a reservation must not be writable as a whole.
 */
#include "case.h"
#include <malloc.h>
#include <sys/mman.h>

enum { COUNT = 12 };

static void check_zeroed(size_t size)
{
    static unsigned char *blocks[COUNT];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = calloc(1, size);
            REQUIRE(blocks[i]);
            CHECK_MSG(is_zero(blocks[i], size), "calloc of %zu is not zero, round %d", size, round);
            fill_bytes(blocks[i], malloc_usable_size(blocks[i]), 0xdd);
        }
        for (int i = 0; i < COUNT; i++)
            free(blocks[i]);
        if (round == 1)
            malloc_trim(0);
    }
}

static void check_sizes(void)
{
    static const size_t sizes[] = {16, 500, 4000, 20000, 60000, 300000, MIB, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_zeroed(sizes[i]);
}

static void *check_in_thread(void *argument)
{
    check_sizes();
    return argument;
}

int main(void)
{
    case_watchdog(60);
    check_sizes();
    size_t writable = accessible_bytes("w"); /* what mlockall would bring in */
    ;
    CHECK_MSG(writable < GIB, "%zu bytes are writable before mlockall", writable);
    if (case_failures > 0)
        return case_end();
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    if ((geteuid() != 0 && limit.rlim_cur < GIB) || mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        CASE_SKIP("mlockall is not allowed");
    check_sizes();
    in_thread(check_in_thread, NULL);
    check_sizes();
    return case_end();
}
