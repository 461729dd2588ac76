/* test_weak.c: weak references, to objects that die by their count and to garbage. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "os/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static molt_weak *weak_to(struct node *node, int id)
{
    molt_weak *weak = molt_weak_new(node, diary_weak, WEAK_ID(id));
    REQUIRE(weak != NULL, "no memory");
    return weak;
}

static bool is_alive(molt_weak *weak)
{
    void *object = molt_weak_get(weak);
    molt_release(object);
    return object != NULL;
}

/* ---- Getting ---- */

START_TEST(test_get)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    molt_weak *weak = molt_weak_new(node, NULL, NULL);
    ck_assert_uint_eq(molt_refcount(node), 1);
    for (size_t i = 2; i < 100; i++) {
        ck_assert_ptr_eq(molt_weak_get(weak), node);
        ck_assert_uint_eq(molt_refcount(node), i);
    }
    for (size_t i = 2; i < 100; i++)
        molt_release(node);
    ck_assert_uint_eq(molt_refcount(node), 1);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 d1");
    ck_assert_ptr_null(molt_weak_get(weak));
    ck_assert_ptr_null(molt_weak_get(weak));
    molt_weak_free(weak);
}
END_TEST

/* The place of a dead object may be another's soon. */
START_TEST(test_dead_stays_dead)
{
    molt_weak *weak[100];
    for (size_t i = 0; i < COUNT_OF(weak); i++) {
        struct node *node = node_take(&node_type, 1, NULL, NULL);
        weak[i] = molt_weak_new(node, NULL, NULL);
        molt_release(node);
    }
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    ck_assert_uint_eq(molt_weak_count(node), 0);
    for (size_t i = 0; i < COUNT_OF(weak); i++) {
        ck_assert_ptr_null(molt_weak_get(weak[i]));
        molt_weak_free(weak[i]);
    }
    molt_release(node);
}
END_TEST

START_TEST(test_count)
{
    struct node *one = node_take(&node_type, 1, NULL, NULL);
    struct node *two = node_take(&node_type, 2, NULL, NULL);
    molt_weak *weak[100];
    for (size_t i = 0; i < COUNT_OF(weak); i++) {
        ck_assert_uint_eq(molt_weak_count(one), i / 2 + i % 2);
        ck_assert_uint_eq(molt_weak_count(two), i / 2);
        weak[i] = molt_weak_new(i % 2 == 0 ? one : two, i % 3 == 0 ? diary_weak : NULL, NULL);
    }
    for (size_t i = 0; i < COUNT_OF(weak); i++)
        molt_weak_free(weak[i]);
    ck_assert_uint_eq(molt_weak_count(one), 0);
    ck_assert_uint_eq(molt_weak_count(two), 0);
    molt_release(one);
    molt_release(two);
    ck_assert_str_eq(diary_read(), "");
}
END_TEST

