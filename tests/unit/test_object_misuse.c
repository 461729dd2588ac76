/* test_object_misuse.c: what must not be done with objects ends the process with one clear line. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "molt_value.h"
#include "object/header.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* ---- The operations, and what they are called in messages ---- */

static void do_retain(void *p)
{
    molt_retain(p);
}

static void do_release(void *p)
{
    molt_release(p);
}

static void do_typeof(void *p)
{
    if (molt_typeof(p) == NULL)
        abort();
}

static void do_refcount(void *p)
{
    if (molt_refcount(p) == 0)
        abort();
}

static void do_weak_new(void *p)
{
    if (molt_weak_new(p, NULL, NULL) == NULL)
        abort();
}

static void do_immortalize(void *p)
{
    molt_immortalize(p);
}

static void do_untrack(void *p)
{
    molt_gc_untrack(p);
}

static void do_referents(void *p)
{
    molt_gc_referents(p, NULL, NULL);
}

static void do_is_tracked(void *p)
{
    if (!molt_gc_is_tracked(p))
        abort();
}

static void do_is_finalized(void *p)
{
    if (!molt_gc_is_finalized(p))
        abort();
}

static void do_collect(void *generation)
{
    molt_gc_collect((int)(uintptr_t)generation);
}

static const struct {
    void (*function)(void *);
    const char *name;
} operations[] = {
    {do_retain, "retain"},
    {do_release, "release"},
    {do_typeof, "molt_typeof"},
    {do_refcount, "molt_refcount"},
    {do_weak_new, "molt_weak_new"},
    {do_immortalize, "molt_immortalize"},
    {do_untrack, "molt_gc_untrack"},
    {do_referents, "molt_gc_referents"},
    {do_is_tracked, "molt_gc_is_tracked"},
    {do_is_finalized, "molt_gc_is_finalized"},
};

/* ---- What is no object ---- */

START_TEST(test_dead)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    struct node *neighbour = node_take(&telling_type, 1, NULL, NULL);
    molt_release(node);
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        unit_expect_error(operations[i].function, node,
                          "%s of %p: the object (struct node) is dead\n", operations[i].name,
                          (void *)node);
    molt_release(neighbour);
    unit_expect_error(do_release, neighbour, "release of %p: the object (struct node) is dead\n",
                      (void *)neighbour);
}
END_TEST

START_TEST(test_garbage_that_was_collected)
{
    struct node *node = ring_new(&node_type, 1, 1);
    molt_release(node);
    molt_gc_collect(2);
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        unit_expect_error(operations[i].function, node,
                          "%s of %p: the object (struct node) is dead\n", operations[i].name,
                          (void *)node);
}
END_TEST

START_TEST(test_large_dead)
{
    struct node *node = molt_new_extra(&node_type, 3 << 20);
    molt_release(node);
    unit_expect_error(do_weak_new, node, "molt_weak_new of %p: not an object\n", (void *)node);
    struct node *in_run = molt_new_extra(&node_type, 100000);
    molt_release(in_run);
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        unit_expect_error(operations[i].function, in_run, "%s of %p: not an object\n",
                          operations[i].name, (void *)in_run);
}
END_TEST

/* Retain and release of memory that is not even a header may read it. */
START_TEST(test_inside_an_object)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    struct node *large = molt_new_extra(&node_type, 3 << 20);
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        for (size_t inside = 8; inside < sizeof *node; inside += 8) {
            unit_expect_error(operations[i].function, (char *)node + inside,
                              "%s of %p: %zu bytes inside an object (struct node) at %p\n",
                              operations[i].name, (void *)((char *)node + inside), inside,
                              (void *)node);
            unit_expect_error(operations[i].function, (char *)large + inside,
                              "%s of %p: %zu bytes inside an object (struct node) at %p\n",
                              operations[i].name, (void *)((char *)large + inside), inside,
                              (void *)large);
        }
    molt_release(node);
    unit_expect_error(do_weak_new, (char *)node + 16,
                      "molt_weak_new of %p: 16 bytes inside a dead object at %p\n",
                      (void *)((char *)node + 16), (void *)node);
}
END_TEST

