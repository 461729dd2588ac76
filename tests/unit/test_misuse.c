/* test_misuse.c: pointers that are no live blocks end the process with one clear line. */
#include "suites.h"
#include "unit.h"

#include "alloc/thread.h"
#include "base/options.h"
#include "base/tunables.h" // RUN_CACHE_BYTES
#include "molt.h"
#include "os/os.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void do_free(void *p)
{
    molt_free(p);
}

static void do_realloc(void *p)
{
    if (molt_realloc(p, 100) == NULL)
        return;
}

static void do_usable(void *p)
{
    if (molt_usable_size(p) == 0)
        return;
}

/* ---- Blocks that were freed ---- */

START_TEST(test_double_free_in_pools)
{
    static const size_t sizes[] = {1, 8, 64, 1000, 5000, 32768};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = molt_malloc(sizes[i]), *q = molt_malloc(sizes[i]);
        size_t usable = molt_usable_size(p);
        molt_free(p);
        unit_expect_error(do_free, p, "double free of %p (%zu bytes)\n", (void *)p, usable);
        molt_free(q); /* so that p is not the first of the list */
        unit_expect_error(do_free, p, "double free of %p (%zu bytes)\n", (void *)p, usable);
        unit_expect_error(do_free, q, "double free of %p (%zu bytes)\n", (void *)q, usable);
        unit_expect_error(do_realloc, p, "invalid realloc of %p", (void *)p);
        unit_expect_error(do_usable, p, "invalid malloc_usable_size of %p", (void *)p);
    }
}
END_TEST

START_TEST(test_double_free_of_a_released_pool)
{
    char *blocks[70];
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = molt_malloc(1024);
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        molt_free(blocks[i]);
    unit_expect_error(do_free, blocks[5], "double free of %p (1024 bytes)\n", (void *)blocks[5]);
    molt_trim(0);
    unit_expect_error(do_free, blocks[5], "double free of %p (1024 bytes)\n", (void *)blocks[5]);
}
END_TEST

START_TEST(test_double_free_of_a_run)
{
    char *p = molt_malloc(100000);
    size_t usable = molt_usable_size(p);
    molt_free(p); /* into the heap's cache */
    unit_expect_error(do_free, p, "double free of %p (%zu bytes)\n", (void *)p, usable);
    unit_expect_error(do_realloc, p, "invalid realloc of %p", (void *)p);
    unit_expect_error(do_free, p + usable / 2, "invalid free of %p: no block",
                      (void *)(p + usable / 2));
    molt_free(molt_malloc(RUN_CACHE_BYTES)); /* drives it out */
    unit_expect_error(do_free, p, "double free of %p (its pages are free)\n", (void *)p);
    unit_expect_error(do_realloc, p, "invalid realloc of %p", (void *)p);
}
END_TEST

START_TEST(test_double_free_of_huge)
{
    char *p = molt_malloc(5 << 20);
    molt_free(p);
    unit_expect_error(do_free, p, "double free of %p (%d bytes)\n", (void *)p, 5 << 20);
    unit_expect_error(do_realloc, p, "invalid realloc of %p", (void *)p);
    unit_expect_error(do_usable, p, "invalid malloc_usable_size of %p", (void *)p);
}
END_TEST

static void *free_there(void *p)
{
    molt_free(molt_malloc(1)); /* so that there is an outbox */
    molt_free(p);
    return NULL;
}

/* Freed by another thread, with the block in its outbox or on its way. */
START_TEST(test_double_free_after_a_remote_one)
{
    char *p = molt_malloc(64);
    unit_in_thread(free_there, p);
    unit_expect_error(do_free, p, "double free of %p (64 bytes)\n", (void *)p);
}
END_TEST

static void free_twice_there(void *p)
{
    unit_in_thread(free_there, p);
    unit_in_thread(free_there, p);
}

START_TEST(test_double_remote_free)
{
    char *p = molt_malloc(64);
    unit_expect_error(free_twice_there, p, "double free of %p (64 bytes)\n", (void *)p);
}
END_TEST

static void *take_there(void *out)
{
    *(char **)out = molt_malloc(64);
    return NULL;
}

