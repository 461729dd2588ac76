/* test_profile_tag.c: names that are kept once, the names of threads, and their tags. */
#include "requests.h"
#include "suites.h"
#include "unit.h"

#include "profile/memory.h"
#include "profile/name.h"
#include "profile/tag.h"
#include "profile/thread_name.h"
#include "molt.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_CURRENT(expected)                                                    \
    do {                                                                           \
        const char *current = tag_current();                                       \
        REQUIRE(current != NULL && strcmp(current, (expected)) == 0, "%s, not %s", \
                current == NULL ? "none" : current, (expected));                   \
    } while (0)

/* ---- Names ---- */

START_TEST(test_names_are_kept_once)
{
    char text[] = "cache";
    const char *name = name_intern(text);
    ck_assert_str_eq(name, "cache");
    ck_assert_ptr_ne(name, text);
    ck_assert_ptr_eq(name_intern("cache"), name);
    ck_assert_ptr_ne(name_intern("cachE"), name);
    ck_assert_ptr_ne(name_intern("cach"), name);
    ck_assert_str_eq(name_intern(""), "");
    strcpy(text, "gone!");
    ck_assert_str_eq(name, "cache");
}
END_TEST

/* Cut names are equal if what is left of them is. */
START_TEST(test_long_names_are_cut)
{
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    const char *name = name_intern(text);
    ck_assert_uint_eq(strlen(name), NAME_BYTES_MAX);
    text[NAME_BYTES_MAX] = 'y';
    ck_assert_ptr_eq(name_intern(text), name);
    text[NAME_BYTES_MAX] = '\0';
    ck_assert_ptr_eq(name_intern(text), name);
    text[NAME_BYTES_MAX - 1] = '\0';
    ck_assert_ptr_ne(name_intern(text), name);
}
END_TEST

enum { NAMES = 3000, THREADS = 16 };

static const char *interned[THREADS][NAMES];

static void *intern_many(void *thread)
{
    for (unsigned i = 0; i < NAMES; i++) {
        char text[20];
        snprintf(text, sizeof text, "name %u", i);
        interned[*(unsigned *)thread][i] = name_intern(text);
    }
    return NULL;
}

/* All threads get the same ones. */
START_TEST(test_names_of_many_threads)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, intern_many, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < NAMES; i++) {
        char text[20];
        snprintf(text, sizeof text, "name %u", i);
        ck_assert_str_eq(interned[0][i], text);
        for (unsigned thread = 1; thread < THREADS; thread++)
            ck_assert_ptr_eq(interned[thread][i], interned[0][i]);
    }
}
END_TEST

START_TEST(test_a_name_without_memory)
{
    const char *old = name_intern("old");
    requests_fail_from(1);
    ck_assert_ptr_null(name_intern("new"));
    ck_assert_ptr_eq(name_intern("old"), old);
    requests_fail(0);
    ck_assert_str_eq(name_intern("new"), "new");
}
END_TEST

/* ---- Names of threads ---- */

#define SECOND_NS UINT64_C(1000000000)

static void rename_thread(const char *name)
{
    ck_assert_int_eq(prctl(PR_SET_NAME, name), 0);
}

static const char *new_name; /* the last new thread's, first as it is to be, then as it is told */

static void *rename_new_thread(void *unused)
{
    rename_thread(new_name);
    new_name = thread_name(SECOND_NS);
    return unused;
}

static const char *name_of_a_new_thread(const char *name)
{
    new_name = name;
    unit_in_thread(rename_new_thread, NULL);
    return new_name;
}

START_TEST(test_threads_have_names)
{
    rename_thread("main");
    const char *name = thread_name(SECOND_NS);
    ck_assert_str_eq(name, "main");
    ck_assert_str_eq(name_of_a_new_thread("worker"), "worker");
    ck_assert_ptr_eq(name_of_a_new_thread("main"), name);
    ck_assert_ptr_eq(thread_name(SECOND_NS), name);
}
END_TEST