START_TEST(test_no_object)
{
    static char fixed[64];
    char local[64] = {0};
    molt_release(node_take(&node_type, 1, NULL, NULL));
    char *others[] = {molt_calloc(1, 64), molt_calloc(1, 100000), molt_calloc(1, 5 << 20), fixed,
                      local};
    for (size_t j = 0; j < COUNT_OF(others); j++)
        for (size_t i = 0; i < COUNT_OF(operations); i++)
            unit_expect_error(operations[i].function, others[j], "%s of %p: not an object\n",
                              operations[i].name, (void *)others[j]);
}
END_TEST

static void expect_overwritten(struct node *node, uint64_t header)
{
    static const size_t asked[] = {0, 1, 2, 4}; /* of the operations */
    uint64_t before = node->molt_base.molt_header;
    node->molt_base.molt_header = header;
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        unit_expect_error(operations[asked[i]].function, node,
                          "%s of %p: its header has been overwritten\n", operations[asked[i]].name,
                          (void *)node);
    ck_assert(!molt_is_object(node));
    node->molt_base.molt_header = before;
}

START_TEST(test_overwritten_header)
{
    static const uint64_t values[] = {0,
                                      0xffff,
                                      UINT64_C(0xe123) << 48,
                                      UINT64_C(1) << 48,
                                      0x4141414141414141,
                                      UINT64_MAX,
                                      0x4242424242424242};
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        expect_overwritten(node, values[i]);
    molt_release(node);
}
END_TEST

static void *make_node(void *out)
{
    *(struct node **)out = node_take(&node_type, 1, NULL, NULL);
    return NULL;
}

/* The tag of a thread, and a type that there is not. */
#define NO_TYPE 64999u

static uint64_t set_no_type(struct node *node)
{
    uint64_t before = node->molt_base.molt_header;
    node->molt_base.molt_header = (before & ~UINT64_C(0xffff)) | NO_TYPE;
    return before;
}

START_TEST(test_overwritten_type)
{
    struct node *mine = node_take(&node_type, 1, NULL, NULL), *others;
    unit_in_thread(make_node, &others);
    uint64_t header = set_no_type(mine);
    unit_expect_error(do_release, mine, "release of %p: its header has been overwritten\n",
                      (void *)mine);
    mine->molt_base.molt_header = header;
    header = set_no_type(others);
    unit_expect_error(do_retain, others, "retain of %p: its header has been overwritten\n",
                      (void *)others);
    unit_expect_error(do_release, others, "release of %p: its header has been overwritten\n",
                      (void *)others);
    others->molt_base.molt_header = header;
}
END_TEST

/* It is met in a field of a dying object, and by a collection. */
START_TEST(test_overwritten_type_of_a_target)
{
    struct node *target = node_take(&node_type, 1, NULL, NULL);
    struct node *parent = node_take(&node_type, 1, target, NULL);
    uint64_t header = set_no_type(target);
    unit_expect_error(do_release, parent, "release of %p: its header has been overwritten\n",
                      (void *)target);
    unit_expect_error(
        do_collect, (void *)2,
        "collection of %p: its header has been overwritten; %p (struct node) +8 refers "
        "to it\n",
        (void *)target, (void *)parent);
    target->molt_base.molt_header = header;
}
END_TEST

/* ---- Counts that are wrong ---- */

static void set_count(struct node *node, unsigned count)
{
    uint64_t header = node->molt_base.molt_header;
    node->molt_base.molt_header = header_with(header, header_tag(header), count);
}

START_TEST(test_below_zero)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    set_count(node, 0);
    unit_expect_error(do_release, node,
                      "release of %p (struct node): released more often than retained\n",
                      (void *)node);
}
END_TEST

static void *release_thrice(void *p)
{
    for (int i = 0; i < 3; i++)
        molt_release(p);
    return NULL;
}

static void release_thrice_there(void *p)
{
    unit_in_thread(release_thrice, p);
    molt_gc_safepoint();
}

START_TEST(test_below_zero_by_another_thread)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    molt_retain(node);
    unit_expect_error(release_thrice_there, node,
                      "release of %p (struct node): released more often", (void *)node);
}
END_TEST

START_TEST(test_more_fields_than_references)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    struct node *other = node_take(&node_type, 1, node, node);
    molt_retain(other);
    for (uintptr_t generation = 0; generation < 3; generation++)
        unit_expect_error(
            do_collect, (void *)generation,
            "object %p (struct node): 1 more fields refer to it than it has references; %p (struct "
            "node) +8 and 1 more field refer to it\n",
            (void *)node, (void *)other);
    molt_retain(node);
    ck_assert_int_eq(molt_gc_collect(2), 0);
}
END_TEST

