/* calloc does not touch memory that is known to be zero.
 *
 * A hundred callocs of 1 GB, one after the other and several at a time, take no memory until the
 * program writes; what was written and freed comes back as zeroes all the same.
 */
#include "case.h"

enum { ROUNDS = 100, AT_ONCE = 5 };

static const size_t gigabyte = 1000 * 1000 * 1000;

static void check_samples(unsigned char *block)
{
    for (size_t offset = 0; offset < gigabyte; offset += gigabyte / 7)
        CHECK(block[offset] == 0);
    CHECK(block[gigabyte - 1] == 0);
}

static void one_after_another(void)
{
    size_t before = rss_bytes();
    for (int i = 0; i < ROUNDS && case_failures == 0; i++) {
        unsigned char *block = calloc(1000, gigabyte / 1000);
        REQUIRE(block);
        check_samples(block);
        block[(size_t)i * 4096] = 1;
        CHECK_MSG(growth(before, rss_bytes()) < 16 * MIB, "round %d: RSS grew by %zu", i,
                  growth(before, rss_bytes()));
        free(block);
    }
}

static void several_at_once(void)
{
    unsigned char *blocks[AT_ONCE];
    size_t before = rss_bytes();
    for (int i = 0; i < AT_ONCE; i++) {
        blocks[i] = calloc(1, gigabyte);
        REQUIRE(blocks[i]);
        check_samples(blocks[i]);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 32 * MIB, "%d at once: RSS grew by %zu", AT_ONCE,
              growth(before, rss_bytes()));
    for (int i = 0; i < AT_ONCE; i++)
        free(blocks[i]);
}

/* Fresh runs are zero pages too: 200 MB in blocks of 1 MB that are not written. */
static void medium_blocks(void)
{
    enum { COUNT = 200 };
    static unsigned char *blocks[COUNT];
    size_t before = rss_bytes();
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = calloc(1, 1000000);
        REQUIRE(blocks[i]);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 20 * MIB, "200 MB of 1 MB: RSS grew by %zu",
              growth(before, rss_bytes()));
    for (int i = 0; i < COUNT; i++)
        free(blocks[i]);
}

static void dirty_first(void)
{
    static const size_t sizes[] = {100, 5000, 100000, MIB, 20 * MIB, 200 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int round = 0; round < 3; round++) {
            unsigned char *block = malloc(sizes[i]);
            REQUIRE(block);
            fill_bytes(block, sizes[i], 0xfe);
            free(block);
            block = calloc(1, sizes[i]);
            REQUIRE(block);
            CHECK_MSG(is_zero(block, sizes[i]), "calloc of %zu is not zero", sizes[i]);
            free(block);
        }
    }
}

int main(void)
{
    case_watchdog(60);
    medium_blocks();
    one_after_another();
    several_at_once();
    dirty_first();
    one_after_another();
    return case_end();
}