START_TEST(test_a_thread_is_renamed)
{
    rename_thread("before");
    ck_assert_str_eq(thread_name(SECOND_NS), "before");
    rename_thread("after");
    ck_assert_str_eq(thread_name(SECOND_NS + 99 * 1000 * 1000), "before");
    ck_assert_str_eq(thread_name(SECOND_NS + 100 * 1000 * 1000), "after");
    rename_thread("");
    ck_assert_ptr_null(thread_name(2 * SECOND_NS));
}
END_TEST

/* Those that come first are kept. */
START_TEST(test_too_many_threads_with_names)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < 3 * THREAD_NAMES_MAX; i++) {
        char text[16];
        snprintf(text, sizeof text, "worker %u", i);
        const char *name = name_of_a_new_thread(text);
        ck_assert(i < THREAD_NAMES_MAX ? strcmp(name, text) == 0 : name == NULL);
        if (i == THREAD_NAMES_MAX)
            bytes = profile_memory_given();
    }
    ck_assert_uint_eq(profile_memory_given(), bytes);
    ck_assert_str_eq(name_of_a_new_thread("worker 7"), "worker 7");
}
END_TEST

START_TEST(test_a_thread_name_without_memory)
{
    rename_thread("new");
    requests_fail_from(1);
    ck_assert_ptr_null(thread_name(SECOND_NS));
    requests_fail(0);
    ck_assert_str_eq(thread_name(2 * SECOND_NS), "new");
}
END_TEST

START_TEST(test_thread_name_of_a_child)
{
    int status;
    rename_thread("parent");
    ck_assert_str_eq(thread_name(SECOND_NS), "parent");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NAME, "child");
        _exit(strcmp(thread_name(2 * SECOND_NS), "child") != 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- Tags ---- */

START_TEST(test_tags_nest)
{
    ck_assert_ptr_null(tag_current());
    molt_tag_push("outer");
    CHECK_CURRENT("outer");
    molt_tag_push("inner");
    CHECK_CURRENT("inner");
    molt_tag_push("outer");
    CHECK_CURRENT("outer");
    molt_tag_pop();
    CHECK_CURRENT("inner");
    molt_tag_pop();
    CHECK_CURRENT("outer");
    molt_tag_pop();
    ck_assert_ptr_null(tag_current());
}
END_TEST

START_TEST(test_a_pop_too_many)
{
    molt_tag_pop();
    molt_tag_push("one");
    molt_tag_pop();
    molt_tag_pop();
    ck_assert_ptr_null(tag_current());
    molt_tag_push("two");
    CHECK_CURRENT("two");
}
END_TEST

/* Two paths to the same name give the same name. */
START_TEST(test_the_innermost_name_counts)
{
    molt_tag_push("a");
    molt_tag_push("same");
    const char *name = tag_current();
    molt_tag_pop();
    molt_tag_pop();
    molt_tag_push("b");
    molt_tag_push("same");
    ck_assert_ptr_eq(tag_current(), name);
}
END_TEST

START_TEST(test_no_tag_within_a_tag)
{
    molt_tag_push("a");
    molt_tag_push(NULL);
    ck_assert_ptr_null(tag_current());
    molt_tag_push("b");
    CHECK_CURRENT("b");
    molt_tag_pop();
    ck_assert_ptr_null(tag_current());
    molt_tag_pop();
    CHECK_CURRENT("a");
}
END_TEST

/* Pushes that go too deep are left out, and meet their pops. */
START_TEST(test_deep)
{
    char text[20];
    for (unsigned i = 1; i <= TAG_DEPTH_MAX + 100; i++) {
        snprintf(text, sizeof text, "%u", i);
        molt_tag_push(text);
    }
    for (unsigned i = TAG_DEPTH_MAX + 100; i >= 1; i--) {
        snprintf(text, sizeof text, "%u", i < TAG_DEPTH_MAX ? i : TAG_DEPTH_MAX);
        CHECK_CURRENT(text);
        molt_tag_pop();
    }
    ck_assert_ptr_null(tag_current());
}
END_TEST

/* Whichever request for memory fails. */
START_TEST(test_a_tag_without_memory)
{
    unsigned long nth = 0;
    do {
        char outer[20], inner[20];
        snprintf(outer, sizeof outer, "outer %lu", ++nth);
        snprintf(inner, sizeof inner, "inner %lu", nth);
        requests_fail(nth);
        molt_tag_push(outer);
        const char *first = tag_current();
        molt_tag_push(inner);
        molt_tag_pop();
        ck_assert_ptr_eq(tag_current(), first);
        molt_tag_pop();
        ck_assert_ptr_null(tag_current());
    } while (requests_have_failed());
    ck_assert_uint_gt(nth, 4);
    requests_fail(0);
}
END_TEST

/* What was left out stays so until it is popped, even if there is memory again. */
START_TEST(test_memory_comes_back)
{
    molt_tag_push("a");
    requests_fail_from(1);
    molt_tag_push("b");
    requests_fail(0);
    molt_tag_push("a");
    CHECK_CURRENT("a");
    molt_tag_pop();
    molt_tag_pop();
    CHECK_CURRENT("a");
    molt_tag_pop();
    ck_assert_ptr_null(tag_current());
}
END_TEST

/* Paths that are known take no memory. */
START_TEST(test_paths_are_kept)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < 100 * 1000; i++) {
        molt_tag_push(i % 2 == 0 ? "even" : "odd");
        molt_tag_push("inner");
        molt_tag_pop();
        molt_tag_pop();
        if (i == 1)
            bytes = profile_memory_bytes();
    }
    ck_assert_uint_eq(profile_memory_bytes(), bytes);
}
END_TEST

