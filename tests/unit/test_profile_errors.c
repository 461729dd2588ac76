/* test_profile_errors.c: what is known of blocks that were freed lately, and what is said of them
 * when the program misuses one: the truth, or nothing. tests/cases/error_stacks.cc looks at the
 * stacks. */
#include "requests.h"
#include "step.h"
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "base/tunables.h"
#include "molt.h"
#include "molt_object.h"
#include "profile/freed.h"
#include "profile/memory.h"
#include "profile/site.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* ---- The table ---- */

/* The nth block's address; nobody reads it. */
static void *block(size_t n)
{
    return (void *)(0x7f0000000000 + n * 16);
}

static struct site site;

static void note(size_t n)
{
    struct record record = {.block = block(n), .size = n, .site = &site, .thread = 5};
    uintptr_t frames[FREED_DEPTH_MAX] = {n + 1, n + 2};
    freed_note(&record, freed_profile(), 6, frames, 2);
}

/* Whether the nth block is known; if so, all is right that is known of it. */
static bool is_known(size_t n)
{
    struct freed freed;
    if (!freed_find(block(n), &freed))
        return false;
    REQUIRE(freed.size == n && freed.site == &site && freed.allocated_by == 5 &&
                freed.freed_by == 6 && freed.depth == 2 && freed.frames[0] == n + 1 &&
                freed.frames[1] == n + 2,
            "block %zu: %zu bytes", n, freed.size);
    return true;
}

START_TEST(test_a_block_is_known_until_it_is_given_out)
{
    ck_assert(!is_known(1));
    freed_forget(block(1));
    note(1);
    note(2);
    ck_assert(is_known(1) && is_known(2) && !is_known(3));
    freed_forget(block(1));
    ck_assert(!is_known(1) && is_known(2));
    note(1);
    ck_assert(is_known(1));
    freed_forget_all();
    ck_assert(!is_known(1) && !is_known(2));
}
END_TEST

/* Of many blocks the last thousands are known, but for few whose buckets were full. */
START_TEST(test_the_latest_blocks_are_known)
{
    size_t count = 100 * 1000, latest = 0, known = 0;
    for (size_t n = 0; n < count; n++) {
        note(n);
        REQUIRE(is_known(n), "block %zu", n);
    }
    for (size_t n = 0; n < count; n++) {
        bool is = is_known(n);
        known += is;
        latest += is && n >= count - 2000;
    }
    ck_assert_uint_ge(latest, 1900);
    ck_assert_uint_ge(known, 5000);
    ck_assert_uint_le(profile_memory_given(), options.prof_memory / 16);
}
END_TEST

/* A new pool in the block's slot gives its address out without a word. */
START_TEST(test_a_pool_is_made)
{
    size_t apart = POOL_BYTES / 16;
    for (size_t n = 0; n < 3; n++)
        note(n * apart + 5);
    freed_note_pool(block(apart));
    ck_assert(is_known(5) && !is_known(apart + 5) && is_known(2 * apart + 5));
    note(apart + 5);
    ck_assert(is_known(apart + 5));
}
END_TEST

/* Of the profiler's memory a small part; without any nothing is known. */
START_TEST(test_memory)
{
    options.prof_memory = _i == 0 ? 0 : (uint64_t)1 << 20;
    for (size_t n = 0; n < 100 * 1000; n++)
        note(n);
    size_t given = profile_memory_given(), known = 0;
    for (size_t n = 0; n < 100 * 1000; n++)
        known += is_known(n);
    ck_assert_uint_le(given, options.prof_memory / 16);
    ck_assert(_i == 0 ? known == 0 : known > 100);
}
END_TEST

START_TEST(test_a_request_fails)
{
    requests_fail(1);
    note(1);
    ck_assert(requests_have_failed());
    ck_assert(!is_known(1));
    note(1);
    ck_assert(is_known(1));
}
END_TEST

static unsigned seen, wanted;

/* Frees the blocks that the interrupted code frees, and finds one of them. */
static void handle(void)
{
    if (seen++ != wanted)
        return;
    is_known(1);
    note(1);
    note(2);
    freed_forget(block(1));
    freed_note_pool(block(1 << 20));
}

START_TEST(test_a_handler_after_any_instruction)
{
    if (!step_is_possible("test_a_handler_after_any_instruction"))
        return;
    do {
        freed_forget_all();
        seen = 0;
        step_begin(handle);
        note(1);
        freed_forget(block(2));
        note(2);
        step_end();
        is_known(1);
        is_known(2);
        note(1);
        REQUIRE(is_known(1), "instruction %u", wanted);
    } while (seen > wanted++);
    ck_assert_uint_gt(wanted, 100);
}
END_TEST

/* ---- Blocks of malloc ---- */

static char said[8192];

/* The block is freed twice, or once more: the error must be told, and this be said after it. */
static void expect_said(void (*misuse)(void *), void *p, const char *words, bool is_said)
{
    int status = unit_child(misuse, p, said, sizeof said);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x: %s",
                  (unsigned)status, said);
    ck_assert_msg((strstr(said, words) != NULL) == is_said, "'%s': %s", words, said);
}

static void free_again(void *p)
{
    molt_free(p);
}

/* The sizes of blocks of a pool, a run and a huge block. */
static const size_t sizes[] = {1000, 100000, 5000000};