START_TEST(test_of_nothing)
{
    errno = 0;
    ck_assert_ptr_null(molt_weak_new(NULL, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(test_many)
{
    enum { COUNT = 20000 };
    static struct node *nodes[COUNT];
    static molt_weak *weak[COUNT];
    for (int i = 0; i < COUNT; i++) {
        nodes[i] = node_take(&node_type, i, NULL, NULL);
        weak[i] = molt_weak_new(nodes[i], NULL, NULL);
    }
    for (int i = 0; i < COUNT; i += 2)
        molt_release(nodes[i]);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(is_alive(weak[i]) == (i % 2 == 1), "number %d", i);
    for (int i = 0; i < COUNT; i++)
        molt_weak_free(weak[i]);
    for (int i = 1; i < COUNT; i += 2)
        molt_release(nodes[i]);
}
END_TEST

/* ---- Callbacks ---- */

START_TEST(test_newest_first)
{
    struct node *one = node_take(&telling_type, 1, NULL, NULL);
    struct node *two = node_take(&telling_type, 2, NULL, NULL);
    for (int i = 11; i < 20; i++)
        weak_to(i == 15 ? two : one, i);
    molt_release(one);
    ck_assert_str_eq(diary_read(), "f1 w19 w18 w17 w16 w14 w13 w12 w11 d1");
    molt_release(two);
    ck_assert_str_eq(diary_read(), "f2 w15 d2");
}
END_TEST

/* After the finalizer, before the references go. */
START_TEST(test_before_the_fields_go)
{
    struct node *inner = node_take(&telling_type, 2, NULL, NULL);
    struct node *node = node_take(&telling_type, 1, inner, NULL);
    weak_to(inner, 12);
    weak_to(node, 11);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 w11 d1 f2 w12 d2");
}
END_TEST

START_TEST(test_free_before_death)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    weak_to(node, 11);
    molt_weak *weak = weak_to(node, 12);
    weak_to(node, 13);
    molt_weak_free(weak);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 w13 w11 d1");
}
END_TEST

static molt_weak *others[3];

static void free_others(molt_weak *weak, void *arg)
{
    (void)arg;
    diary_add("free");
    molt_weak_free(weak);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        molt_weak_free(others[i]);
}

/* A callback may free its own, and others of the object before it is their turn. */
START_TEST(test_free_in_a_callback)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    if (_i == 1)
        molt_set(&node->a, node);
    others[0] = weak_to(node, 11);
    others[1] = molt_weak_new(node, NULL, NULL);
    weak_to(node, 12);
    others[2] = weak_to(node, 13);
    molt_weak *last = molt_weak_new(node, free_others, NULL);
    ck_assert_ptr_nonnull(last);
    molt_release(node);
    molt_gc_collect(2);
    ck_assert_str_eq(diary_read(), _i == 1 ? "free w12 f1 d1" : "f1 free w12 d1");
}
END_TEST

static void ask_others(molt_weak *weak, void *arg)
{
    diary_weak(weak, arg);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_ptr_null(molt_weak_get(others[i]));
}

/* With the first callback all of the object's weak references are dead. */
START_TEST(test_all_die_at_once)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        others[i] = molt_weak_new(node, i == 0 ? NULL : ask_others, WEAK_ID(i));
    molt_release(node);
    ck_assert_str_eq(diary_read(), "w2 w1");
}
END_TEST

static void work(molt_weak *weak, void *arg)
{
    (void)weak;
    struct node **kept = arg;
    molt_clear(kept);
    for (int i = 0; i < 100; i++)
        molt_release(ring_new(&node_type, 0, 2));
    molt_gc_collect(2);
    *kept = node_take(&node_type, 0, NULL, NULL);
    molt_weak_free(molt_weak_new(*kept, NULL, NULL));
}

/* Whether by its count or as garbage. */
START_TEST(test_callback_does_anything)
{
    struct node *kept = node_take(&telling_type, 2, NULL, NULL);
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    if (_i == 1)
        molt_set(&node->a, node);
    molt_weak *weak = molt_weak_new(node, work, &kept);
    molt_release(node);
    if (_i == 1)
        ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert_str_eq(diary_read(), _i == 1 ? "f2 d2 f1 d1" : "f1 f2 d2 d1");
    ck_assert(molt_is_object(kept));
    molt_weak_free(weak);
}
END_TEST

/* ---- Finalizers ---- */

static struct node *saved;
static molt_weak *weak_in_finalizer;

static void save(struct node *node)
{
    saved = molt_retain(node);
}

/* An object that its finalizer has revived keeps its weak references; as garbage only those without
 * a callback, which is called before. */
START_TEST(test_resurrection)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    if (_i == 1)
        molt_set(&node->a, node);
    node->on_finalize = save;
    molt_weak *silent = molt_weak_new(node, NULL, NULL), *weak = weak_to(node, 11);
    molt_release(node);
    if (_i == 1)
        ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_str_eq(diary_read(), _i == 1 ? "w11 f1" : "f1");
    ck_assert_ptr_eq(saved, node);
    ck_assert(is_alive(silent) && is_alive(weak) == (_i == 0));
    ck_assert_uint_eq(molt_weak_count(node), _i == 1 ? 1 : 2);
    ck_assert_uint_eq(molt_refcount(node), _i == 1 ? 2 : 1);
    molt_release(node);
    if (_i == 1)
        ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert_str_eq(diary_read(), _i == 1 ? "d1" : "w11 d1");
    ck_assert(!is_alive(silent) && !is_alive(weak));
}
END_TEST