START_TEST(test_double_free_after_exit_of_the_owner)
{
    char *p;
    unit_in_thread(take_there, &p);
    char *own = molt_malloc(1);
    unit_in_thread(free_there, p);
    unit_expect_error(do_free, p, "double free of %p (64 bytes)\n", (void *)p);
    molt_free(own);
}
END_TEST

/* ---- Addresses that never were blocks ---- */

START_TEST(test_inside_a_block)
{
    static const size_t sizes[] = {64, 1000, 5000, 32768};
    static const size_t offsets[] = {1, 8, 16, 31};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = molt_malloc(sizes[i]);
        for (size_t j = 0; j < COUNT_OF(offsets); j++) {
            unit_expect_error(do_free, p + offsets[j],
                              "invalid free of %p: %zu bytes inside a block of %zu bytes at %p\n",
                              (void *)(p + offsets[j]), offsets[j], molt_usable_size(p), (void *)p);
            unit_expect_error(do_realloc, p + offsets[j], "invalid realloc of %p: %zu bytes inside",
                              (void *)(p + offsets[j]), offsets[j]);
        }
    }
}
END_TEST

START_TEST(test_inside_large_blocks)
{
    static const size_t sizes[] = {100000, 5 << 20};
    size_t offsets[] = {8, os_page_bytes(), 3 * os_page_bytes() + 16};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *p = molt_malloc(sizes[i]);
        for (size_t j = 0; j < COUNT_OF(offsets); j++)
            unit_expect_error(do_free, p + offsets[j],
                              "invalid free of %p: %zu bytes inside a block of %zu bytes at %p\n",
                              (void *)(p + offsets[j]), offsets[j], molt_usable_size(p), (void *)p);
    }
}
END_TEST

START_TEST(test_blocks_that_are_not_carved)
{
    char *p = molt_malloc(64);
    unit_expect_error(do_free, p + 60000 / 64 * 64, "invalid free of %p",
                      (void *)(p + 60000 / 64 * 64));
}
END_TEST

START_TEST(test_foreign_memory)
{
    static _Alignas(4096) char fixed[8192];
    _Alignas(64) char local[128];
    char *mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *molts = molt_malloc(64);
    char *const strangers[] = {
        local,         local + 8,         fixed,     fixed + 4096,    mapped,
        mapped + 4096, molts + (1 << 22), (char *)8, (char *)do_free, (char *)0x7fffffffffff0000};
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        unit_expect_error(do_free, strangers[i], "invalid free of %p", (void *)strangers[i]);
        unit_expect_error(do_realloc, strangers[i], "invalid realloc of %p", (void *)strangers[i]);
        unit_expect_error(do_usable, strangers[i], "invalid malloc_usable_size of %p",
                          (void *)strangers[i]);
    }
}
END_TEST

/* Addresses that differ from a live block's by the size of a window, or of an arena. */
START_TEST(test_aliases)
{
    char *p = molt_malloc(64);
    for (unsigned shift = 22; shift < 47; shift++) {
        char *alias = (char *)((uintptr_t)p ^ (uintptr_t)1 << shift);
        unit_expect_error(do_free, alias, "invalid free of %p", (void *)alias);
    }
}
END_TEST

/* ---- Sized free ---- */

struct sized {
    char *p;
    size_t size;
};

static void do_free_sized(void *argument)
{
    struct sized *sized = argument;
    molt_free_sized(sized->p, sized->size);
}

/* One size class, one page or more too large. */
START_TEST(test_sized_free_too_large)
{
    options.sized = 1;
    static const size_t sizes[] = {8, 64, 1000, 5000, 100000, 5 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sized sized = {.p = molt_malloc(sizes[i])};
        sized.size = molt_usable_size(sized.p) + 1;
        unit_expect_error(do_free_sized, &sized, "invalid free_sized of %p: %zu bytes said",
                          (void *)sized.p, sized.size);
        sized.size = SIZE_MAX;
        unit_expect_error(do_free_sized, &sized, "invalid free_sized of %p", (void *)sized.p);
    }
}
END_TEST

