/* test_object_memory.c: every request for memory of a script with objects fails, one after the
 * other. What cannot be done says so by NULL, or -1, and ENOMEM; and whatever has failed, in the
 * end every object that was made has died once, has been finalized at most once, and each weak
 * reference has been told. */
#include "requests.h"
#include "suites.h"
#include "unit.h"

#include "molt.h"
#include "molt_object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A result that says "failed" must come with ENOMEM, and only after a request has failed. */
static bool done(bool is_done)
{
    REQUIRE(is_done || (requests_have_failed() && errno == ENOMEM), "errno is %d", errno);
    return is_done;
}

/* ---- Objects of all kinds ---- */

struct part {
    MOLT_OBJECT;
    struct part *next, *other;
    struct part **items;
    uint32_t length;
    bool is_finalized;
    void (*on_finalize)(struct part *part);
};

static size_t made, disposed, told;
static struct part *revived;
static bool has_failed; /* some request of the script */

static void finalize(void *object)
{
    struct part *part = object;
    REQUIRE(!part->is_finalized, "finalized twice");
    part->is_finalized = true;
    if (part->on_finalize != NULL)
        part->on_finalize(part);
}

static void dispose(void *object)
{
    molt_free(((struct part *)object)->items);
    disposed++;
}

#define FIELDS MOLT_REFS(struct part, next, other), .dispose = dispose

MOLT_TYPE(plain_type, struct part, FIELDS);
MOLT_TYPE(ending_type, struct part, FIELDS, .finalize = finalize);
MOLT_TYPE(acyclic_type, struct part, FIELDS, .flags = MOLT_ACYCLIC);
MOLT_TYPE(array_type, struct part, FIELDS, MOLT_REF_ARRAY(struct part, items, length));
MOLT_TYPE(row_type, struct part, FIELDS, .flags = MOLT_TRAILING_REFS);

static struct part *make_of(const molt_type *type, size_t extra)
{
    errno = 0;
    struct part *part = extra != 0 ? molt_new_extra(type, extra) : molt_new(type);
    made += part != NULL;
    return done(part != NULL) ? part : NULL;
}

enum { SMALL = 0, ROW = 64, LARGE = 50000, PARTS = 60 };

/* The script's objects: in each slot a reference, or NULL where memory was missing. */
static struct part *make_some(unsigned i)
{
    static const struct {
        molt_type *type;
        size_t extra;
    } kinds[] = {{&plain_type, SMALL}, {&ending_type, SMALL}, {&array_type, SMALL},
                 {&row_type, ROW},     {&row_type, LARGE},    {&acyclic_type, SMALL}};
    struct part *part = make_of(kinds[i % 6].type, kinds[i % 6].extra);
    if (part == NULL || i % 6 != 2)
        return part;
    part->items = molt_calloc(2, sizeof(struct part *));
    if (done(part->items != NULL))
        part->length = 2;
    return part;
}

static void link_all(struct part **parts)
{
    for (unsigned i = 0; i < PARTS; i++) {
        struct part *part = parts[i];
        if (part == NULL)
            continue;
        bool is_acyclic = molt_typeof(part) == &acyclic_type;
        molt_set(&part->next, is_acyclic ? NULL : parts[(i + 1) % PARTS]);
        molt_set(&part->other, is_acyclic ? NULL : parts[i / 2]);
        for (uint32_t n = 0; n < part->length; n++)
            molt_set(&part->items[n], parts[(i + 7 * n) % PARTS]);
    }
}

/* ---- Finalizers that need memory ---- */

static void revive(struct part *part)
{
    molt_set(&revived, part);
}

static void attach(struct part *part)
{
    struct part *new = make_of(&plain_type, 0);
    molt_set(&part->other, new);
    molt_release(new);
}

static void collect_within(struct part *part)
{
    (void)part;
    molt_gc_collect(2);
}

static void unlink_next(struct part *part)
{
    molt_clear(&part->next);
}

static void set_finalizers(struct part **parts)
{
    static void (*const actions[])(struct part *) = {revive, attach, collect_within, unlink_next,
                                                     NULL};
    for (unsigned i = 0, n = 0; i < PARTS; i++)
        if (parts[i] != NULL && molt_typeof(parts[i]) == &ending_type)
            parts[i]->on_finalize = actions[n++ % COUNT_OF(actions)];
}