/* A dying object's memory is not to be revived without its finalizer. */
static struct node *dying;

static void retain_dying(void *unused)
{
    (void)unused;
    molt_retain(dying);
}

static void dispose_and_retain(void *object)
{
    dying = object;
    retain_dying(NULL);
}

MOLT_TYPE(reviving_type, struct node, MOLT_REFS(struct node, a, b), .dispose = dispose_and_retain);

static void release_or_collect(void *p)
{
    molt_release(p);
    molt_gc_collect(2);
}

START_TEST(test_retain_in_dispose)
{
    struct node *node = node_take(&reviving_type, 1, NULL, NULL);
    struct node *garbage = ring_new(&reviving_type, 1, 1);
    unit_expect_error(release_or_collect, node, "retain of %p: the object (struct node) is dying\n",
                      (void *)node);
    unit_expect_error(release_or_collect, garbage,
                      "retain of %p: the object (struct node) is dying\n", (void *)garbage);
}
END_TEST

/* ---- In a traverse callback ---- */

static struct node *touched;
static void (*in_traverse)(void);

static int traverse_badly(void *object, molt_visit *visit, void *arg)
{
    (void)object, (void)visit, (void)arg;
    in_traverse();
    return 0;
}

static void clear_nothing(void *object)
{
    (void)object;
}

MOLT_TYPE(bad_type, struct node, MOLT_REFS(struct node, a, b), .traverse = traverse_badly,
          .clear = clear_nothing);

static void do_nothing(void)
{
}

static void retain_touched(void)
{
    molt_retain(touched);
}

static void release_touched(void)
{
    molt_release(touched);
}

static void set_touched(void)
{
    void *slot = NULL;
    molt_set(&slot, touched);
}

static void take_from_touched(void)
{
    molt_take(&touched->a);
}

static void set_in_touched(void)
{
    molt_set(&touched->a, NULL);
}

static void make_one(void)
{
    molt_release(molt_new(&node_type));
}

static void make_one_with_extra(void)
{
    molt_release(molt_new_extra(&node_type, 100));
}

static molt_weak *to_touched;

static void get_weak(void *weak)
{
    if (molt_weak_get(weak) == NULL)
        _exit(0);
}

static void get_touched(void)
{
    get_weak(to_touched);
}

START_TEST(test_in_traverse)
{
    static const struct {
        void (*function)(void);
        const char *words;
    } cases[] = {
        {retain_touched, "retain of %p (struct node): a traverse callback must not count\n"},
        {release_touched, "release of %p (struct node): a traverse callback must not count\n"},
        {set_touched, "retain of %p (struct node): a traverse callback must not count\n"},
        {take_from_touched,
         "change of %p (struct node): a traverse callback must not change a field\n"},
        {set_in_touched,
         "change of %p (struct node): a traverse callback must not change a field\n"},
        {make_one, "molt_new (struct node): a traverse callback must not make objects\n"},
        {make_one_with_extra,
         "molt_new (struct node): a traverse callback must not make objects\n"},
        {get_touched, "molt_weak_get: a traverse callback must not count\n"},
    };
    touched = node_take(&node_type, 1, NULL, NULL);
    molt_retain(touched);
    to_touched = molt_weak_new(touched, NULL, NULL);
    struct node *bad = node_take(&bad_type, 1, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char words[200];
        snprintf(words, sizeof words, cases[i].words, (void *)touched);
        in_traverse = cases[i].function;
        unit_expect_error(do_collect, (void *)0, "%s", words);
        unit_expect_error(do_referents, bad, "%s", words);
    }
    in_traverse = do_nothing;
}
END_TEST

static void collect_in_traverse(void)
{
    ck_assert_int_eq(molt_gc_collect(2), 0);
}

/* That is no misuse: it only does nothing. */
START_TEST(test_collect_in_traverse)
{
    struct node *bad = node_take(&bad_type, 1, NULL, NULL);
    in_traverse = collect_in_traverse;
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_gc_referents(bad, NULL, NULL);
    molt_retain(bad);
    ck_assert_uint_eq(molt_refcount(bad), 2);
}
END_TEST

/* ---- The malloc family ---- */

static void do_free(void *p)
{
    molt_free(p);
}

static void do_realloc(void *p)
{
    if (molt_realloc(p, 1000) == NULL)
        abort();
}