START_TEST(test_sized_free_too_small)
{
    options.sized = 1;
    static const size_t sizes[] = {64, 1000, 5000, 100000, 5 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct sized sized = {.p = molt_malloc(sizes[i]), .size = sizes[i] / 4};
        unit_expect_error(do_free_sized, &sized, "invalid free_sized of %p: %zu bytes said",
                          (void *)sized.p, sized.size);
    }
}
END_TEST

/* Unless asked for, a size is not looked at. */
START_TEST(test_sized_free_unchecked)
{
    for (size_t size = 1; size < 5 << 20; size = size * 3 + 1) {
        molt_free_sized(molt_malloc(size), size * 4);
        molt_free_sized(molt_malloc(size), size / 4);
    }
    ck_assert_uint_eq(unit_live_blocks(), 0);
}
END_TEST

START_TEST(test_sized_free_of_the_right_size)
{
    options.sized = 1;
    static const size_t sizes[] = {0, 1, 8, 9, 64, 1000, 5000, 100000, 5 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        molt_free_sized(molt_malloc(sizes[i]), sizes[i]);
    char *p = molt_realloc(molt_malloc(1000), 600); /* stays where it is */
    molt_free_sized(p, 600);
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    ck_assert_uint_eq(stats.live_blocks, 0);
}
END_TEST

/* Where there is no memory to move a block to, it keeps its place, however little is asked for. */
START_TEST(test_sized_free_of_a_block_that_could_not_shrink)
{
    options.sized = 1;
    char *p = molt_malloc(20000);
    os_fail(1, true);
    for (size_t size = 1 << 20; size >= 2000; size /= 2)
        while (molt_malloc(size) != NULL)
            continue;
    ck_assert_ptr_eq(molt_realloc(p, 100), p);
    os_fail(0, false);
    molt_free_sized(p, 100);
}
END_TEST

/* A signal handler that has interrupted a slow path gets whole pages. */
START_TEST(test_sized_free_of_a_signal_handlers_block)
{
    options.sized = 1;
    molt_free(molt_malloc(1));
    struct heap *heap = thread_enter_existing();
    char *p = molt_malloc(64);
    thread_leave(heap);
    ck_assert_uint_eq(molt_usable_size(p), os_page_bytes());
    molt_free_sized(p, 64);
}
END_TEST

START_TEST(test_sized_free_of_a_freed_block)
{
    options.sized = 1;
    struct sized sized = {.p = molt_malloc(64), .size = 64};
    molt_free(sized.p);
    unit_expect_error(do_free_sized, &sized, "invalid free_sized of %p", (void *)sized.p);
}
END_TEST

/* The whole of standard error is one line. */
START_TEST(test_one_line)
{
    char *p = molt_malloc(64), text[1000];
    molt_free(p);
    int status = unit_child(do_free, p, text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

Suite *suite_misuse(void)
{
    Suite *suite = suite_create("misuse");
    TCase *tests = tcase_create("misuse");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_double_free_in_pools);
    tcase_add_test(tests, test_double_free_of_a_released_pool);
    tcase_add_test(tests, test_double_free_of_a_run);
    tcase_add_test(tests, test_double_free_of_huge);
    tcase_add_test(tests, test_double_free_after_a_remote_one);
    tcase_add_test(tests, test_double_remote_free);
    tcase_add_test(tests, test_double_free_after_exit_of_the_owner);
    tcase_add_test(tests, test_inside_a_block);
    tcase_add_test(tests, test_inside_large_blocks);
    tcase_add_test(tests, test_blocks_that_are_not_carved);
    tcase_add_test(tests, test_foreign_memory);
    tcase_add_test(tests, test_aliases);
    tcase_add_test(tests, test_sized_free_too_large);
    tcase_add_test(tests, test_sized_free_too_small);
    tcase_add_test(tests, test_sized_free_unchecked);
    tcase_add_test(tests, test_sized_free_of_the_right_size);
    tcase_add_test(tests, test_sized_free_of_a_block_that_could_not_shrink);
    tcase_add_test(tests, test_sized_free_of_a_signal_handlers_block);
    tcase_add_test(tests, test_sized_free_of_a_freed_block);
    tcase_add_test(tests, test_one_line);
    suite_add_tcase(suite, tests);
    return suite;
}