static void *check_own_tags(void *unused)
{
    ck_assert_ptr_null(tag_current());
    molt_tag_push("theirs");
    return unused;
}

START_TEST(test_tags_are_the_threads_own)
{
    molt_tag_push("mine");
    unit_in_thread(check_own_tags, NULL);
    CHECK_CURRENT("mine");
}
END_TEST

static void *push_and_pop(void *unused)
{
    uint64_t random = (uintptr_t)&random;
    for (unsigned round = 0; round < 2000; round++) {
        char texts[5][20];
        for (unsigned i = 0; i < 5; i++) {
            snprintf(texts[i], sizeof texts[i], "%u", unit_random(&random) % 5);
            molt_tag_push(texts[i]);
        }
        for (unsigned i = 5; i-- > 0;) {
            CHECK_CURRENT(texts[i]);
            molt_tag_pop();
        }
    }
    return unused;
}

START_TEST(test_tags_of_many_threads)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, push_and_pop, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

Suite *suite_profile_tag(void)
{
    Suite *suite = suite_create("profile_tag");
    TCase *names = tcase_create("names");
    tcase_add_test(names, test_names_are_kept_once);
    tcase_add_test(names, test_long_names_are_cut);
    tcase_add_test(names, test_names_of_many_threads);
    tcase_add_test(names, test_a_name_without_memory);
    suite_add_tcase(suite, names);
    TCase *threads = tcase_create("threads");
    tcase_add_test(threads, test_threads_have_names);
    tcase_add_test(threads, test_a_thread_is_renamed);
    tcase_add_test(threads, test_too_many_threads_with_names);
    tcase_add_test(threads, test_a_thread_name_without_memory);
    tcase_add_test(threads, test_thread_name_of_a_child);
    suite_add_tcase(suite, threads);
    TCase *tags = tcase_create("tags");
    tcase_add_test(tags, test_tags_nest);
    tcase_add_test(tags, test_a_pop_too_many);
    tcase_add_test(tags, test_the_innermost_name_counts);
    tcase_add_test(tags, test_no_tag_within_a_tag);
    tcase_add_test(tags, test_deep);
    tcase_add_test(tags, test_a_tag_without_memory);
    tcase_add_test(tags, test_memory_comes_back);
    tcase_add_test(tags, test_paths_are_kept);
    tcase_add_test(tags, test_tags_are_the_threads_own);
    tcase_add_test(tags, test_tags_of_many_threads);
    suite_add_tcase(suite, tags);
    return suite;
}