/* ---- The script ---- */

static void on_death(molt_weak *weak, void *is_told)
{
    REQUIRE(molt_weak_get(weak) == NULL, "the object is still to be had");
    REQUIRE(!*(bool *)is_told, "told twice");
    *(bool *)is_told = true;
    told++;
}

static void note_collection(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    *(size_t *)arg += phase == MOLT_GC_STOP ? info->collected : 0;
}

static void collect_with_flags(int generation, unsigned flags)
{
    size_t collected = 0;
    errno = 0;
    bool listens = done(molt_gc_add_callback(note_collection, &collected) == 0);
    molt_gc_set_debug(flags);
    errno = 0;
    long found = molt_gc_collect(generation);
    molt_gc_set_debug(0);
    if (done(found >= 0) && listens && flags == 0)
        REQUIRE(collected == (size_t)found, "%zu collected, not %ld", collected, found);
    REQUIRE((molt_gc_remove_callback(note_collection, &collected) == 0) == listens, "the callback");
}

static void look(struct part *part)
{
    int fd = open("/dev/null", O_WRONLY);
    errno = 0;
    done(molt_gc_report(fd) == 0);
    done(part == NULL || molt_gc_why(part, fd) == 0);
    done(part == NULL || molt_gc_graph(part, 3, fd) == 0);
    done(molt_gc_audit(fd) >= 0);
    close(fd);
}

/* All that can die does. */
static void end_of_failures(void)
{
    has_failed = requests_have_failed();
    requests_fail(0);
    do
        molt_clear(&revived);
    while (molt_gc_collect(2) > 0 || revived != NULL);
}

static void script(void)
{
    struct part *parts[PARTS];
    molt_weak *weak[PARTS];
    bool is_told[PARTS] = {false};
    size_t weak_count = 0, told_before = told;
    for (unsigned i = 0; i < PARTS; i++) {
        parts[i] = make_some(i);
        errno = 0;
        weak[i] = parts[i] != NULL ? molt_weak_new(parts[i], on_death, &is_told[i]) : NULL;
        weak_count += parts[i] != NULL && done(weak[i] != NULL);
    }
    link_all(parts);
    set_finalizers(parts);
    collect_with_flags(0, 0);
    look(parts[0]);
    for (unsigned i = 0; i < PARTS; i++) {
        struct part *part = weak[i] != NULL ? molt_weak_get(weak[i]) : NULL;
        REQUIRE(part == (weak[i] != NULL ? parts[i] : NULL), "part %u", i);
        molt_release(part);
        molt_clear(&parts[i]);
    }
    collect_with_flags(1, 0);
    collect_with_flags(2, MOLT_GC_SAVEALL);
    molt_gc_clear_garbage();
    collect_with_flags(2, 0);
    end_of_failures();
    REQUIRE(told - told_before == weak_count, "%zu of %zu told", told - told_before, weak_count);
    for (unsigned i = 0; i < PARTS; i++)
        molt_weak_free(weak[i]);
}

/* Rings that become garbage in the course of collections in slices; some stay for a while. */
static void script_in_slices(void)
{
    struct part *kept[40] = {NULL};
    molt_gc_set_threshold(10, 1, 1);
    for (unsigned i = 0; i < 1200; i++) {
        struct part *first = make_of(&plain_type, SMALL), *second = make_of(&ending_type, SMALL);
        if (first != NULL)
            molt_set(&first->next, second);
        if (second != NULL)
            molt_set(&second->next, first);
        molt_release(second);
        molt_set(&kept[i % 3 == 0 ? i / 3 % COUNT_OF(kept) : 0], first);
        molt_release(first);
    }
    molt_gc_set_threshold(700, 10, 10);
    for (unsigned i = 0; i < COUNT_OF(kept); i++)
        molt_clear(&kept[i]);
    end_of_failures();
}

static void run(void (*of)(void), void (*begin)(unsigned long), unsigned long nth)
{
    made = disposed = 0;
    begin(nth);
    of();
    REQUIRE(made == disposed, "request %lu fails: %zu made, %zu died", nth, made, disposed);
}

