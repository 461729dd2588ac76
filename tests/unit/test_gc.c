/* test_gc.c: what the collector finds, when it comes, and what it tells. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_up(void)
{
    molt_gc_disable();
}

static struct node *leaf(int id)
{
    return node_take(&telling_type, id, NULL, NULL);
}

static size_t objects(int generation)
{
    return molt_gc_objects(generation, NULL, NULL);
}

static void expect_objects(size_t young, size_t middle, size_t old)
{
    ck_assert_uint_eq(objects(0), young);
    ck_assert_uint_eq(objects(1), middle);
    ck_assert_uint_eq(objects(2), old);
}

static void expect_count(unsigned young, unsigned middle, unsigned old)
{
    unsigned count[3];
    molt_gc_get_count(count);
    ck_assert_uint_eq(count[0], young);
    ck_assert_uint_eq(count[1], middle);
    ck_assert_uint_eq(count[2], old);
}

static struct molt_gc_stats stats_of(int generation)
{
    struct molt_gc_stats stats;
    ck_assert_int_eq(molt_gc_get_stats(generation, &stats), 0);
    return stats;
}

/* ---- What is garbage ---- */

START_TEST(test_nothing)
{
    for (int generation = 0; generation < 3; generation++)
        ck_assert_int_eq(molt_gc_collect(generation), 0);
}
END_TEST

