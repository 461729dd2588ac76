/* test_malloc.c: the molt_ functions, from outside. */
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "base/tunables.h"
#include "molt.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

static size_t natural_alignment(size_t size)
{
    return size <= 8 ? 8 : 16;
}

/* Memory is written at its ends only: those of the usable size. */
static void touch_ends(char *p, size_t usable)
{
    p[0] = 1;
    p[usable - 1] = 2;
}

START_TEST(test_every_size)
{
    for (size_t size = 0; size <= 70000; size++) {
        char *p = molt_malloc(size);
        REQUIRE(p != NULL, "size %zu", size);
        REQUIRE((uintptr_t)p % natural_alignment(size) == 0, "size %zu at %p", size, (void *)p);
        size_t usable = molt_usable_size(p);
        REQUIRE(usable >= size && usable > 0, "size %zu, usable %zu", size, usable);
        REQUIRE(usable == molt_good_size(size), "size %zu, usable %zu", size, usable);
        REQUIRE(molt_owns(p) && molt_owns(p + usable - 1), "size %zu", size);
        touch_ends(p, usable);
        REQUIRE(molt_usable_size(p) == usable, "size %zu", size);
        molt_free_sized(p, size);
    }
}
END_TEST

/* A window of live blocks, so that neighbours would show an overlap. */
START_TEST(test_every_size_filled)
{
    enum { LIVE = 16 };
    struct {
        char *p;
        size_t size;
    } live[LIVE] = {{NULL, 0}};
    for (size_t size = 0; size <= 70000; size += size < 5000 ? 1 : 37) {
        unsigned at = (unsigned)(size % LIVE);
        REQUIRE(unit_is_filled(live[at].p, live[at].size, at), "size %zu", live[at].size);
        molt_free(live[at].p);
        live[at].size = size;
        live[at].p = molt_malloc(size);
        unit_fill(live[at].p, size, at);
    }
}
END_TEST

START_TEST(test_every_size_zeroed)
{
    for (size_t size = 0; size <= 70000; size += size < 2100 ? 1 : 41) {
        char *p = molt_calloc(1, size);
        REQUIRE(p != NULL && unit_is_zero(p, size), "size %zu", size);
        REQUIRE((uintptr_t)p % natural_alignment(size) == 0, "size %zu at %p", size, (void *)p);
        memset(p, 0xee, molt_usable_size(p));
        molt_free(p);
        p = molt_calloc(size, 1);
        REQUIRE(p != NULL && unit_is_zero(p, size), "size %zu again", size);
        molt_free(p);
    }
}
END_TEST

START_TEST(test_every_alignment)
{
    static const size_t sizes[] = {0,      1,     8,      15,      16,      17,
                                   100,    511,   513,    1000,    1025,    4095,
                                   4096,   4097,  10000,  32767,   32768,   32769,
                                   65536,  70000, 200000, 1 << 20, 2 << 20, (2 << 20) + 1,
                                   5 << 20};
    for (size_t alignment = 1; alignment <= (size_t)2 << 20; alignment *= 2) {
        char *kept[COUNT_OF(sizes)];
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            kept[i] = molt_aligned_alloc(alignment, sizes[i]);
            REQUIRE(kept[i] != NULL, "%zu at %zu", sizes[i], alignment);
            REQUIRE((uintptr_t)kept[i] % alignment == 0, "%zu at %zu", sizes[i], alignment);
            REQUIRE((uintptr_t)kept[i] % natural_alignment(sizes[i]) == 0, "%zu", sizes[i]);
            size_t usable = molt_usable_size(kept[i]);
            REQUIRE(usable >= sizes[i] && usable > 0, "%zu at %zu", sizes[i], alignment);
            touch_ends(kept[i], usable);
        }
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            REQUIRE(kept[i][0] == (molt_usable_size(kept[i]) == 1 ? 2 : 1), "%zu", sizes[i]);
            molt_free(kept[i]);
        }
    }
}
END_TEST

START_TEST(test_large_alignments)
{
    for (size_t alignment = (size_t)4 << 20; alignment <= (size_t)1 << 30; alignment *= 2) {
        char *p = molt_aligned_alloc(alignment, 10000);
        REQUIRE(p != NULL && (uintptr_t)p % alignment == 0, "alignment %zu", alignment);
        memset(p, 1, 10000);
        molt_free(p);
    }
}
END_TEST