/* What the library keeps for its own use depends on what happened last: so all is counted after a
 * run without a failure. */
static void fail_each(void (*of)(void), void (*begin)(unsigned long))
{
    run(of, requests_fail, 0);
    size_t before = unit_live_blocks();
    unsigned long nth = 0, step = unit_is_sanitized() ? 13 : 1;
    bool goes_on = true;
    while (goes_on) {
        run(of, begin, nth += step);
        goes_on = has_failed;
        run(of, requests_fail, 0);
        size_t after = unit_live_blocks();
        REQUIRE(after == before, "request %lu fails: %zu blocks, not %zu", nth, after, before);
    }
    ck_assert_uint_gt(nth, 100);
}

START_TEST(test_each_request_fails)
{
    fail_each(script, requests_fail);
}
END_TEST

START_TEST(test_all_requests_fail_from_one_on)
{
    fail_each(script, requests_fail_from);
}
END_TEST

START_TEST(test_each_request_fails_in_slices)
{
    ck_assert_int_eq(molt_ctl("gc", NULL, NULL, "incremental", strlen("incremental")), 0);
    fail_each(script_in_slices, requests_fail);
}
END_TEST

/* Makes an object of a type and a size that are new; the nth request fails, and it is tried again.
 * How many blocks that takes, with those for the type and the pool. */
static size_t blocks_of_first(molt_type *type, unsigned nth, struct part **out)
{
    size_t before = unit_live_blocks();
    requests_fail(nth);
    struct part *part = make_of(type, SMALL);
    has_failed = requests_have_failed();
    requests_fail(0);
    REQUIRE(has_failed == (part == NULL), "made: %d", part != NULL);
    *out = part != NULL ? part : make_of(type, SMALL);
    return unit_live_blocks() - before;
}

/* What could not be done for a type's first object is done for the next. */
START_TEST(test_each_request_of_a_first_object_fails)
{
    static molt_type types[8];
    struct part *parts[COUNT_OF(types)] = {NULL};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        types[i] = plain_type;
        types[i].size = 200 * (i + 1);
        memset(types[i].molt_private, 0, sizeof types[i].molt_private);
    }
    struct part *first = make_of(&plain_type, SMALL);
    size_t blocks = blocks_of_first(&types[0], 0, &parts[0]);
    unsigned nth = 0;
    do
        ck_assert_uint_eq(blocks_of_first(&types[nth + 1], nth + 1, &parts[nth + 1]), blocks);
    while (has_failed && ++nth + 1 < COUNT_OF(types));
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i] != NULL)
            molt_set(&parts[i]->next, parts[i]);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        molt_release(parts[i]);
    molt_release(first);
    ck_assert_int_eq(molt_gc_collect(2), nth + 2);
    ck_assert_uint_eq(nth, 5); /* the object, the descriptor, its fields, the block, the side */
    ck_assert_uint_eq(made, disposed);
}
END_TEST

/* The second request of molt_new is for the thread's owner. */
static void *make_none(void *unused)
{
    requests_fail(2);
    ck_assert_ptr_null(make_of(&plain_type, SMALL));
    requests_fail(0);
    return unused;
}

/* The process has no owner when the thread ends, but the thread's heap is set up for objects. */
START_TEST(test_a_thread_ends_without_the_first_owner)
{
    unit_in_thread(make_none, NULL);
    molt_release(make_of(&plain_type, SMALL));
    ck_assert_uint_eq(made, 1);
    ck_assert_uint_eq(disposed, 1);
}
END_TEST

Suite *suite_object_memory(void)
{
    Suite *suite = suite_create("object_memory");
    TCase *tests = tcase_create("object_memory");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_each_request_fails);
    tcase_add_test(tests, test_all_requests_fail_from_one_on);
    tcase_add_test(tests, test_each_request_fails_in_slices);
    tcase_add_test(tests, test_each_request_of_a_first_object_fails);
    tcase_add_test(tests, test_a_thread_ends_without_the_first_owner);
    suite_add_tcase(suite, tests);
    return suite;
}