START_TEST(test_sampled)
{
    molt_profile_start(2);
    char *kept = molt_malloc(sizes[_i]), *p = molt_malloc(sizes[_i]);
    snprintf(said, sizeof said, "molt: the block of %zu bytes at %p was allocated by", sizes[_i],
             (void *)p);
    char words[200];
    strcpy(words, said);
    expect_said(free_again, p + 1, words, true);
    expect_said(free_again, p + 1, "was freed by", false);
    molt_free(p);
    expect_said(free_again, p, words, true);
    expect_said(free_again, p, "was freed by", true);
    molt_profile_stop();
    expect_said(free_again, p, words, true);
    molt_profile_start(4096); /* another profile */
    expect_said(free_again, p, words, false);
    molt_free(kept);
}
END_TEST

/* The address is given out again, to a block that is not sampled, and that is freed twice. */
START_TEST(test_given_out_again)
{
    molt_profile_start(2);
    void *p = molt_malloc(sizes[_i]);
    molt_free(p);
    molt_profile_stop();
    if (_i == 0)
        molt_trim(0); /* its pool goes, and comes again to another heap */
    unsigned others = 0;
    while (molt_malloc(sizes[_i]) != p && others < 20000)
        others++;
    ck_assert_uint_lt(others, 20000);
    molt_free(p);
    expect_said(free_again, p, "was allocated", false);
}
END_TEST

/* A trace that has ended. */
START_TEST(test_after_a_trace)
{
    molt_profile_start(1);
    void *kept = molt_malloc(sizes[_i]), *p = molt_malloc(sizes[_i]);
    molt_free(p);
    expect_said(free_again, p, "was freed by", true);
    molt_profile_stop();
    expect_said(free_again, p, "was freed by", true);
    void *other = molt_malloc(sizes[_i]);
    ck_assert_ptr_eq(other, p);
    molt_free(other);
    expect_said(free_again, p, "was allocated", false);
    molt_free(kept);
}
END_TEST

/* While all is traced, and there is no memory to record the block that gets the address next. */
START_TEST(test_not_recorded)
{
    molt_profile_start(1);
    void *kept = molt_malloc(sizes[_i]), *p = molt_malloc(sizes[_i]);
    molt_free(p);
    options.prof_memory = 0;
    while (profile_memory_take(16) != NULL)
        continue;
    void *other = molt_calloc(1, sizes[_i]);
    ck_assert_ptr_eq(other, p);
    molt_free(other);
    expect_said(free_again, p, "was allocated", false);
    molt_free(kept);
}
END_TEST

/* A block that has moved is freed where it was. */
static void *moved_to;

START_TEST(test_moved)
{
    molt_profile_start(_i == 0 ? 1 : 2);
    void *p = molt_malloc(100000);
    moved_to = molt_realloc(p, 4000000);
    ck_assert_ptr_ne(moved_to, p);
    expect_said(free_again, p, "the block of 100000 bytes", true);
    expect_said(free_again, (char *)moved_to + 1, "the block of 4000000 bytes", true);
}
END_TEST

/* What could not be resized was not freed either. */
START_TEST(test_not_moved)
{
    molt_profile_start(_i == 0 ? 1 : 2);
    char *p = molt_malloc(5000000);
    ck_assert_ptr_null(molt_realloc(p, SIZE_MAX / 4));
    expect_said(free_again, p + 1, "the block of 5000000 bytes", true);
    expect_said(free_again, p + 1, "was freed by", false);
}
END_TEST

/* ---- Objects ---- */

struct node {
    MOLT_OBJECT;
    struct node *next;
};
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next));

static void release_again(void *object)
{
    molt_release(object);
}

START_TEST(test_objects)
{
    molt_profile_start(_i == 0 ? 1 : 2);
    struct node *kept = molt_new(&node_type), *node = molt_new(&node_type);
    expect_said(free_again, node, "(struct node) was allocated by", true);
    molt_release(node);
    expect_said(release_again, node, "(struct node) was allocated by", true);
    expect_said(release_again, node, "was freed by", true);
    molt_release(kept);
}
END_TEST

static void write_none(void)
{
    options.prof_final = 0;
}

Suite *suite_profile_errors(void)
{
    Suite *suite = suite_create("profile_errors");
    TCase *table = tcase_create("table");
    tcase_set_timeout(table, patience(60));
    tcase_add_test(table, test_a_block_is_known_until_it_is_given_out);
    tcase_add_test(table, test_the_latest_blocks_are_known);
    tcase_add_test(table, test_a_pool_is_made);
    tcase_add_loop_test(table, test_memory, 0, 2);
    tcase_add_test(table, test_a_request_fails);
    tcase_add_test(table, test_a_handler_after_any_instruction);
    suite_add_tcase(suite, table);
    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(errors, write_none, NULL);
    tcase_set_timeout(errors, patience(60));
    tcase_add_loop_test(errors, test_sampled, 0, COUNT_OF(sizes));
    tcase_add_loop_test(errors, test_given_out_again, 0, COUNT_OF(sizes));
    tcase_add_loop_test(errors, test_after_a_trace, 0, COUNT_OF(sizes));
    tcase_add_loop_test(errors, test_not_recorded, 0, COUNT_OF(sizes));
    tcase_add_loop_test(errors, test_moved, 0, 2);
    tcase_add_loop_test(errors, test_not_moved, 0, 2);
    tcase_add_loop_test(errors, test_objects, 0, 2);
    suite_add_tcase(suite, errors);
    return suite;
}
