/* A thread's first call is any of the family, not only malloc.
 *
 * The thread has no heap yet. free and realloc get a block of another thread (a null heap there is
 * a fault, mimalloc #1304), or NULL; each of the calls below is the first of a thread of its own,
 * and 2000 threads that only free must not cost a heap each.
 */
#include "case.h"
#include <malloc.h>

static void *free_first(void *block)
{
    free(block);
    return NULL;
}

static void *realloc_first(void *block)
{
    return realloc(block, 70000);
}

static void *shrink_first(void *block)
{
    return realloc(block, 10);
}

static void *realloc_to_zero_first(void *block)
{
    return realloc(block, opaque_size(0));
}

static void *usable_size_first(void *block)
{
    CHECK(malloc_usable_size(block) >= 1);
    return block;
}

static void *aligned_first(void *block)
{
    free(aligned_alloc(1024, 100));
    return block;
}

static void *calloc_first(void *block)
{
    free(calloc(3, 1000));
    return block;
}

static void *trim_first(void *block)
{
    malloc_trim(0);
    return block;
}

static void *info_first(void *block)
{
    struct mallinfo2 info = mallinfo2();
    CHECK(info.uordblks + info.hblkhd > 0);
    return block;
}

static void *nothing(void *block)
{
    return block;
}

typedef void *thread_body(void *block);

static thread_body *const bodies[] = {
    free_first,        realloc_first, shrink_first, realloc_to_zero_first,
    usable_size_first, aligned_first, calloc_first, trim_first,
    info_first,        nothing,
};

int main(void)
{
    case_watchdog(60);
    static const size_t sizes[] = {0, 8, 64, 1000, 30000, 200000, 5 * MIB};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        CHECK(in_thread(free_first, NULL) == NULL);
        free(in_thread(realloc_first, NULL));
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            void *block = malloc(sizes[k] + 1);
            REQUIRE(block);
            free(in_thread(bodies[i], block));
        }
    }
    size_t before = 0;
    for (int i = 0; i < 2000; i++) {
        if (i == 500)
            before = rss_bytes();
        void *block = malloc(5000);
        REQUIRE(block);
        fill_bytes(block, 5000, 1);
        in_thread(free_first, block);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 4 * MIB, "RSS went from %zu to %zu", before,
              rss_bytes());
    return case_end();
}