START_TEST(test_bad_alignments)
{
    static const size_t bad[] = {0, 3, 24, 4095, 4097, SIZE_MAX, ((size_t)1 << 63) + 1};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        errno = 0;
        ck_assert_ptr_null(molt_aligned_alloc(bad[i], 100));
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_ptr_null(molt_aligned_alloc((size_t)1 << 63, 100));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

static void expect_no_memory(void *p)
{
    ck_assert_ptr_null(p);
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
}

START_TEST(test_impossible_sizes)
{
    static const size_t sizes[] = {SIZE_MAX,    SIZE_MAX - 4096,    (size_t)PTRDIFF_MAX + 1,
                                   PTRDIFF_MAX, PTRDIFF_MAX - 4096, (size_t)1 << 50};
    char *p = molt_malloc(100), *large = molt_malloc(5 << 20);
    errno = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        volatile size_t size = sizes[i];
        expect_no_memory(molt_malloc(size));
        expect_no_memory(molt_calloc(1, size));
        expect_no_memory(molt_calloc(size, 1));
        expect_no_memory(molt_aligned_alloc(64, size));
        expect_no_memory(molt_aligned_alloc((size_t)1 << 22, size));
        expect_no_memory(molt_realloc(NULL, size));
        expect_no_memory(molt_realloc(p, size));
        expect_no_memory(molt_realloc(large, size));
    }
    volatile size_t half = SIZE_MAX / 2 + 1;
    expect_no_memory(molt_calloc(half, 2));
    expect_no_memory(molt_calloc(2, half));
    expect_no_memory(molt_calloc(half, half));
    ck_assert_uint_eq(molt_usable_size(p), 112);
    ck_assert_uint_eq(molt_usable_size(large), 5 << 20);
}
END_TEST

START_TEST(test_nothing)
{
    errno = 77;
    molt_free(NULL);
    molt_free_sized(NULL, 100);
    ck_assert_int_eq(errno, 77);
    ck_assert_uint_eq(molt_usable_size(NULL), 0);
    char *a = molt_malloc(0), *b = molt_malloc(0), *c = molt_calloc(0, 100);
    ck_assert(a != NULL && b != NULL && c != NULL && a != b && a != c && b != c);
    a = molt_realloc(a, 10);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(molt_realloc(a, 0));
    molt_free(b);
    molt_free(c);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

START_TEST(test_free_keeps_errno)
{
    static const size_t sizes[] = {1, 1000, 20000, 100000, 5 << 20, 100 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = molt_malloc(sizes[i]);
        errno = 77;
        molt_free(p);
        ck_assert_int_eq(errno, 77);
    }
}
END_TEST

/* malloc does not touch it either when all goes well. */
START_TEST(test_success_keeps_errno)
{
    static const size_t sizes[] = {1, 1000, 20000, 100000, 5 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = 77;
        char *p = molt_realloc(molt_malloc(sizes[i]), sizes[i] * 3);
        p = molt_realloc(p, 10);
        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq(errno, 77);
        molt_free(p);
    }
}
END_TEST

/* ---- realloc ---- */

/* Between any two of these sizes, so through all layers and back. */
START_TEST(test_realloc_keeps_content)
{
    static const size_t sizes[] = {
        1,     8,     9,     16,    100,    1000,    1024,          1025,    4096,
        30000, 32768, 32769, 65536, 300000, 2 << 20, (2 << 20) + 1, 3 << 20, 9 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t j = 0; j < COUNT_OF(sizes); j++) {
            size_t kept = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            char *p = molt_malloc(sizes[i]);
            unit_fill(p, sizes[i], (unsigned)j);
            p = molt_realloc(p, sizes[j]);
            REQUIRE(p != NULL, "%zu to %zu", sizes[i], sizes[j]);
            REQUIRE(unit_is_filled(p, kept, (unsigned)j), "%zu to %zu", sizes[i], sizes[j]);
            REQUIRE(molt_usable_size(p) >= sizes[j], "%zu to %zu", sizes[i], sizes[j]);
            memset(p, 0xee, sizes[j]);
            molt_free(p);
        }
    }
}
END_TEST

START_TEST(test_realloc_in_place)
{
    char *p = molt_malloc(100); /* 112 usable */
    ck_assert_ptr_eq(molt_realloc(p, 112), p);
    ck_assert_ptr_eq(molt_realloc(p, 60), p);
    ck_assert_ptr_ne(molt_realloc(p, 20), p); /* gives memory back */
    char *run = molt_malloc(100000);
    ck_assert_ptr_eq(molt_realloc(run, 40000), run);
    ck_assert_uint_eq(molt_usable_size(run), os_round_to_pages(40000));
    ck_assert_ptr_eq(molt_realloc(run, 900000), run); /* free pages behind it */
    ck_assert_uint_eq(molt_usable_size(run), os_round_to_pages(900000));
    char *huge = molt_malloc(10 << 20);
    ck_assert_ptr_eq(molt_realloc(huge, 4 << 20), huge);
    ck_assert_uint_eq(molt_usable_size(huge), 4 << 20);
}
END_TEST

/* Doubling a buffer copies huge ones never: the pages move. */
START_TEST(test_realloc_of_huge_moves_pages)
{
    options.thp = 0;
    size_t size = 4 << 20;
    char *p = molt_malloc(size);
    for (; size < (size_t)256 << 20; size *= 2) {
        p[0] = 1;
        p = molt_realloc(p, size * 2);
        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq(p[0], 1);
    }
    ck_assert_uint_le(unit_resident_pages(p, size), 16);
}
END_TEST

START_TEST(test_realloc_of_null)
{
    char *p = molt_realloc(NULL, 100);
    ck_assert_uint_eq(molt_usable_size(p), 112);
    char *zero = molt_realloc(NULL, 0);
    ck_assert_ptr_nonnull(zero);
    molt_free(p);
    molt_free(zero);
}
END_TEST