static void *free_there(void *p)
{
    molt_free(p);
    return NULL;
}

static void do_free_there(void *p)
{
    unit_in_thread(free_there, p);
}

START_TEST(test_free_of_an_object)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    unit_expect_error(do_free, node,
                      "invalid free of %p: it is an object, which molt_release frees\n",
                      (void *)node);
    unit_expect_error(do_realloc, node,
                      "invalid realloc of %p: it is an object, which molt_release frees\n",
                      (void *)node);
    unit_expect_error(do_free_there, node,
                      "invalid free of %p: it is an object, which molt_release frees\n",
                      (void *)node);
    molt_release(node);
    unit_expect_error(do_free, node, "double free of %p", (void *)node);
}
END_TEST

START_TEST(test_free_of_a_large_object)
{
    static const size_t extras[] = {40000, 3 << 20};
    for (size_t i = 0; i < COUNT_OF(extras); i++) {
        struct node *node = molt_new_extra(&node_type, extras[i]);
        unit_expect_error(do_free, node, "invalid free of %p", (void *)node);
        unit_expect_error(do_realloc, node, "invalid realloc of %p", (void *)node);
    }
}
END_TEST

/* ---- In a blocking region ---- */

static void in_a_region(void (*function)(void *), void *p)
{
    molt_gc_blocking_begin();
    molt_gc_blocking_begin();
    molt_gc_blocking_end();
    function(p);
    molt_gc_blocking_end();
}

static void retain_in_a_region(void *p)
{
    in_a_region(do_retain, p);
}

static void release_in_a_region(void *p)
{
    in_a_region(do_release, p);
}

static void do_take(void *node)
{
    molt_take(&((struct node *)node)->a);
}

static void take_in_a_region(void *p)
{
    in_a_region(do_take, p);
}

static void do_begin_change(void *p)
{
    molt_begin_change(p);
}

static void begin_change_in_a_region(void *p)
{
    in_a_region(do_begin_change, p);
}

/* Items may be immortal, so that nothing is counted. */
static void do_pop(void *list)
{
    if (molt_list_pop(list, 0) == NULL)
        exit(1);
}

static void do_clear_list(void *list)
{
    molt_list_clear(list);
}

static void do_clear_dict(void *dict)
{
    molt_dict_clear(dict);
}

static void do_delete(void *dict)
{
    molt_int *one = molt_int_new(1);
    molt_dict_delete(dict, one);
}

static void (*change_container)(void *);

static void change_container_in_a_region(void *p)
{
    in_a_region(change_container, p);
}

START_TEST(test_containers_in_a_blocking_region)
{
    void *one = molt_int_new(1), *list = molt_list_new(), *dict = molt_dict_new();
    molt_list_append(list, one);
    molt_dict_set(dict, one, one);
    const struct {
        void (*function)(void *);
        void *container;
        const char *type;
    } cases[] = {{do_pop, list, "molt_list"},
                 {do_clear_list, list, "molt_list"},
                 {do_delete, dict, "molt_dict"},
                 {do_clear_dict, dict, "molt_dict"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        change_container = cases[i].function;
        unit_expect_error(change_container_in_a_region, cases[i].container,
                          "change of %p (%s): the thread has said that it uses no object\n",
                          cases[i].container, cases[i].type);
    }
    molt_release(list);
    molt_release(dict);
}
END_TEST

static void make(void *type)
{
    molt_release(molt_new(type));
}

static void make_in_a_region(void *type)
{
    in_a_region(make, type);
}

static void get_weak_in_a_region(void *weak)
{
    in_a_region(get_weak, weak);
}

START_TEST(test_in_a_blocking_region)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    molt_weak *weak = molt_weak_new(node, NULL, NULL);
    unit_expect_error(get_weak_in_a_region, weak,
                      "molt_weak_get: the thread has said that it uses no object\n");
    molt_weak_free(weak);
    unit_expect_error(retain_in_a_region, node,
                      "retain of %p (struct node): the thread has said that it uses no object\n",
                      (void *)node);
    unit_expect_error(release_in_a_region, node,
                      "release of %p (struct node): the thread has said that it uses no object\n",
                      (void *)node);
    unit_expect_error(take_in_a_region, node,
                      "change of %p (struct node): the thread has said that it uses no object\n",
                      (void *)node);
    unit_expect_error(begin_change_in_a_region, &node->b,
                      "change of %p (struct node): the thread has said that it uses no object\n",
                      (void *)node);
    unit_expect_error(make_in_a_region, &node_type,
                      "molt_new (struct node): the thread has said that it uses no object\n");
    static molt_type nameless = {.size = sizeof(struct node)};
    unit_expect_error(make_in_a_region, &nameless,
                      "molt_new (?): the thread has said that it uses no object\n");
    unit_expect_error(make_in_a_region, NULL,
                      "molt_new (?): the thread has said that it uses no object\n");
    struct node *variable = node;
    molt_gc_blocking_begin();
    ck_assert_ptr_eq(molt_take(&variable), node);
    molt_clear(&variable);
    molt_gc_attach();
    molt_gc_blocking_end();
    molt_retain(node);
    molt_release(node);
}
END_TEST