START_TEST(test_no_such_generation)
{
    struct molt_gc_stats stats;
    static const int generations[] = {-2, -1, 3, INT_MAX, INT_MIN};
    for (size_t i = 0; i < COUNT_OF(generations); i++) {
        errno = 0;
        ck_assert_int_eq(molt_gc_collect(generations[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(molt_gc_get_stats(generations[i], &stats), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_uint_eq(objects(generations[i]), 0);
        ck_assert_int_eq(errno, generations[i] == -1 ? 0 : EINVAL);
    }
    errno = 0;
    ck_assert_int_eq(molt_gc_get_stats(0, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(test_rings)
{
    for (int count = 1; count < 300; count += count / 3 + 1) {
        struct node *ring = ring_new(&telling_type, 1, count);
        size_t before = disposed_nodes();
        ck_assert_int_eq(molt_gc_collect(2), 0);
        molt_release(ring);
        ck_assert_uint_eq(disposed_nodes(), before);
        ck_assert_int_eq(molt_gc_collect(2), count);
        ck_assert_uint_eq(disposed_nodes(), before + (size_t)count);
        ck_assert_int_eq(molt_gc_collect(2), 0);
    }
    ck_assert_uint_eq(objects(-1), 0);
}
END_TEST

/* What garbage refers to is garbage unless somebody else holds it. */
START_TEST(test_what_hangs_on_a_ring)
{
    struct node *ring = ring_new(&telling_type, 1, 2), *held = leaf(7);
    ring->b = node_take(&telling_type, 5, leaf(6), molt_retain(held));
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 4);
    ck_assert_uint_eq(disposed_nodes(), 4);
    ck_assert_uint_eq(molt_refcount(held), 1);
}
END_TEST

/* What refers to a ring keeps it, by however many steps. */
START_TEST(test_held_from_afar)
{
    struct node *holder = ring_new(&telling_type, 1, 3);
    for (int i = 0; i < 100; i++)
        holder = node_take(&telling_type, 10 + i, holder, NULL);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(holder);
    ck_assert_uint_eq(disposed_nodes(), 100);
    ck_assert_int_eq(molt_gc_collect(2), 3);
}
END_TEST

/* By an object that is not looked at: an acyclic one. */
START_TEST(test_held_by_an_untracked_object)
{
    static const uint16_t refs[] = {offsetof(struct node, a)};
    static molt_type acyclic = {.name = "acyclic",
                                .size = sizeof(struct node),
                                .refs = refs,
                                .ref_count = 1,
                                .flags = MOLT_ACYCLIC};
    struct node *holder = node_take(&acyclic, 0, ring_new(&telling_type, 1, 2), NULL);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert(molt_is_object(holder->a));
    molt_release(holder);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

START_TEST(test_two_rings_linked)
{
    struct node *one = ring_new(&telling_type, 1, 3), *two = ring_new(&telling_type, 11, 4);
    molt_set(&one->b, two);
    molt_release(two);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_retain(two);
    molt_release(one);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    molt_release(two);
    ck_assert_int_eq(molt_gc_collect(2), 4);
}
END_TEST

/* The same target in both fields, and a ring both ways round. */
START_TEST(test_double_references)
{
    struct node *one = leaf(1), *two = leaf(2);
    molt_set(&one->a, two);
    molt_set(&one->b, two);
    molt_set(&two->a, one);
    molt_set(&two->b, one);
    molt_release(one);
    ck_assert_int_eq(molt_gc_collect(0), 0);
    molt_release(two);
    ck_assert_int_eq(molt_gc_collect(1), 2);
}
END_TEST

static unsigned traced_disposals;

static void count_disposal(void *object)
{
    (void)object;
    traced_disposals++;
}

/* Objects of all types and sizes at once, each referring to the next through its last slot. */
START_TEST(test_garbage_of_all_kinds)
{
    struct vector {
        MOLT_OBJECT;
        void *rest[];
    };
    static molt_type type = {.name = "vector",
                             .size = sizeof(struct vector),
                             .flags = MOLT_TRAILING_REFS,
                             .dispose = count_disposal};
    struct vector *first = molt_new_extra(&type, 8), *last = first;
    unsigned count = 1;
    for (size_t words = 1; words < 500000; words += words / 4 + 1, count++) {
        struct vector *next = molt_new_extra(&type, words * 8);
        next->rest[0] = last;
        next->rest[words - 1] = words == 1 ? next->rest[0] : molt_retain(first);
        last = next;
    }
    molt_set(&first->rest[0], last);
    molt_release(last);
    ck_assert_int_eq(molt_gc_collect(2), count);
    ck_assert_uint_eq(traced_disposals, count);
    ck_assert_uint_eq(objects(-1), 0);
}
END_TEST

/* ---- Generations ---- */

START_TEST(test_promotion)
{
    struct node *node = leaf(1);
    expect_objects(1, 0, 0);
    molt_gc_collect(0);
    expect_objects(0, 1, 0);
    molt_gc_collect(0);
    expect_objects(0, 1, 0);
    struct node *young = leaf(2);
    molt_gc_collect(1);
    expect_objects(0, 0, 2);
    molt_gc_collect(0);
    molt_gc_collect(1);
    molt_gc_collect(2);
    expect_objects(0, 0, 2);
    molt_release(node);
    expect_objects(0, 0, 1);
    molt_release(young);
    ck_assert_uint_eq(objects(-1), 0);
}
END_TEST

START_TEST(test_full_collection_makes_old)
{
    struct node *node = leaf(1);
    molt_gc_collect(2);
    expect_objects(0, 0, 1);
    molt_release(node);
}
END_TEST

/* A new object is young whatever lay in its place. */
/* One among others of its kind: its ring is nobody's to free. */
START_TEST(test_untracked_among_tracked)
{
    struct node *first = ring_new(&node_type, 0, 1), *second = ring_new(&node_type, 0, 1);
    struct node *third = ring_new(&node_type, 0, 1);
    molt_gc_untrack(second);
    molt_release(first);
    molt_release(second);
    molt_release(third);
    ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert(molt_is_object(second));
    molt_clear(&second->a);
}
END_TEST

START_TEST(test_new_in_an_old_place)
{
    const molt_type *type = _i < 3 ? &telling_type : &node_type;
    struct node *nodes[200];
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_take(type, 0, NULL, NULL);
    molt_gc_collect(_i % 3);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        molt_release(nodes[i]);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_take(type, 0, NULL, NULL);
    expect_objects(COUNT_OF(nodes), 0, 0);
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        molt_set(&nodes[i]->a, nodes[i]);
        molt_release(nodes[i]);
    }
    ck_assert_int_eq(molt_gc_collect(0), COUNT_OF(nodes));
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_take(type, 0, NULL, NULL);
    expect_objects(COUNT_OF(nodes), 0, 0);
}
END_TEST

/* Each generation's garbage waits for a collection of its own. */
START_TEST(test_garbage_of_a_generation)
{
    struct node *ring = ring_new(&telling_type, 1, 3);
    if (_i > 0)
        molt_gc_collect(_i - 1);
    molt_release(ring);
    for (int generation = 0; generation < _i; generation++) {
        ck_assert_int_eq(molt_gc_collect(generation), 0);
        ck_assert_uint_eq(disposed_nodes(), 0);
    }
    ck_assert_int_eq(molt_gc_collect(_i), 3);
    ck_assert_uint_eq(disposed_nodes(), 3);
}
END_TEST

/* Young garbage that old garbage refers to lives as long. */
START_TEST(test_old_garbage_keeps_young)
{
    struct node *ring = ring_new(&telling_type, 1, 2);
    molt_gc_collect(1);
    molt_set(&ring->b, NULL);
    ring->b = ring_new(&telling_type, 5, 2);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(0), 0);
    ck_assert_int_eq(molt_gc_collect(1), 0);
    ck_assert_int_eq(molt_gc_collect(2), 4);
}
END_TEST

/* A young ring that refers to something old lets go of it. */
START_TEST(test_young_garbage_refers_to_old)
{
    struct node *old = leaf(9);
    molt_gc_collect(2);
    struct node *ring = ring_new(&telling_type, 1, 2);
    ring->b = old;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(0), 2);
    ck_assert_uint_eq(disposed_nodes(), 3);
}
END_TEST

/* ---- Counts and thresholds ---- */

START_TEST(test_count)
{
    struct node *nodes[5];
    expect_count(0, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        nodes[i] = leaf(0);
        expect_count(i + 1, 0, 0);
    }
    molt_release(nodes[4]);
    molt_release(nodes[3]);
    expect_count(3, 0, 0);
    molt_gc_collect(0);
    expect_count(0, 1, 0);
    molt_release(nodes[2]);
    expect_count(0, 1, 0); /* never below 0 */
    nodes[2] = leaf(0);
    molt_gc_collect(0);
    expect_count(0, 2, 0);
    molt_gc_collect(1);
    expect_count(0, 0, 1);
    molt_gc_collect(0);
    molt_gc_collect(1);
    expect_count(0, 0, 2);
    nodes[3] = leaf(0);
    molt_gc_collect(2);
    expect_count(0, 0, 0);
}
END_TEST

START_TEST(test_threshold)
{
    unsigned threshold[3];
    molt_gc_get_threshold(threshold);
    ck_assert_uint_eq(threshold[0], 700);
    ck_assert_uint_eq(threshold[1], 10);
    ck_assert_uint_eq(threshold[2], 10);
    ck_assert_int_eq(molt_gc_set_threshold(INT_MAX, 1, 0), 0);
    for (int i = 0; i < 3; i++) {
        unsigned t[3] = {5, 5, 5};
        t[i] = (unsigned)INT_MAX + 1;
        errno = 0;
        ck_assert_int_eq(molt_gc_set_threshold(t[0], t[1], t[2]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    molt_gc_get_threshold(threshold);
    ck_assert_uint_eq(threshold[0], INT_MAX);
    ck_assert_uint_eq(threshold[1], 1);
    ck_assert_uint_eq(threshold[2], 0);
}
END_TEST

/* Writes "c<generation>" for each collection. */
static void note_collection(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)arg;
    if (phase == MOLT_GC_START)
        diary_add("c%d", info->generation);
}

static void note_collections(unsigned t0, unsigned t1, unsigned t2)
{
    ck_assert_int_eq(molt_gc_set_threshold(t0, t1, t2), 0);
    ck_assert_int_eq(molt_gc_add_callback(note_collection, NULL), 0);
    molt_gc_enable();
}

/* With the object that passes the threshold, and none before; that one is not looked at. */
START_TEST(test_when_due)
{
    static const unsigned thresholds[] = {1, 2, 7, 100, 700};
    unsigned t0 = thresholds[_i];
    note_collections(t0, 1000, 1000);
    make_garbage(t0);
    expect_count(t0, 0, 0);
    ck_assert_str_eq(diary_read(), "");
    for (unsigned round = 1; round < 5; round++) {
        make_garbage(1);
        ck_assert_str_eq(diary_read(), "c0");
        expect_count(0, round, 0);
        ck_assert_uint_eq(objects(-1), 1);
        make_garbage(t0);
        ck_assert_str_eq(diary_read(), "");
        expect_count(t0, round, 0);
    }
}
END_TEST

/* Objects that die meanwhile count back. */
START_TEST(test_dead_do_not_count)
{
    note_collections(10, 1000, 1000);
    for (int i = 0; i < 1000; i++)
        molt_release(leaf(0));
    diary_read();
    struct node *nodes[10];
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_take(&node_type, 0, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        molt_release(nodes[0]);
        nodes[0] = node_take(&node_type, 0, NULL, NULL);
    }
    ck_assert_str_eq(diary_read(), "");
    make_garbage(1);
    ck_assert_str_eq(diary_read(), "c0");
}
END_TEST

START_TEST(test_older_generations_due)
{
    note_collections(1, 1, 1);
    make_garbage(200);
    char expected[100] = "c0 c0 c1 c0 c0 c1 c2 c0 c0 c1 c0 c0 c1 c2";
    const char *diary = diary_read();
    ck_assert_int_eq(strncmp(diary, expected, strlen(expected)), 0);
}
END_TEST

START_TEST(test_threshold_0)
{
    note_collections(0, 1, 1);
    make_garbage(5000);
    ck_assert_str_eq(diary_read(), "");
    ck_assert_uint_eq(objects(-1), 5000);
    molt_gc_set_threshold(10, 1000, 1000);
    make_garbage(1);
    ck_assert_str_eq(diary_read(), "c0");
    ck_assert_uint_eq(objects(-1), 1);
}
END_TEST

START_TEST(test_enable)
{
    note_collections(10, 1000, 1000);
    ck_assert(molt_gc_is_enabled());
    molt_gc_disable();
    molt_gc_disable();
    ck_assert(!molt_gc_is_enabled());
    make_garbage(1000);
    ck_assert_str_eq(diary_read(), "");
    ck_assert_int_eq(molt_gc_collect(0), 1000);
    make_garbage(1000);
    diary_read();
    molt_gc_enable();
    ck_assert(molt_gc_is_enabled());
    make_garbage(1);
    ck_assert_str_eq(diary_read(), "c0");
}
END_TEST

static bool full_collection_comes(void)
{
    diary_read();
    molt_gc_enable();
    make_garbage(40);
    molt_gc_disable();
    return strstr(diary_read(), "c2") != NULL;
}

static void keep_many(struct node **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *list = node_take(&node_type, 0, *list, NULL);
}

/* A full collection waits until a quarter of the old objects is new. */
START_TEST(test_quarter_rule)
{
    struct node *list = NULL;
    keep_many(&list, 1000);
    molt_gc_collect(2);
    note_collections(1, 1, 1);
    ck_assert(!full_collection_comes());
    keep_many(&list, 249);
    molt_gc_collect(1);
    ck_assert(!full_collection_comes());
    keep_many(&list, 1);
    molt_gc_collect(1);
    ck_assert(full_collection_comes());
    ck_assert(!full_collection_comes());
    molt_release(list);
}
END_TEST

static void grow_old(struct node **list, size_t count)
{
    keep_many(list, count);
    molt_gc_collect(1);
}

/* Where nothing is found the next waits for a half, then for three quarters, and no more. */
START_TEST(test_quarters_of_a_heap_that_grows)
{
    struct node *list = NULL;
    size_t objects = 4000;
    keep_many(&list, objects);
    molt_gc_collect(2);
    note_collections(1, 1, 1);
    static const unsigned quarters[] = {1, 2, 3, 3};
    for (size_t i = 0; i < COUNT_OF(quarters); i++) {
        size_t growth = objects / 4 * quarters[i];
        grow_old(&list, growth - 50);
        ck_assert(!full_collection_comes());
        grow_old(&list, 50);
        ck_assert(full_collection_comes());
        objects += growth;
    }
    molt_release(list);
}
END_TEST

/* One that finds something has the next come after a quarter again. */
START_TEST(test_quarters_after_garbage)
{
    struct node *list = NULL;
    keep_many(&list, 4000);
    molt_gc_collect(2);
    note_collections(1, 1, 1);
    grow_old(&list, 1000);
    ck_assert(full_collection_comes());
    struct node *ring = ring_new(&node_type, 0, 600);
    grow_old(&list, 1900);
    molt_release(ring);
    ck_assert(full_collection_comes());
    grow_old(&list, 6900 / 4 - 50);
    ck_assert(!full_collection_comes());
    grow_old(&list, 50);
    ck_assert(full_collection_comes());
    molt_release(list);
}
END_TEST

/* One that could not be done is no measure. */
START_TEST(test_quarter_rule_after_a_failure)
{
    struct node *list = NULL;
    keep_many(&list, 100000);
    molt_gc_collect(2);
    os_fail(1, true);
    ck_assert_int_eq(molt_gc_collect(2), -1);
    os_fail(0, false);
    note_collections(1, 1, 1);
    ck_assert(!full_collection_comes());
    molt_release(list);
}
END_TEST

/* ---- Callbacks ---- */

static int last_generation;

static void tell_info(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    last_generation = info->generation;
    diary_add("%s%s:%zu/%zu/%zu", (const char *)arg, phase == MOLT_GC_START ? "start" : "stop",
              info->candidates, info->collected, info->uncollectable);
    if (phase == MOLT_GC_START)
        ck_assert_uint_eq(info->duration_ns, 0);
}

START_TEST(test_callbacks)
{
    ck_assert_int_eq(molt_gc_add_callback(tell_info, "A"), 0);
    ck_assert_int_eq(molt_gc_add_callback(tell_info, "B"), 0);
    struct node *held = node_take(&node_type, 0, NULL, NULL);
    make_garbage(3);
    molt_gc_collect(1);
    ck_assert_int_eq(last_generation, 1);
    ck_assert_str_eq(diary_read(), "Astart:0/0/0 Bstart:0/0/0 Astop:4/3/0 Bstop:4/3/0");
    errno = 0;
    ck_assert_int_eq(molt_gc_remove_callback(tell_info, NULL), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(molt_gc_remove_callback(note_collection, "A"), -1);
    ck_assert_int_eq(molt_gc_remove_callback(tell_info, "A"), 0);
    ck_assert_int_eq(molt_gc_remove_callback(tell_info, "A"), -1);
    molt_gc_collect(2);
    ck_assert_int_eq(last_generation, 2);
    ck_assert_str_eq(diary_read(), "Bstart:0/0/0 Bstop:1/0/0");
    ck_assert_int_eq(molt_gc_remove_callback(tell_info, "B"), 0);
    molt_gc_collect(2);
    ck_assert_str_eq(diary_read(), "");
    molt_release(held);
}
END_TEST

static void remove_itself(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)info;
    diary_add("once");
    ck_assert_int_eq(molt_gc_remove_callback(remove_itself, arg), 0);
    ck_assert_int_eq(molt_gc_add_callback(note_collection, NULL), 0);
}

/* The others' turn is not missed. */
START_TEST(test_callback_removes_itself)
{
    ck_assert_int_eq(molt_gc_add_callback(remove_itself, NULL), 0);
    ck_assert_int_eq(molt_gc_add_callback(tell_info, ""), 0);
    molt_gc_collect(0);
    ck_assert_str_eq(diary_read(),
                     "once start:0/0/0 stop:0/0/0"); /* what it added: the next time */
    molt_gc_collect(0);
    ck_assert_str_eq(diary_read(), "start:0/0/0 c0 stop:0/0/0");
}
END_TEST

static unsigned readded;

static void readd_itself(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)info;
    REQUIRE(++readded <= 2, "called again in the same phase");
    molt_gc_remove_callback(readd_itself, arg);
    molt_gc_add_callback(readd_itself, arg);
}

START_TEST(test_callback_that_is_added_again)
{
    ck_assert_int_eq(molt_gc_add_callback(readd_itself, NULL), 0);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(readded, 2); /* once a phase */
    ck_assert_int_eq(molt_gc_remove_callback(readd_itself, NULL), 0);
}
END_TEST

static void use_objects(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)info, (void)arg;
    ck_assert_int_eq(molt_gc_collect(2), 0);
    make_garbage(1000);
    diary_add("%s", phase == MOLT_GC_START ? "start" : "stop");
}

/* What the first callback makes is collected, what the second makes is not. */
START_TEST(test_callback_uses_objects)
{
    molt_gc_enable();
    ck_assert_int_eq(molt_gc_add_callback(use_objects, NULL), 0);
    ck_assert_int_eq(molt_gc_collect(0), 1000);
    ck_assert_str_eq(diary_read(), "start stop");
    ck_assert_uint_eq(objects(-1), 1000);
}
END_TEST

/* ---- Debugging ---- */

START_TEST(test_saveall)
{
    void *garbage[10] = {NULL};
    ck_assert_uint_eq(molt_gc_garbage(NULL, 0), 0);
    molt_gc_set_debug(MOLT_GC_SAVEALL);
    ck_assert_uint_eq(molt_gc_get_debug(), MOLT_GC_SAVEALL);
    struct node *ring = ring_new(&telling_type, 1, 3);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(0), 3);
    ck_assert_uint_eq(disposed_nodes(), 0);
    ck_assert_uint_eq(molt_gc_garbage(garbage, 10), 3);
    for (int i = 0; i < 3; i++)
        ck_assert(garbage[i] == ring || garbage[i] == ring->a || garbage[i] == ring->a->a);
    ck_assert(garbage[0] != garbage[1] && garbage[1] != garbage[2] && garbage[0] != garbage[2]);
    ck_assert_uint_eq(molt_refcount(ring), 2);
    ck_assert_uint_eq(stats_of(0).collected, 0);
    ck_assert_uint_eq(stats_of(0).uncollectable, 3);
    expect_objects(0, 0, 3);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    garbage[1] = NULL;
    ck_assert_uint_eq(molt_gc_garbage(garbage, 1), 3);
    ck_assert_ptr_null(garbage[1]);
    molt_gc_set_debug(0);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_gc_clear_garbage();
    ck_assert_uint_eq(molt_gc_garbage(NULL, 0), 0);
    ck_assert_uint_eq(disposed_nodes(), 0);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(disposed_nodes(), 3);
}
END_TEST

START_TEST(test_much_saved)
{
    molt_gc_set_debug(MOLT_GC_SAVEALL);
    make_garbage(5000);
    ck_assert_int_eq(molt_gc_collect(2), 5000);
    make_garbage(5000);
    ck_assert_int_eq(molt_gc_collect(2), 5000);
    ck_assert_uint_eq(molt_gc_garbage(NULL, 0), 10000);
    molt_gc_set_debug(0);
    molt_gc_clear_garbage();
    ck_assert_int_eq(molt_gc_collect(2), 10000);
}
END_TEST

static struct node *saved;

static void save(struct node *node)
{
    saved = molt_retain(node);
}

/* Two rings, one of which comes back. */
static void collect_with_debug(void *flags)
{
    molt_gc_set_debug((unsigned)(uintptr_t)flags);
    make_garbage(2);
    struct node *ring = ring_new(&telling_type, 1, 1);
    ring->on_finalize = save;
    molt_release(ring);
    molt_gc_collect(1);
}

static unsigned lines_with(const char *text, const char *words)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

START_TEST(test_debug_lines)
{
    char text[2000];
    static const struct {
        unsigned flags, stats, collectable, uncollectable;
    } cases[] = {{0, 0, 0, 0},
                 {MOLT_GC_STATS, 1, 0, 0},
                 {MOLT_GC_COLLECTABLE, 0, 2, 0},
                 {MOLT_GC_UNCOLLECTABLE, 0, 0, 1},
                 {MOLT_GC_UNCOLLECTABLE | MOLT_GC_SAVEALL, 0, 0, 3},
                 {MOLT_GC_STATS | MOLT_GC_COLLECTABLE | MOLT_GC_UNCOLLECTABLE, 1, 2, 1}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        void *flags = (void *)(uintptr_t)cases[i].flags;
        ck_assert_int_eq(unit_child(collect_with_debug, flags, text, sizeof text), 0);
        unsigned lines = lines_with(text, "\n"),
                 uncollectable = lines_with(text, ": uncollectable ");
        unsigned collectable = lines_with(text, ": collectable struct node 0x");
        unsigned statistics = lines_with(text, "molt: gc: generation 1: 3 objects, 2 unreachable, "
                                               "1 revived, ");
        REQUIRE(statistics == cases[i].stats && collectable == cases[i].collectable &&
                    uncollectable == cases[i].uncollectable &&
                    lines == statistics + collectable + uncollectable,
                "flags %u: %s", cases[i].flags, text);
    }
}
END_TEST

START_TEST(test_stats)
{
    struct node *held = ring_new(&node_type, 0, 2);
    make_garbage(10);
    molt_gc_collect(0);
    make_garbage(5);
    molt_gc_collect(2);
    molt_gc_collect(2);
    struct molt_gc_stats young = stats_of(0), middle = stats_of(1), old = stats_of(2);
    ck_assert_uint_eq(young.collections, 1);
    ck_assert_uint_eq(young.collected, 10);
    ck_assert_uint_eq(young.candidates, 12);
    ck_assert_uint_eq(young.uncollectable, 0);
    ck_assert_uint_eq(young.skipped, 0);
    ck_assert_uint_eq(middle.collections, 0);
    ck_assert_uint_eq(middle.duration_ns, 0);
    ck_assert_uint_eq(old.collections, 2);
    ck_assert_uint_eq(old.collected, 5);
    ck_assert_uint_eq(old.candidates, 9);
    ck_assert_uint_gt(old.duration_ns, 0);
    ck_assert_uint_gt(old.longest_ns, 0);
    ck_assert_uint_le(old.longest_ns, old.duration_ns);
    molt_release(held);
}
END_TEST

/* ---- Freezing ---- */

START_TEST(test_freeze)
{
    struct node *ring = ring_new(&telling_type, 1, 3), *other = leaf(9);
    molt_gc_collect(0);
    struct node *young = ring_new(&telling_type, 5, 2);
    ck_assert_uint_eq(molt_gc_frozen_count(), 0);
    molt_gc_freeze();
    ck_assert_uint_eq(molt_gc_frozen_count(), 6);
    expect_objects(0, 0, 0);
    ck_assert_uint_eq(objects(-1), 6);
    molt_release(ring);
    molt_release(young);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(stats_of(2).candidates, 0);
    ck_assert_uint_eq(disposed_nodes(), 0);
    molt_release(other);
    ck_assert_uint_eq(disposed_nodes(), 1);
    ck_assert_uint_eq(molt_gc_frozen_count(), 5);
    molt_gc_unfreeze();
    ck_assert_uint_eq(molt_gc_frozen_count(), 0);
    expect_objects(0, 0, 5);
    ck_assert_int_eq(molt_gc_collect(1), 0);
    ck_assert_int_eq(molt_gc_collect(2), 5);
}
END_TEST

/* What a frozen object refers to lives, frozen garbage or not. */
START_TEST(test_frozen_refers_to_young)
{
    struct node *ring = ring_new(&telling_type, 1, 1);
    molt_gc_freeze();
    molt_set(&ring->b, NULL);
    ring->b = ring_new(&telling_type, 2, 1);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    expect_objects(0, 0, 1);
    molt_gc_unfreeze();
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

/* A place where a frozen object died is an ordinary one. */
START_TEST(test_new_in_a_frozen_place)
{
    struct node *nodes[100];
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = leaf(0);
    molt_gc_freeze();
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        molt_release(nodes[i]);
    ck_assert_uint_eq(molt_gc_frozen_count(), 0);
    make_garbage(COUNT_OF(nodes));
    ck_assert_uint_eq(molt_gc_frozen_count(), 0);
    ck_assert_int_eq(molt_gc_collect(0), COUNT_OF(nodes));
}
END_TEST

/* ---- Looking ---- */

struct seen {
    void *objects[20];
    size_t count, stop_after;
};

static int see(void *object, void *arg)
{
    struct seen *seen = arg;
    if (seen->count < COUNT_OF(seen->objects))
        seen->objects[seen->count] = object;
    return ++seen->count == seen->stop_after;
}

static bool has_seen(const struct seen *seen, const void *object)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->objects[i] == object)
            return true;
    return false;
}

START_TEST(test_objects)
{
    struct node *old = leaf(1);
    molt_gc_collect(2);
    struct node *middle = leaf(2);
    molt_gc_collect(0);
    struct node *young = leaf(3), *large = molt_new_extra(&node_type, 100000);
    struct node *nodes[] = {young, middle, old};
    for (int generation = 0; generation < 3; generation++) {
        struct seen seen = {.count = 0};
        ck_assert_uint_eq(molt_gc_objects(generation, see, &seen), generation == 0 ? 2 : 1);
        ck_assert_uint_eq(seen.count, generation == 0 ? 2 : 1);
        ck_assert(has_seen(&seen, nodes[generation]));
        ck_assert(has_seen(&seen, large) == (generation == 0));
    }
    struct seen all = {.count = 0}, first = {.stop_after = 1};
    ck_assert_uint_eq(molt_gc_objects(-1, see, &all), 4);
    ck_assert_uint_eq(all.count, 4);
    ck_assert_uint_eq(molt_gc_objects(-1, see, &first), 4);
    ck_assert_uint_eq(first.count, 1);
}
END_TEST

static int retain_it(void *object, void *arg)
{
    (void)arg;
    molt_retain(object);
    return 0;
}

START_TEST(test_visitor_retains)
{
    struct node *node = leaf(1);
    molt_gc_objects(-1, retain_it, NULL);
    ck_assert_uint_eq(molt_refcount(node), 2);
}
END_TEST

START_TEST(test_referrers)
{
    struct node *target = leaf(1);
    struct node *once = node_new(&node_type, 2, target, NULL);
    struct node *twice = node_new(&node_type, 3, target, target);
    struct node *ring = ring_new(&node_type, 4, 2);
    molt_set(&ring->b, target);
    struct seen seen = {.count = 0}, first = {.stop_after = 1};
    ck_assert_uint_eq(molt_gc_referrers(target, see, &seen), 3);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert(has_seen(&seen, once) && has_seen(&seen, twice) && has_seen(&seen, ring));
    ck_assert_uint_eq(molt_gc_referrers(target, see, &first), 3);
    ck_assert_uint_eq(first.count, 1);
    ck_assert_uint_eq(molt_gc_referrers(once, NULL, NULL), 0);
}
END_TEST

START_TEST(test_referents)
{
    struct node *one = leaf(1), *two = leaf(2);
    struct node *node = node_new(&node_type, 3, one, two),
                *twice = node_new(&node_type, 4, one, one);
    struct seen seen = {.count = 0}, first = {.stop_after = 1}, double_seen = {.count = 0};
    ck_assert_uint_eq(molt_gc_referents(node, see, &seen), 2);
    ck_assert(seen.count == 2 && seen.objects[0] == one && seen.objects[1] == two);
    ck_assert_uint_eq(molt_gc_referents(node, see, &first), 2);
    ck_assert_uint_eq(first.count, 1);
    ck_assert_uint_eq(molt_gc_referents(twice, see, &double_seen), 2);
    ck_assert_uint_eq(double_seen.count, 2);
    ck_assert_uint_eq(molt_gc_referents(one, see, &seen), 0);
}
END_TEST

START_TEST(test_untrack)
{
    struct node *ring = ring_new(&telling_type, 1, 2), *node = leaf(5);
    ck_assert(molt_gc_is_tracked(node));
    molt_gc_untrack(node);
    molt_gc_untrack(node);
    ck_assert(!molt_gc_is_tracked(node));
    ck_assert_uint_eq(objects(-1), 2);
    molt_gc_untrack(ring);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(objects(-1), 1);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f5 d5");
    struct node *again = leaf(6);
    ck_assert(molt_gc_is_tracked(again));
}
END_TEST

/* What an untracked object refers to has a reference from outside. */
START_TEST(test_untracked_refers)
{
    struct node *node = node_take(&telling_type, 1, ring_new(&telling_type, 2, 2), NULL);
    molt_gc_untrack(node);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(node);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

/* ---- Finalizers of garbage ---- */

static struct node *nodes_in_ring[3];

static void expect_all_alive(struct node *node)
{
    ck_assert(molt_gc_is_finalized(node));
    for (size_t i = 0; i < COUNT_OF(nodes_in_ring); i++) {
        ck_assert(molt_is_object(nodes_in_ring[i]));
        ck_assert_ptr_eq(nodes_in_ring[i]->a, nodes_in_ring[(i + 1) % 3]);
    }
    ck_assert_uint_eq(disposed_nodes(), 0);
}

static struct node *ring_with_finalizers(void (*function)(struct node *))
{
    struct node *node = nodes_in_ring[0] = ring_new(&telling_type, 1, 3);
    nodes_in_ring[1] = node->a;
    nodes_in_ring[2] = node->a->a;
    for (size_t i = 0; i < COUNT_OF(nodes_in_ring); i++)
        nodes_in_ring[i]->on_finalize = function;
    return node;
}

/* All finalizers run before anything goes, each once. */
START_TEST(test_finalizers)
{
    molt_release(ring_with_finalizers(expect_all_alive));
    ck_assert_int_eq(molt_gc_collect(0), 3);
    ck_assert_str_eq(diary_read(), "f1 f2 f3 d1 d2 d3");
}
END_TEST

START_TEST(test_resurrection)
{
    struct node *ring = ring_new(&telling_type, 1, 1);
    ring->on_finalize = save;
    ring->b = node_take(&telling_type, 2, leaf(3), NULL);
    struct node *other = ring_new(&telling_type, 5, 2);
    molt_set(&other->b, ring); /* refers to what is revived, but is not */
    molt_release(ring);
    molt_release(other);
    ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert_uint_eq(disposed_nodes(), 2);
    ck_assert_ptr_eq(saved, ring);
    ck_assert_uint_eq(molt_refcount(ring), 2);
    ck_assert_uint_eq(molt_refcount(ring->b), 1);
    ck_assert_uint_eq(molt_refcount(ring->b->a), 1);
    ck_assert_uint_eq(stats_of(2).collected, 2);
    ck_assert_uint_eq(stats_of(2).uncollectable, 3);
    expect_objects(0, 0, 3);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    diary_read();
    molt_release(saved);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    const char *diary = diary_read();
    ck_assert_ptr_null(strchr(diary, 'f'));
    ck_assert_uint_eq(strlen(diary), strlen("d1 d2 d3"));
}
END_TEST

/* Collections look at it no more, but it is theirs until this one has ended. */
static void untrack(struct node *node)
{
    molt_gc_untrack(node);
}

static void untrack_and_save(struct node *node)
{
    molt_gc_untrack(node);
    save(node);
}

START_TEST(test_untracked_by_its_finalizer)
{
    struct node *ring = ring_new(&telling_type, 1, 3);
    ring->on_finalize = untrack;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_str_eq(diary_read(), "f1 f2 f3 d1 d2 d3");

    ring = ring_new(&telling_type, 1, 3);
    ring->on_finalize = untrack_and_save;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_refcount(ring), 2);
    ck_assert(!molt_gc_is_tracked(ring));
    molt_clear(&ring->a);
    molt_release(ring);
    ck_assert_uint_eq(disposed_nodes(), 6);
}
END_TEST

static void *retain_there(void *object)
{
    return molt_retain(object);
}

static void *release_there(void *object)
{
    molt_release(object);
    return NULL;
}

/* The calling thread's one reference goes, which is the last: here or with another thread. */
static void release_last(struct node *node, bool elsewhere)
{
    if (elsewhere)
        unit_in_thread(retain_there, node);
    molt_release(node);
    if (elsewhere)
        unit_in_thread(release_there, node);
}

/* An object that its finalizer has revived is young, whatever it was, and whoever released it. */
START_TEST(test_age_of_the_revived)
{
    enum { MIDDLE, OLD, FROZEN } age = _i / 4;
    bool elsewhere = _i % 2 != 0, is_large = _i / 2 % 2 != 0;
    struct node *node = is_large ? molt_new_extra(&telling_type, 100000) : leaf(1);
    struct node *other = leaf(2);
    node->on_finalize = save;
    molt_set(&node->a, node);
    molt_gc_collect(age == MIDDLE ? 0 : 2);
    if (age == FROZEN)
        molt_gc_freeze();
    molt_clear(&node->a);
    release_last(node, elsewhere);
    ck_assert_ptr_eq(saved, node);
    ck_assert_uint_eq(molt_refcount(node), 1);
    ck_assert_uint_eq(objects(0), 1);
    ck_assert_uint_eq(objects(-1), 2);
    ck_assert_uint_eq(molt_gc_frozen_count(), age == FROZEN);
    molt_set(&node->a, node);
    molt_release(node);
    ck_assert_int_eq(molt_gc_collect(0), 1);
    ck_assert_uint_eq(disposed_nodes(), 1);
    molt_release(other);
}
END_TEST

/* One that only looks at itself is not revived. */
static void retain_for_a_moment(struct node *node)
{
    molt_release(molt_retain(node));
}

START_TEST(test_finalizer_that_revives_nothing)
{
    struct node *node = leaf(1), *other = leaf(2);
    node->on_finalize = retain_for_a_moment;
    molt_gc_freeze();
    release_last(node, _i != 0);
    ck_assert_uint_eq(disposed_nodes(), 1);
    ck_assert_uint_eq(molt_gc_frozen_count(), 1);
    molt_release(other);
}
END_TEST

enum { ELSEWHERE = 3000 }; /* objects of some pools */

static void *retain_all_there(void *nodes)
{
    for (size_t i = 0; i < ELSEWHERE; i++)
        molt_retain(((struct node **)nodes)[i]);
    return NULL;
}

static void *release_all_there(void *nodes)
{
    for (size_t i = 0; i < ELSEWHERE; i++)
        molt_release(((struct node **)nodes)[i]);
    return NULL;
}

/* A new object is young where an old one, or a frozen one, has died with another thread, also if a
 * collection has looked at the place while it was free. */
START_TEST(test_new_where_one_died_elsewhere)
{
    bool is_frozen = _i % 2 != 0, looks = _i / 2 != 0;
    struct node *nodes[ELSEWHERE];
    for (size_t i = 0; i < ELSEWHERE; i++)
        nodes[i] = leaf(0);
    if (is_frozen)
        molt_gc_freeze();
    else
        molt_gc_collect(2);
    unit_in_thread(retain_all_there, nodes);
    for (size_t i = 0; i < ELSEWHERE; i++)
        molt_release(nodes[i]);
    unit_in_thread(release_all_there, nodes);
    ck_assert_uint_eq(disposed_nodes(), ELSEWHERE);
    if (looks)
        ck_assert_int_eq(molt_gc_collect(0), 0);
    for (size_t i = 0; i < 50; i++) /* more than the pools have, so that their places are taken */
        make_garbage(100);
    ck_assert_uint_eq(molt_gc_frozen_count(), 0);
    expect_objects(50 * 100, 0, 0);
    ck_assert_int_eq(molt_gc_collect(0), 50 * 100);
}
END_TEST

/* Revived objects grow old as others do. */
START_TEST(test_generation_of_the_revived)
{
    struct node *ring = ring_new(&telling_type, 1, 2);
    ring->on_finalize = save;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(0), 0);
    expect_objects(0, 2, 0);
    molt_release(saved);
    ck_assert_int_eq(molt_gc_collect(0), 0);
    ck_assert_int_eq(molt_gc_collect(1), 2);
}
END_TEST

static void collect_here(struct node *node)
{
    (void)node;
    for (int generation = 0; generation < 3; generation++)
        ck_assert_int_eq(molt_gc_collect(generation), 0);
    molt_gc_enable();
    make_garbage(2000);
    molt_gc_disable();
}

START_TEST(test_finalizer_collects)
{
    molt_release(ring_with_finalizers(collect_here));
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(disposed_nodes(), 3);
    ck_assert_uint_eq(objects(-1), 6000);
    ck_assert_int_eq(molt_gc_collect(2), 6000);
}
END_TEST

static void break_ring(struct node *node)
{
    molt_clear(&node->a);
}

/* What is no ring any more still counts as found. */
START_TEST(test_finalizer_breaks_the_ring)
{
    molt_release(ring_with_finalizers(break_ring));
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(disposed_nodes(), 3);
    ck_assert_uint_eq(objects(-1), 0);
}
END_TEST

static void hang_on(struct node *node)
{
    if (saved == NULL)
        saved = node_take(&node_type, 0, NULL, NULL);
    struct node *holder = node_new(&node_type, 0, node, saved->a);
    molt_set(&saved->a, holder);
    molt_release(holder);
}

/* Revived by new objects instead of by the program. */
START_TEST(test_revived_by_new_objects)
{
    molt_release(ring_with_finalizers(hang_on));
    ck_assert_int_eq(molt_gc_collect(0), 0);
    ck_assert_uint_eq(disposed_nodes(), 0);
    for (size_t i = 0; i < COUNT_OF(nodes_in_ring); i++)
        ck_assert_uint_eq(molt_refcount(nodes_in_ring[i]), 2);
    molt_release(saved);
    ck_assert_int_eq(molt_gc_collect(2), 3);
}
END_TEST

static void make_new_garbage(struct node *node)
{
    struct node *garbage = ring_new(&node_type, 0, 1);
    molt_set(&garbage->b, node);
    molt_release(garbage);
}

/* New garbage that refers to the old keeps it until the next collection. */
START_TEST(test_finalizer_makes_garbage)
{
    molt_release(ring_with_finalizers(make_new_garbage));
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_int_eq(molt_gc_collect(2), 6);
    ck_assert_uint_eq(disposed_nodes(), 3);
}
END_TEST

static void freeze_all(struct node *node)
{
    (void)node;
    molt_gc_freeze();
}

/* Garbage is garbage though a finalizer has frozen it, or not: nothing is lost and nothing twice.
 */
START_TEST(test_finalizer_freezes)
{
    molt_release(ring_with_finalizers(freeze_all));
    long found = molt_gc_collect(2);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_gc_unfreeze();
    ck_assert_int_eq(found + molt_gc_collect(2), 3);
    ck_assert_uint_eq(disposed_nodes(), 3);
}
END_TEST

/* The end of a process finalizes what is garbage then. */
static void exit_with_garbage(void *unused)
{
    (void)unused;
    struct node *ring = ring_with_finalizers(NULL);
    molt_release(ring);
    molt_gc_add_callback(tell_info, "");
    exit(0);
}

static void write_diary(void)
{
    const char *diary = diary_read();
    if (write(STDERR_FILENO, diary, strlen(diary)) < 0)
        abort();
}

static void exit_and_tell(void *unused)
{
    atexit(write_diary); /* before the library's own: called after it */
    exit_with_garbage(unused);
}

START_TEST(test_exit)
{
    char text[500];
    ck_assert_int_eq(unit_child(exit_and_tell, NULL, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "start:0/0/0 f1 f2 f3 d1 d2 d3 stop:3/3/0"));
}
END_TEST

/* ---- Without memory ---- */

enum { MANY = 100000 };

static long collect_without_memory(int generation)
{
    os_fail(1, true);
    errno = 0;
    long result = molt_gc_collect(generation);
    int error = errno;
    os_fail(0, false);
    errno = error;
    return result;
}

START_TEST(test_no_memory)
{
    struct node *ring = ring_new(&telling_type, 1, MANY), *held = leaf(5);
    molt_release(ring);
    for (int generation = 0; generation < 3; generation++) {
        ck_assert_int_eq(collect_without_memory(generation), -1);
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_uint_eq(stats_of(generation).skipped, 1);
        ck_assert_uint_eq(stats_of(generation).collected, 0);
    }
    expect_objects(MANY + 1, 0, 0);
    ck_assert_uint_eq(disposed_nodes(), 0);
    ck_assert_int_eq(molt_gc_collect(0), MANY);
    ck_assert_uint_eq(disposed_nodes(), MANY);
    ck_assert_uint_eq(molt_refcount(held), 1);
}
END_TEST

static void fail_from_now_on(struct node *node)
{
    if (node->id == 1)
        os_fail(1, true);
    if (node->id % 2 == 0)
        molt_clear(&node->a);
}

/* Memory ends between the finalizers and the second question: all are kept, but for what ceased to
 * be garbage by the finalizers' doing. */
START_TEST(test_no_memory_after_finalizers)
{
    struct node *ring = ring_new(&telling_type, 1, MANY), *node = ring;
    for (int i = 0; i < 1000; i++, node = node->a)
        node->on_finalize = fail_from_now_on;
    molt_release(ring);
    errno = 0;
    ck_assert_int_eq(molt_gc_collect(2), -1);
    ck_assert_int_eq(errno, ENOMEM);
    os_fail(0, false);
    ck_assert_uint_eq(disposed_nodes(), MANY);
    ck_assert_uint_eq(objects(-1), 0);
    ck_assert_uint_eq(stats_of(2).skipped, 1);
}
END_TEST

static void fail_only(struct node *node)
{
    (void)node;
    os_fail(1, true);
}

START_TEST(test_garbage_waits_for_memory)
{
    struct node *ring = ring_new(&telling_type, 1, MANY);
    ring->on_finalize = fail_only;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), -1);
    os_fail(0, false);
    ck_assert_uint_eq(objects(-1), MANY);
    for (struct node *node = ring->a; node != ring; node = node->a)
        REQUIRE(molt_refcount(node) == 1, "count %zu", molt_refcount(node));
    diary_read();
    ck_assert_int_eq(molt_gc_collect(2), MANY);
    ck_assert_ptr_null(strchr(diary_read(), 'f'));
    ck_assert_uint_eq(disposed_nodes(), MANY);
}
END_TEST