/* ---- Asking ---- */

START_TEST(test_good_size)
{
    size_t page = os_page_bytes();
    ck_assert_uint_eq(molt_good_size(0), 8);
    ck_assert_uint_eq(molt_good_size(1), 8);
    ck_assert_uint_eq(molt_good_size(9), 16);
    ck_assert_uint_eq(molt_good_size(513), 576);
    ck_assert_uint_eq(molt_good_size(BLOCK_MAX), BLOCK_MAX);
    ck_assert_uint_eq(molt_good_size(BLOCK_MAX + 1), os_round_to_pages(BLOCK_MAX + 1));
    ck_assert_uint_eq(molt_good_size(RUN_MAX + 1), RUN_MAX + page);
    ck_assert_uint_eq(molt_good_size((size_t)PTRDIFF_MAX + 1), SIZE_MAX);
    ck_assert_uint_eq(molt_good_size(SIZE_MAX), SIZE_MAX);
}
END_TEST

START_TEST(test_owns)
{
    int local = 0;
    static int fixed;
    ck_assert(!molt_owns(NULL));
    ck_assert(!molt_owns(&local));
    ck_assert(!molt_owns(&fixed));
    ck_assert(!molt_owns((void *)test_owns_fn));
    ck_assert(!molt_owns((void *)UINTPTR_MAX));
    char *small = molt_malloc(10), *run = molt_malloc(100000), *huge = molt_malloc(5 << 20);
    ck_assert(molt_owns(small) && molt_owns(small + 3));
    ck_assert(molt_owns(run) && molt_owns(run + 99999));
    ck_assert(molt_owns(huge) && molt_owns(huge + (5 << 20) - 1));
    ck_assert(!molt_owns(&local));
    molt_free(small);
    ck_assert(molt_owns(small)); /* molt's memory still */
}
END_TEST

START_TEST(test_version)
{
    ck_assert_str_eq(molt_version(), "1.0.0");
}
END_TEST

START_TEST(test_trim)
{
    static char *blocks[2000];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        memset(blocks[i] = molt_malloc(10000), 1, 10000);
    char *live = blocks[0];
    ck_assert_int_eq(molt_trim((size_t)1 << 30), 0);
    for (unsigned i = 1; i < COUNT_OF(blocks); i++)
        molt_free(blocks[i]);
    struct molt_stats stats;
    ck_assert_int_eq(molt_trim(1 << 20), 1);
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_le(stats.dirty_bytes, 1 << 20);
    ck_assert_uint_gt(stats.dirty_bytes, 0);
    ck_assert_int_eq(molt_trim(0), 1);
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.dirty_bytes, 0);
    ck_assert_int_eq(molt_trim(0), 0);
    ck_assert_int_eq(live[9999], 1);
}
END_TEST

/* Live data whose first word looks like a free block's is freed and resized all the same. */
START_TEST(test_data_that_looks_free)
{
    static const size_t sizes[] = {8, 64, 1024, 5000, 32768};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (unsigned round = 0; round < 200; round++) {
            uint64_t *p = molt_malloc(sizes[i]), word = UINT64_C(0x7ff5) << 48 | round * 4096;
            *p = word;
            ck_assert_uint_eq(molt_usable_size(p), molt_good_size(sizes[i]));
            uint64_t *moved = molt_realloc(p, sizes[i] * 3);
            ck_assert_uint_eq(*moved, word);
            molt_free(moved);
        }
    }
}
END_TEST

/* What was freed is not handed out with the allocator's secrets in it. */
START_TEST(test_no_secrets)
{
    for (unsigned i = 0; i < 100; i++) {
        uint64_t *p = molt_malloc(64);
        ck_assert_uint_eq(p[0], 0);
        p[0] = ~UINT64_C(0);
        molt_free(p);
    }
}
END_TEST

Suite *suite_malloc(void)
{
    Suite *suite = suite_create("malloc");
    TCase *tests = tcase_create("malloc");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_every_size);
    tcase_add_test(tests, test_every_size_filled);
    tcase_add_test(tests, test_every_size_zeroed);
    tcase_add_test(tests, test_every_alignment);
    tcase_add_test(tests, test_large_alignments);
    tcase_add_test(tests, test_bad_alignments);
    tcase_add_test(tests, test_impossible_sizes);
    tcase_add_test(tests, test_nothing);
    tcase_add_test(tests, test_free_keeps_errno);
    tcase_add_test(tests, test_success_keeps_errno);
    tcase_add_test(tests, test_realloc_keeps_content);
    tcase_add_test(tests, test_realloc_in_place);
    tcase_add_test(tests, test_realloc_of_huge_moves_pages);
    tcase_add_test(tests, test_realloc_of_null);
    tcase_add_test(tests, test_good_size);
    tcase_add_test(tests, test_owns);
    tcase_add_test(tests, test_version);
    tcase_add_test(tests, test_trim);
    tcase_add_test(tests, test_data_that_looks_free);
    tcase_add_test(tests, test_no_secrets);
    suite_add_tcase(suite, tests);
    return suite;
}
