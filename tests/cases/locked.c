/* mlockall costs a small program little, and a growing one what it uses.
 *
 * mlockall brings in every page that can be read, untouched ones too, so tables that are sized for
 * the largest heap must not be readable before they are used. What the kernel counts for pages
 * that it only maps as zeroes differs from version to version: so the sizes of what can be read
 * count as well. A heap that outgrows whatever the tables were set up for goes on, in locked
 * memory, too.
 */
// timeout: 120
#include "case.h"
#include <malloc.h>
#include <sys/mman.h>

enum { ALLOWED = 40 << 20 };

static bool lock_all(int flags)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    return (geteuid() == 0 || limit.rlim_cur >= GIB) && mlockall(flags) == 0;
}

static void check_small_program(void)
{
    size_t accessible = accessible_bytes("rw"); /* what mlockall would bring in */
    ;
    CHECK_MSG(accessible <= ALLOWED, "%zu bytes can be read", accessible);
    if (!lock_all(MCL_CURRENT | MCL_FUTURE))
        return;
    CHECK_MSG(rss_bytes() <= ALLOWED, "%zu bytes are resident", rss_bytes());
}

/* Blocks of all kinds, each written and read. */
static void check_blocks(size_t total)
{
    static const size_t sizes[] = {40, 3000, 100000, 3 * MIB};
    enum { KINDS = sizeof sizes / sizeof *sizes };
    size_t each = total / KINDS;
    void **blocks = malloc(each / sizes[0] * sizeof *blocks);
    REQUIRE(blocks);
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t count = each / sizes[kind];
        for (size_t i = 0; i < count; i++) {
            blocks[i] = malloc(sizes[kind]);
            REQUIRE(blocks[i]);
            fill_bytes(blocks[i], sizes[kind], (unsigned)i);
        }
        for (size_t i = 0; i < count; i++) {
            CHECK(has_bytes(blocks[i], sizes[kind], (unsigned)i));
            free(blocks[i]);
        }
    }
    free(blocks);
}

static void check_locked_growth(void)
{
    if (!lock_all(MCL_CURRENT | MCL_FUTURE))
        return;
    check_blocks(200 * MIB);
}

/* ---- More blocks than the tables serve at first ---- */

enum { LARGE = 2 << 20, COUNT = 7 << 9 };

static char *large[COUNT]; /* 7 GiB of address space, of which each block's ends are touched */

static void *free_odd(void *argument)
{
    for (size_t i = 1; i < COUNT; i += 2)
        free(large[i]);
    return argument;
}

static void *fill_large(void *argument)
{
    for (size_t i = 0; i < COUNT; i++) {
        large[i] = malloc(LARGE);
        if (!large[i]) {
            case_say("skip: the machine does not grant 7 GiB of address space");
            _exit(0);
        }
        large[i][0] = (char)i;
        large[i][LARGE - 1] = (char)i;
    }
    return argument;
}

static void check_past_the_reach(void)
{
    char *early[64];
    for (size_t i = 0; i < 64; i++) {
        early[i] = malloc(100 + i);
        REQUIRE(early[i]);
    }
    in_thread(fill_large, NULL);
    char *late = malloc(100);
    REQUIRE(late);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(large[i][0] == (char)i && large[i][LARGE - 1] == (char)i);
        CHECK(malloc_usable_size(large[i]) >= LARGE);
    }
    in_thread(free_odd, NULL);
    for (size_t i = 0; i < 64; i++)
        free(early[i]);
    for (size_t i = 0; i < COUNT; i += 2)
        free(large[i]);
    free(late);
    check_blocks(64 * MIB);
}

static void check_past_the_reach_locked(void)
{
    if (!lock_all(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
        return;
    check_past_the_reach();
    CHECK_MSG(rss_bytes() <= 200 * MIB, "%zu bytes are resident", rss_bytes());
}

int main(void)
{
    case_watchdog(110);
    free(opaque(malloc(1)));
    expect_success(check_small_program);
    expect_success(check_locked_growth);
    expect_success(check_past_the_reach);
    expect_success(check_past_the_reach_locked);
    if (case_failures == 0 && !lock_all(MCL_CURRENT | MCL_FUTURE))
        CASE_SKIP("mlockall is not allowed; what needs no lock passed");
    return case_end();
}