START_TEST(test_automatic_without_memory)
{
    make_garbage(MANY);
    molt_gc_set_threshold(10, 1000, 1000);
    os_fail(1, true);
    molt_gc_enable();
    errno = 77;
    make_garbage(1);
    ck_assert_int_eq(errno, 77);
    os_fail(0, false);
    ck_assert_uint_eq(stats_of(0).skipped, 1);
    ck_assert_uint_eq(objects(-1), MANY + 1);
    make_garbage(11);
    ck_assert_uint_eq(objects(-1), 1);
}
END_TEST

/* ---- Endless garbage ---- */

START_TEST(test_endless_garbage)
{
    size_t most = 0;
    struct node *list = NULL;
    keep_many(&list, 1000);
    molt_gc_enable();
    for (int round = 0; round < 2000; round++) {
        make_garbage(100);
        molt_release(ring_new(&node_type, 0, 50));
        size_t now = objects(-1);
        most = now > most ? now : most;
    }
    ck_assert_uint_lt(most, 1000 + 3000);
    molt_release(list);
}
END_TEST

/* Garbage that has grown old before it became garbage. */
START_TEST(test_endless_old_garbage)
{
    enum { ALIVE = 300 };
    struct node *rings[ALIVE] = {NULL};
    size_t most = 0;
    molt_gc_enable();
    for (int i = 0; i < 300000; i++) {
        molt_release(rings[i % ALIVE]);
        rings[i % ALIVE] = ring_new(&node_type, 0, 10);
        if (i % 1000 == 0) {
            size_t now = objects(-1);
            most = now > most ? now : most;
        }
    }
    ck_assert_uint_gt(stats_of(2).collections, 10);
    ck_assert_uint_lt(most, 700 * 11 * 11 + ALIVE * 10 * 2);
}
END_TEST