/* ---- The fields that refer to it ---- */

struct row {
    MOLT_OBJECT;
    struct node **at;
    size_t length;
};

static void free_array(void *row)
{
    free(((struct row *)row)->at);
}

static int tell_b(void *node, molt_visit *visit, void *arg)
{
    void *b = ((struct node *)node)->b;
    return b != NULL ? visit(b, arg) : 0;
}

MOLT_TYPE(row_type, struct row, MOLT_REF_ARRAY(struct row, at, length), .dispose = free_array);
MOLT_TYPE(acyclic_type, struct node, MOLT_REFS(struct node, a), .flags = MOLT_ACYCLIC);
MOLT_TYPE(telling_b_type, struct node, .traverse = tell_b, .clear = clear_nothing);

START_TEST(test_fields_that_refer_to_it)
{
    struct node *dead = node_take(&node_type, 1, NULL, NULL), *node, *acyclic;
    struct row *row = molt_new(&row_type);
    node = node_take(&node_type, 2, NULL, NULL);
    acyclic = molt_new(&acyclic_type);
    molt_release(dead);
    unit_expect_error(do_retain, dead, "retain of %p: the object (struct node) is dead\n",
                      (void *)dead);
    row->length = 4;
    row->at = calloc(row->length, sizeof(void *));
    row->at[3] = dead;
    unit_expect_error(
        do_retain, dead,
        "retain of %p: the object (struct node) is dead; %p (struct row) [3] refers to "
        "it\n",
        (void *)dead, (void *)row);
    row->at[3] = NULL;
    acyclic->a = dead;
    unit_expect_error(do_refcount, dead,
                      "molt_refcount of %p: the object (struct node) is dead; %p (struct node) +8 "
                      "refers to it\n",
                      (void *)dead, (void *)acyclic);
    acyclic->a = NULL;
    node->b = dead;
    unit_expect_error(
        do_release, node,
        "release of %p: the object (struct node) is dead; %p (struct node) +16 refers "
        "to it\n",
        (void *)dead, (void *)node);
    row->at[0] = row->at[1] = dead;
    unit_expect_error(do_release, dead,
                      "release of %p: the object (struct node) is dead; %p (struct node) +16 and 2 "
                      "more fields refer to it\n",
                      (void *)dead, (void *)node);
    row->at[0] = row->at[1] = node->b = NULL;
    molt_release(acyclic);
    molt_release(node);
    molt_release(row);
}
END_TEST

/* Not misled by an object that says it is of a larger type. */
START_TEST(test_header_of_a_larger_type)
{
    static molt_type larger_type = {.name = "larger", .size = 4096, .flags = MOLT_TRAILING_REFS};
    struct node *dead = node_take(&node_type, 1, NULL, NULL);
    struct node *node = node_take(&node_type, 2, NULL, NULL);
    molt_object *larger = molt_new(&larger_type);
    uint64_t header = node->molt_base.molt_header;
    molt_release(dead);
    node->molt_base.molt_header = (header & ~UINT64_C(0xffff)) | (larger->molt_header & 0xffff);
    unit_expect_error(do_retain, dead, "retain of %p: the object (struct node) is dead\n",
                      (void *)dead);
    node->molt_base.molt_header = header;
    molt_release(node);
    molt_release(larger);
}
END_TEST

