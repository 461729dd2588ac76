/* Every size from 0 to 70,000 and every alignment to 2 MiB.
 *
 * A mistake in a size class shows at one size only: a block that is too short, two blocks that
 * overlap, an alignment that holds for the first block of a pool alone, a calloc that trusts
 * memory which was used before. Each live block is filled to its usable size with a pattern of
 * its own and looked at again when 64 later ones have been filled.
 */
#include "case.h"
#include <malloc.h>

enum { LIVE = 64, LAST_SIZE = 70000 };

struct live_block {
    unsigned char *bytes;
    size_t usable;
    unsigned seed;
};

static struct live_block ring[LIVE];

static void drop(struct live_block *live)
{
    if (!live->bytes)
        return;
    CHECK_MSG(has_bytes(live->bytes, live->usable, live->seed), "block %p of %zu was overwritten",
              (void *)live->bytes, live->usable);
    CHECK(malloc_usable_size(live->bytes) == live->usable);
    free(live->bytes);
    live->bytes = NULL;
}

/* Puts a new block into the ring, in place of the oldest. */
static void keep(void *block, size_t size, size_t alignment, unsigned seed)
{
    CHECK_MSG(block && is_aligned(block, alignment), "size %zu, alignment %zu: %p", size, alignment,
              block);
    if (!block)
        return;
    struct live_block *live = &ring[seed % LIVE];
    drop(live);
    live->bytes = block;
    live->usable = malloc_usable_size(block);
    live->seed = seed;
    CHECK_MSG(live->usable >= size, "size %zu: usable %zu", size, live->usable);
    fill_bytes(block, live->usable, seed);
}

static void drop_all(void)
{
    for (size_t i = 0; i < LIVE; i++)
        drop(&ring[i]);
}

static void every_size(void)
{
    for (size_t size = 0; size <= LAST_SIZE; size++)
        keep(malloc(size), size, size >= 16 ? 16 : 8, (unsigned)size);
    drop_all();
}

/* The memory of every_size comes back full of patterns; calloc must not show them. */
static void every_size_zeroed(void)
{
    for (size_t size = 0; size <= LAST_SIZE; size++) {
        unsigned char *block = calloc(size % 2 ? 1 : size, size % 2 ? size : 1);
        CHECK_MSG(block && is_zero(block, size), "calloc of %zu is not zero", size);
        keep(block, size, size >= 16 ? 16 : 8, (unsigned)size);
    }
    drop_all();
}

static void every_alignment(void)
{
    unsigned seed = 0;
    for (size_t alignment = 1; alignment <= 2 * MIB; alignment *= 2) {
        size_t sizes[] = {0,    1,    8,    alignment - 1, alignment, alignment + 1, 24,  100,
                          1000, 4095, 4096, 32768,         33000,     LAST_SIZE,     MIB, 3 * MIB};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t size = sizes[i];
            void *block = NULL;
            keep(aligned_alloc(alignment, size), size, alignment, ++seed);
            keep(memalign(alignment, size), size, alignment, ++seed);
            if (alignment >= sizeof(void *)) {
                CHECK(posix_memalign(&block, alignment, size) == 0);
                keep(block, size, alignment, ++seed);
            }
        }
        drop_all();
    }
}

/* Sizes and alignments at random, so that neighbours in a pool differ in both. */
static void sizes_and_alignments(void)
{
    uint64_t seed = 42;
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = random_between(&seed, 0, LAST_SIZE);
        size_t alignment = (size_t)1 << random_between(&seed, 4, 14);
        keep(aligned_alloc(alignment, size), size, alignment, i);
    }
    drop_all();
}

/* An aligned block is a block like any other: realloc keeps its bytes, wherever it lies. */
static void aligned_then_realloc(void)
{
    for (size_t alignment = 16; alignment <= 2 * MIB; alignment *= 4) {
        for (size_t size = 1; size <= 4 * MIB; size = size * 5 + 3) {
            unsigned char *block = aligned_alloc(alignment, size);
            REQUIRE(block);
            fill_bytes(block, size, 0x77);
            block = realloc(block, size * 3);
            REQUIRE(block);
            CHECK(has_bytes(block, size, 0x77));
            block = realloc(block, size / 2 + 1);
            REQUIRE(block);
            CHECK(has_bytes(block, size / 2 + 1 < size ? size / 2 + 1 : size, 0x77));
            free(block);
        }
    }
}

int main(void)
{
    case_watchdog(60);
    every_size();
    every_size_zeroed();
    every_alignment();
    sizes_and_alignments();
    aligned_then_realloc();
    return case_end();
}