static void get_in_finalizer(struct node *node)
{
    ck_assert_uint_eq(molt_weak_count(node), 1);
    diary_add(is_alive(weak_in_finalizer) ? "alive" : "dead");
    saved = molt_weak_get(weak_in_finalizer);
}

/* In its finalizer the object lives, and a weak reference may revive it. */
START_TEST(test_get_in_the_finalizer)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    if (_i == 1)
        molt_set(&node->a, node);
    node->on_finalize = get_in_finalizer;
    weak_in_finalizer = molt_weak_new(node, NULL, NULL);
    molt_release(node);
    molt_gc_collect(2);
    ck_assert_str_eq(diary_read(), "f1 alive");
    ck_assert_ptr_eq(saved, node);
    molt_release(saved);
    molt_gc_collect(2);
    ck_assert_str_eq(diary_read(), "d1");
    ck_assert(!is_alive(weak_in_finalizer));
}
END_TEST

static void make_weak(struct node *node)
{
    weak_in_finalizer = weak_to(node, 11);
}

/* In garbage it is too late for a callback. */
START_TEST(test_new_in_the_finalizer)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    if (_i == 1)
        molt_set(&node->a, node);
    node->on_finalize = make_weak;
    molt_release(node);
    if (_i == 1)
        ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert_str_eq(diary_read(), _i == 1 ? "f1 d1" : "f1 w11 d1");
    ck_assert_ptr_null(molt_weak_get(weak_in_finalizer));
}
END_TEST

/* What dispose releases dies after it, but is dead at once. */
static struct node *last_held;

static void release_and_get(void *object)
{
    (void)object;
    molt_release(last_held);
    diary_add(molt_weak_get(weak_in_finalizer) == NULL ? "dead" : "alive");
}

MOLT_TYPE(releasing_type, struct node, .dispose = release_and_get);

START_TEST(test_get_of_what_waits_for_its_death)
{
    last_held = node_take(&telling_type, 1, NULL, NULL);
    weak_in_finalizer = weak_to(last_held, 11);
    molt_release(node_take(&releasing_type, 2, NULL, NULL));
    ck_assert_str_eq(diary_read(), "dead f1 w11 d1");
}
END_TEST

/* ---- Garbage ---- */

START_TEST(test_garbage)
{
    struct node *ring = ring_new(&telling_type, 1, 2);
    weak_to(ring, 11);
    molt_weak *silent = molt_weak_new(ring->a, NULL, NULL);
    weak_to(ring, 12);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert(is_alive(silent));
    molt_release(ring);
    ck_assert(is_alive(silent));
    ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert_ptr_null(molt_weak_get(silent));
    const char *diary = diary_read();
    ck_assert_ptr_nonnull(strstr(diary, "w12 w11 f"));
    ck_assert_uint_eq(strlen(diary), strlen("w12 w11 f1 f2 d1 d2"));
}
END_TEST

/* No callback finds a part of the garbage by another weak reference with a callback. */
START_TEST(test_garbage_dies_at_once)
{
    struct node *ring = ring_new(&node_type, 1, 3);
    others[0] = molt_weak_new(ring, ask_others, WEAK_ID(1));
    others[1] = molt_weak_new(ring->a, ask_others, WEAK_ID(2));
    others[2] = molt_weak_new(ring->a->a, ask_others, WEAK_ID(3));
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(strlen(diary_read()), strlen("w1 w2 w3"));
}
END_TEST