/* A callback of the program is not called while it is being stopped. */
START_TEST(test_traverse_is_not_asked)
{
    struct node *dead = node_take(&node_type, 1, NULL, NULL), *node = molt_new(&telling_b_type);
    molt_release(dead);
    node->b = dead;
    unit_expect_error(do_retain, dead, "retain of %p: the object (struct node) is dead\n",
                      (void *)dead);
    node->b = NULL;
    molt_release(node);
}
END_TEST

static atomic_bool is_there;

static void *use_and_stay(void *unused)
{
    molt_gc_attach();
    atomic_store(&is_there, true);
    for (;;)
        sched_yield();
    return unused;
}

/* In a process with a thread that does not come to a safepoint. */
static void retain_beside_another(void *p)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, use_and_stay, NULL) != 0)
        exit(1);
    while (!atomic_load(&is_there))
        sched_yield();
    molt_retain(p);
}

START_TEST(test_others_do_not_stand_still)
{
    struct node *dead = node_take(&node_type, 1, NULL, NULL);
    struct node *node = node_take(&node_type, 2, NULL, NULL);
    molt_release(dead);
    node->a = dead;
    unit_expect_error(retain_beside_another, dead,
                      "retain of %p: the object (struct node) is dead\n", (void *)dead);
    node->a = NULL;
    molt_release(node);
}
END_TEST

/* In the middle of a collection, whose finalizer does it. */
static struct node *dead_before;

static void retain_dead(struct node *node)
{
    (void)node;
    molt_retain(dead_before);
}

START_TEST(test_in_a_collection)
{
    dead_before = node_take(&node_type, 1, NULL, NULL);
    struct node *ring = ring_new(&telling_type, 1, 1);
    struct node *node = node_take(&node_type, 2, NULL, NULL);
    ring->on_finalize = retain_dead;
    molt_release(dead_before);
    molt_release(ring);
    node->a = dead_before;
    unit_expect_error(
        do_collect, (void *)2,
        "retain of %p: the object (struct node) is dead; %p (struct node) +8 refers to "
        "it\n",
        (void *)dead_before, (void *)node);
    node->a = NULL;
    ring->on_finalize = NULL;
    molt_release(node);
}
END_TEST

/* The word of a dead object is a link, which must not be followed when it is none. */
static void make_nodes(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10000; i++)
        node_take(&node_type, 1, NULL, NULL);
}

START_TEST(test_write_to_a_dead_object)
{
    static const uint64_t words[] = {0, UINT64_MAX, UINT64_C(0x4141414141414141)};
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    molt_release(node);
    uint64_t link = header_of(node);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        header_set(node, words[i]);
        unit_expect_error(make_nodes, NULL, "write after free: the free block %p", (void *)node);
    }
    header_set(node, link);
}
END_TEST

START_TEST(test_one_line)
{
    char text[1000];
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    molt_release(node);
    int status = unit_child(do_release, node, text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

Suite *suite_object_misuse(void)
{
    Suite *suite = suite_create("object_misuse");
    TCase *tests = tcase_create("misuse");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_dead);
    tcase_add_test(tests, test_garbage_that_was_collected);
    tcase_add_test(tests, test_large_dead);
    tcase_add_test(tests, test_inside_an_object);
    tcase_add_test(tests, test_no_object);
    tcase_add_test(tests, test_overwritten_header);
    tcase_add_test(tests, test_overwritten_type);
    tcase_add_test(tests, test_overwritten_type_of_a_target);
    tcase_add_test(tests, test_below_zero);
    tcase_add_test(tests, test_below_zero_by_another_thread);
    tcase_add_test(tests, test_more_fields_than_references);
    tcase_add_test(tests, test_retain_in_dispose);
    tcase_add_test(tests, test_in_traverse);
    tcase_add_test(tests, test_collect_in_traverse);
    tcase_add_test(tests, test_free_of_an_object);
    tcase_add_test(tests, test_free_of_a_large_object);
    tcase_add_test(tests, test_in_a_blocking_region);
    tcase_add_test(tests, test_containers_in_a_blocking_region);
    tcase_add_test(tests, test_fields_that_refer_to_it);
    tcase_add_test(tests, test_header_of_a_larger_type);
    tcase_add_test(tests, test_traverse_is_not_asked);
    tcase_add_test(tests, test_others_do_not_stand_still);
    tcase_add_test(tests, test_in_a_collection);
    tcase_add_test(tests, test_write_to_a_dead_object);
    tcase_add_test(tests, test_one_line);
    suite_add_tcase(suite, tests);
    return suite;
}