static size_t live_bytes(void)
{
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    return stats.live_bytes;
}

/* Few objects may be much memory. */
START_TEST(test_endless_large_garbage)
{
    size_t most = 0;
    molt_gc_enable();
    for (int i = 0; i < 3000; i++) {
        struct node *ring = molt_new_extra(&node_type, 1 << 20);
        molt_set(&ring->a, ring);
        molt_release(ring);
        size_t now = live_bytes();
        most = now > most ? now : most;
    }
    ck_assert_uint_lt(most, 64 << 20);
}
END_TEST

Suite *suite_gc(void)
{
    Suite *suite = suite_create("gc");
    TCase *garbage = tcase_create("garbage");
    tcase_add_checked_fixture(garbage, set_up, NULL);
    tcase_add_test(garbage, test_nothing);
    tcase_add_test(garbage, test_no_such_generation);
    tcase_add_test(garbage, test_rings);
    tcase_add_test(garbage, test_what_hangs_on_a_ring);
    tcase_add_test(garbage, test_held_from_afar);
    tcase_add_test(garbage, test_held_by_an_untracked_object);
    tcase_add_test(garbage, test_two_rings_linked);
    tcase_add_test(garbage, test_double_references);
    tcase_add_test(garbage, test_garbage_of_all_kinds);
    suite_add_tcase(suite, garbage);
    TCase *when = tcase_create("when");
    tcase_add_checked_fixture(when, set_up, NULL);
    tcase_add_test(when, test_promotion);
    tcase_add_test(when, test_full_collection_makes_old);
    tcase_add_loop_test(when, test_new_in_an_old_place, 0, 6);
    tcase_add_test(when, test_untracked_among_tracked);
    tcase_add_loop_test(when, test_garbage_of_a_generation, 0, 3);
    tcase_add_test(when, test_old_garbage_keeps_young);
    tcase_add_test(when, test_young_garbage_refers_to_old);
    tcase_add_test(when, test_count);
    tcase_add_test(when, test_threshold);
    tcase_add_loop_test(when, test_when_due, 0, 5);
    tcase_add_test(when, test_dead_do_not_count);
    tcase_add_test(when, test_older_generations_due);
    tcase_add_test(when, test_threshold_0);
    tcase_add_test(when, test_enable);
    tcase_add_test(when, test_quarter_rule);
    tcase_add_test(when, test_quarters_of_a_heap_that_grows);
    tcase_add_test(when, test_quarters_after_garbage);
    tcase_add_test(when, test_quarter_rule_after_a_failure);
    suite_add_tcase(suite, when);
    TCase *telling = tcase_create("telling");
    tcase_add_checked_fixture(telling, set_up, NULL);
    tcase_add_test(telling, test_callbacks);
    tcase_add_test(telling, test_callback_removes_itself);
    tcase_add_test(telling, test_callback_that_is_added_again);
    tcase_add_test(telling, test_callback_uses_objects);
    tcase_add_test(telling, test_saveall);
    tcase_add_test(telling, test_much_saved);
    tcase_add_test(telling, test_debug_lines);
    tcase_add_test(telling, test_stats);
    tcase_add_test(telling, test_freeze);
    tcase_add_test(telling, test_frozen_refers_to_young);
    tcase_add_test(telling, test_new_in_a_frozen_place);
    tcase_add_test(telling, test_objects);
    tcase_add_test(telling, test_visitor_retains);
    tcase_add_test(telling, test_referrers);
    tcase_add_test(telling, test_referents);
    tcase_add_test(telling, test_untrack);
    tcase_add_test(telling, test_untracked_refers);
    suite_add_tcase(suite, telling);
    TCase *finalizers = tcase_create("finalizers");
    tcase_add_checked_fixture(finalizers, set_up, NULL);
    tcase_add_test(finalizers, test_finalizers);
    tcase_add_test(finalizers, test_resurrection);
    tcase_add_test(finalizers, test_untracked_by_its_finalizer);
    tcase_add_test(finalizers, test_generation_of_the_revived);
    tcase_add_loop_test(finalizers, test_age_of_the_revived, 0, 12);
    tcase_add_loop_test(finalizers, test_finalizer_that_revives_nothing, 0, 2);
    tcase_add_loop_test(finalizers, test_new_where_one_died_elsewhere, 0, 4);
    tcase_add_test(finalizers, test_finalizer_collects);
    tcase_add_test(finalizers, test_finalizer_breaks_the_ring);
    tcase_add_test(finalizers, test_revived_by_new_objects);
    tcase_add_test(finalizers, test_finalizer_makes_garbage);
    tcase_add_test(finalizers, test_finalizer_freezes);
    tcase_add_test(finalizers, test_exit);
    suite_add_tcase(suite, finalizers);
    TCase *memory = tcase_create("memory");
    tcase_set_timeout(memory, 60);
    tcase_add_checked_fixture(memory, set_up, NULL);
    tcase_add_test(memory, test_no_memory);
    tcase_add_test(memory, test_no_memory_after_finalizers);
    tcase_add_test(memory, test_garbage_waits_for_memory);
    tcase_add_test(memory, test_automatic_without_memory);
    tcase_add_test(memory, test_endless_garbage);
    tcase_add_test(memory, test_endless_old_garbage);
    tcase_add_test(memory, test_endless_large_garbage);
    suite_add_tcase(suite, memory);
    return suite;
}