/* What hangs on garbage dies with it, and tells, too. */
START_TEST(test_what_hangs_on_garbage)
{
    struct node *ring = ring_new(&node_type, 1, 1);
    static molt_type leaf_type = {.name = "leaf", .size = sizeof(struct node)};
    struct node *leaf = node_take(&leaf_type, 2, NULL, NULL);
    weak_to(leaf, 12);
    weak_to(ring, 11);
    ring->b = leaf;
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert_str_eq(diary_read(), "w11 w12");
}
END_TEST

/* A weak reference that an object of the garbage owns itself goes with it. */
struct watcher {
    MOLT_OBJECT;
    struct watcher *other;
    molt_weak *weak;
};

static void free_weak(void *object)
{
    molt_weak_free(((struct watcher *)object)->weak);
    diary_add("watcher");
}

MOLT_TYPE(watcher_type, struct watcher, MOLT_REFS(struct watcher, other), .dispose = free_weak);

START_TEST(test_weak_references_in_garbage)
{
    struct watcher *one = molt_new(&watcher_type), *two = molt_new(&watcher_type);
    one->other = two;
    two->other = molt_retain(one);
    one->weak = molt_weak_new(two, NULL, NULL);
    two->weak = molt_weak_new(one, NULL, NULL);
    molt_release(one);
    ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert_str_eq(diary_read(), "watcher watcher");
}
END_TEST

/* A weak reference keeps nothing alive: a circle of them is none. */
START_TEST(test_weak_reference_is_no_reference)
{
    struct watcher *one = molt_new(&watcher_type), *two = molt_new(&watcher_type);
    one->weak = molt_weak_new(two, NULL, NULL);
    two->weak = molt_weak_new(one, NULL, NULL);
    molt_release(one);
    molt_release(two);
    ck_assert_str_eq(diary_read(), "watcher watcher");
}
END_TEST

/* ---- Without memory ---- */

START_TEST(test_no_memory)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    size_t made = 0;
    static molt_weak *weak[3000000];
    os_fail(1, true);
    for (;;) {
        errno = 0;
        molt_weak *new = molt_weak_new(node, NULL, NULL);
        if (new == NULL)
            break;
        REQUIRE(made < COUNT_OF(weak), "memory never ends");
        weak[made++] = new;
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(molt_weak_count(node), made);
    ck_assert_uint_eq(molt_refcount(node), 1);
    os_fail(0, false);
    for (size_t i = 0; i < made; i++)
        molt_weak_free(weak[i]);
    ck_assert_uint_eq(molt_weak_count(node), 0);
    molt_weak_free(weak_to(node, 1));
    molt_release(node);
}
END_TEST

Suite *suite_weak(void)
{
    Suite *suite = suite_create("weak");
    TCase *tests = tcase_create("weak");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_get);
    tcase_add_test(tests, test_dead_stays_dead);
    tcase_add_test(tests, test_count);
    tcase_add_test(tests, test_of_nothing);
    tcase_add_test(tests, test_many);
    tcase_add_test(tests, test_newest_first);
    tcase_add_test(tests, test_before_the_fields_go);
    tcase_add_test(tests, test_free_before_death);
    tcase_add_loop_test(tests, test_free_in_a_callback, 0, 2);
    tcase_add_test(tests, test_all_die_at_once);
    tcase_add_loop_test(tests, test_callback_does_anything, 0, 2);
    tcase_add_loop_test(tests, test_resurrection, 0, 2);
    tcase_add_loop_test(tests, test_get_in_the_finalizer, 0, 2);
    tcase_add_loop_test(tests, test_new_in_the_finalizer, 0, 2);
    tcase_add_test(tests, test_get_of_what_waits_for_its_death);
    tcase_add_test(tests, test_garbage);
    tcase_add_test(tests, test_garbage_dies_at_once);
    tcase_add_test(tests, test_what_hangs_on_garbage);
    tcase_add_test(tests, test_weak_references_in_garbage);
    tcase_add_test(tests, test_weak_reference_is_no_reference);
    tcase_add_test(tests, test_no_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
