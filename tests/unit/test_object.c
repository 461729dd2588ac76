/* test_object.c: types, making and asking, counts, dying. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/tunables.h"
#include "object/header.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Types: every way to declare references ---- */

#define LEAF_COUNT 16

/* What holds references in one of the ways; made with the leaves' references in it. */
static struct node *leaves[LEAF_COUNT];

static void make_leaves(void)
{
    for (int i = 0; i < LEAF_COUNT; i++)
        leaves[i] = node_take(&telling_type, i, NULL, NULL);
}

/* The holder tells of its references, holds them, and lets go of them when it dies. */
static void expect_held(void *holder, int count)
{
    for (int i = 0; i < LEAF_COUNT; i++)
        ck_assert_uint_eq(molt_refcount(leaves[i]), i < count ? 2 : 1);
    ck_assert_uint_eq(molt_gc_referents(holder, NULL, NULL), (size_t)count);
    for (int i = 0; i < LEAF_COUNT; i++)
        ck_assert_uint_eq(molt_gc_referrers(leaves[i], NULL, NULL), i < count);
    for (int i = 0; i < LEAF_COUNT; i++)
        molt_release(leaves[i]);
    ck_assert_uint_eq(disposed_nodes(), (size_t)(LEAF_COUNT - count));
    diary_read();
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_str_eq(diary_read(), "");
    molt_release(holder);
    ck_assert(!molt_is_object(holder));
    ck_assert_uint_eq(disposed_nodes(), LEAF_COUNT);
}

struct sixteen {
    MOLT_OBJECT;
    struct node *r0, *r1, *r2, *r3, *r4, *r5, *r6, *r7, *r8, *r9, *r10, *r11, *r12, *r13, *r14,
        *r15;
};

MOLT_TYPE(one_ref_type, struct sixteen, MOLT_REFS(struct sixteen, r0));
MOLT_TYPE(sixteen_type, struct sixteen,
          MOLT_REFS(struct sixteen, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14,
                    r15));

START_TEST(test_list_of_references)
{
    make_leaves();
    struct sixteen *holder = molt_new(_i == 1 ? &one_ref_type : &sixteen_type);
    for (int i = 0; i < _i; i++)
        molt_set(&holder->r0 + i, leaves[i]);
    expect_held(holder, _i);
}
END_TEST

struct mapped {
    MOLT_OBJECT;
    int64_t number;
    struct node *first[3];
    char filling[60 * 8];
    struct node *last[2]; /* words 65 and 66 */
};

MOLT_TYPE(mapped_type, struct mapped, MOLT_REF_BITMAP(0x1c, 0x6));
/* Some words in the list, the others in the bitmap. */
MOLT_TYPE(mapped_and_listed_type, struct mapped, MOLT_REF_BITMAP(0x10, 0x6),
          MOLT_REFS(struct mapped, first[0], first[1]));

START_TEST(test_bitmap)
{
    make_leaves();
    struct mapped *holder = molt_new(_i == 0 ? &mapped_type : &mapped_and_listed_type);
    holder->number = -1;
    memset(holder->filling, 0xff, sizeof holder->filling);
    for (int i = 0; i < 3; i++)
        molt_set(&holder->first[i], leaves[i]);
    for (int i = 0; i < 2; i++)
        molt_set(&holder->last[i], leaves[3 + i]);
    expect_held(holder, 5);
}
END_TEST

struct array {
    MOLT_OBJECT;
    struct node **items;
    uint64_t length8;
    uint32_t length4;
    uint16_t length2;
    uint8_t length1;
    struct node *more;
};

static unsigned freed_arrays;

static void free_items(void *object)
{
    struct array *array = object;
    molt_free(array->items);
    freed_arrays++;
}

MOLT_TYPE(array1_type, struct array, MOLT_REF_ARRAY(struct array, items, length1),
          .dispose = free_items);
MOLT_TYPE(array2_type, struct array, MOLT_REF_ARRAY(struct array, items, length2),
          .dispose = free_items);
MOLT_TYPE(array4_type, struct array, MOLT_REF_ARRAY(struct array, items, length4),
          .dispose = free_items);
MOLT_TYPE(array8_type, struct array, MOLT_REF_ARRAY(struct array, items, length8),
          .dispose = free_items);
MOLT_TYPE(array_and_field_type, struct array, MOLT_REF_ARRAY(struct array, items, length8),
          MOLT_REFS(struct array, more), .dispose = free_items);

static const molt_type *const array_types[] = {&array1_type, &array2_type, &array4_type,
                                               &array8_type};

static struct array *array_new(const molt_type *type, unsigned length)
{
    struct array *array = molt_new(type);
    array->items = molt_calloc(length, sizeof *array->items);
    array->length1 = type == &array1_type ? (uint8_t)length : 0xff;
    array->length2 = type == &array2_type ? (uint16_t)length : 0xffff;
    array->length4 = type == &array4_type ? length : 0xffffffff;
    array->length8 = length;
    return array;
}

START_TEST(test_array)
{
    make_leaves();
    struct array *holder = array_new(array_types[_i], LEAF_COUNT);
    holder->length8 = _i == 3 ? LEAF_COUNT : UINT64_MAX;
    for (int i = 0; i < LEAF_COUNT; i++)
        molt_set(&holder->items[i], leaves[i]);
    expect_held(holder, LEAF_COUNT);
    ck_assert_uint_eq(freed_arrays, 1);
}
END_TEST

START_TEST(test_array_beside_a_field)
{
    make_leaves();
    struct array *holder = array_new(&array_and_field_type, 4);
    molt_set(&holder->more, leaves[0]);
    for (int i = 1; i < 4; i++)
        molt_set(&holder->items[i], leaves[i]);
    expect_held(holder, 4);
}
END_TEST

START_TEST(test_array_that_is_not_there)
{
    struct array *array = molt_new(&array8_type);
    array->length8 = 1000000;
    ck_assert_uint_eq(molt_gc_referents(array, NULL, NULL), 0);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(array);
    ck_assert_uint_eq(freed_arrays, 1);
}
END_TEST

struct trailing {
    MOLT_OBJECT;
    struct node *first;
    struct node *rest[];
};

MOLT_TYPE(trailing_type, struct trailing, MOLT_REFS(struct trailing, first),
          .flags = MOLT_TRAILING_REFS);

START_TEST(test_trailing_references)
{
    make_leaves();
    struct trailing *holder = molt_new_extra(&trailing_type, (size_t)_i * sizeof(struct node *));
    ck_assert(unit_is_zero(holder->rest, (size_t)_i * sizeof(struct node *)));
    molt_set(&holder->first, leaves[0]);
    for (int i = 0; i < _i; i++)
        molt_set(&holder->rest[i], leaves[1 + i]);
    expect_held(holder, 1 + _i);
}
END_TEST

/* Small or large, what is written behind the struct by another type is none of the library's. */
START_TEST(test_extra_bytes_that_are_no_references)
{
    for (size_t extra = 1; extra < 5000000; extra = extra * 3 + 1) {
        struct node *node = molt_new_extra(&node_type, extra);
        ck_assert(unit_is_zero(node + 1, extra));
        memset(node + 1, 0x5a, extra);
        molt_set(&node->a, node);
        ck_assert_uint_eq(molt_gc_referents(node, NULL, NULL), 1);
        molt_release(node);
        ck_assert_int_eq(molt_gc_collect(0), 1);
    }
}
END_TEST

/* Two hidden references: in a linked cell that is no object. */
struct cell {
    struct node *items[2];
};

struct hidden {
    MOLT_OBJECT;
    struct cell *cell;
    struct node *shown;
};

static unsigned clear_calls;

static int traverse_hidden(void *object, molt_visit *visit, void *arg)
{
    struct hidden *hidden = object;
    for (int i = 0; hidden->cell != NULL && i < 2; i++) {
        int result = hidden->cell->items[i] != NULL ? visit(hidden->cell->items[i], arg) : 0;
        if (result != 0)
            return result;
    }
    return 0;
}

static void clear_hidden(void *object)
{
    struct hidden *hidden = object;
    clear_calls++;
    for (int i = 0; i < 2; i++)
        molt_clear(&hidden->cell->items[i]);
}

static void dispose_hidden(void *object)
{
    molt_free(((struct hidden *)object)->cell);
    diary_add("hidden");
}

MOLT_TYPE(hidden_type, struct hidden, MOLT_REFS(struct hidden, shown), .traverse = traverse_hidden,
          .clear = clear_hidden, .dispose = dispose_hidden);

static struct hidden *hidden_new(void)
{
    struct hidden *hidden = molt_new(&hidden_type);
    hidden->cell = molt_calloc(1, sizeof *hidden->cell);
    return hidden;
}

START_TEST(test_traverse_and_clear)
{
    make_leaves();
    struct hidden *holder = hidden_new();
    molt_set(&holder->shown, leaves[0]);
    molt_set(&holder->cell->items[0], leaves[1]);
    molt_set(&holder->cell->items[1], leaves[2]);
    expect_held(holder, 3);
    ck_assert_uint_eq(clear_calls, 1);
}
END_TEST

START_TEST(test_traverse_in_a_cycle)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    struct hidden *hidden = hidden_new();
    hidden->cell->items[1] = node;
    node->a = molt_retain(hidden);
    hidden->cell->items[0] = node_take(&telling_type, 2, NULL, NULL);
    molt_release(hidden);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(disposed_nodes(), 2);
    ck_assert_uint_eq(clear_calls, 1);
    ck_assert(!molt_is_object(hidden));
}
END_TEST

/* ---- Types that contradict themselves ---- */

static int traverse_nothing(void *object, molt_visit *visit, void *arg)
{
    (void)object, (void)visit, (void)arg;
    return 0;
}

static void clear_nothing(void *object)
{
    (void)object;
}

static const uint16_t at_0[] = {0}, at_4[] = {4}, at_12[] = {12}, at_24[] = {24}, at_8[] = {8};
static const uint64_t word_0[] = {1}, word_3[] = {8}, word_64[] = {0, 1};

#define INVALID(...)                               \
    {                                              \
        .name = "invalid", .size = 24, __VA_ARGS__ \
    }

struct refused {
    molt_type type;
    const char *reason; /* that is told, or its end */
};

static const uint16_t at_8_16_8[] = {8, 16, 8};
static const uint64_t word_1[] = {2};

static struct refused refused[] = {
    {{.size = 24}, "the type has no name"},
    {{.name = "sizeless"}, "sizeless: the size has no room for the header"},
    {{.name = "invalid", .size = 7}, "invalid: the size has no room for the header"},
    {{.name = "invalid", .size = (size_t)1 << 20}, "larger than 524,280 bytes; see molt_new_extra"},
    {INVALID(.alignment = 24), "the alignment is no power of two up to 4096"},
    {INVALID(.alignment = 8192), "the alignment is no power of two up to 4096"},
    {INVALID(.refs = at_0, .ref_count = 1),
     "invalid: the reference field +0 lies in the header: the struct begins with MOLT_OBJECT"},
    {INVALID(.refs = at_4, .ref_count = 1),
     "+4 lies in the header: the struct begins with MOLT_OBJECT"},
    {INVALID(.refs = at_12, .ref_count = 1), "+12 is not aligned: its offset is no multiple of 8"},
    {INVALID(.refs = at_24, .ref_count = 1), "+24 does not lie inside the struct"},
    {{.name = "invalid", .size = 15, .refs = at_8, .ref_count = 1},
     "+8 does not lie inside the struct"},
    {INVALID(.ref_count = 1), "there is a ref_count, but refs is NULL"},
    {INVALID(.ref_bitmap = word_0, .ref_bitmap_words = 1),
     "+0 lies in the header: the struct begins with MOLT_OBJECT"},
    {INVALID(.ref_bitmap = word_3, .ref_bitmap_words = 1), "+24 does not lie inside the struct"},
    {INVALID(.ref_bitmap = word_64, .ref_bitmap_words = 2), "+512 does not lie inside the struct"},
    {INVALID(.ref_bitmap_words = 1), "there are ref_bitmap_words, but ref_bitmap is NULL"},
    {INVALID(.array = 8, .array_length = 16, .array_length_bytes = 3),
     "no integer of 1, 2, 4 or 8 bytes"},
    {INVALID(.array = 8, .array_length = 16, .array_length_bytes = 16),
     "no integer of 1, 2, 4 or 8 bytes"},
    {INVALID(.array = 0, .array_length = 16, .array_length_bytes = 8),
     "the array's pointer is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 24, .array_length = 16, .array_length_bytes = 8),
     "the array's pointer is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 12, .array_length = 20, .array_length_bytes = 4),
     "the array's pointer is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 8, .array_length = 4, .array_length_bytes = 4),
     "the array's length is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 8, .array_length = 18, .array_length_bytes = 4),
     "the array's length is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 8, .array_length = 24, .array_length_bytes = 1),
     "the array's length is not aligned, or not in the struct behind the header"},
    {INVALID(.array = 8, .array_length = 8, .array_length_bytes = 8),
     "the array's length lies in its pointer"},
    {INVALID(.array = 8, .array_length = 15, .array_length_bytes = 1),
     "the array's length lies in its pointer"},
    {{.name = "odd", .size = 20, .flags = MOLT_TRAILING_REFS},
     "odd: references follow the struct, but its size is no multiple of 8"},
    {INVALID(.traverse = traverse_nothing), "there is a traverse callback, but no clear"},
    {INVALID(.clear = clear_nothing), "there is a clear callback, but no traverse"},
    {INVALID(.refs = at_8_16_8, .ref_count = 3),
     "invalid: the reference field +8 is declared twice"},
    {{.name = "struct pair",
      .size = 24,
      .refs = at_8_16_8,
      .ref_count = 3,
      .ref_names = "a,  second , a"},
     "struct pair: the reference field a (+8) is declared twice"},
    {{.name = "struct pair",
      .size = 16,
      .refs = at_8_16_8,
      .ref_count = 3,
      .ref_names = "a, b.c[1]"},
     "struct pair: the reference field b.c[1] (+16) does not lie inside the struct"},
    {{.name = "too few names", .size = 24, .refs = at_8_16_8, .ref_count = 3, .ref_names = "a, b"},
     "too few names: the reference field +8 is declared twice"},
    {INVALID(.refs = at_8, .ref_count = 1, .ref_bitmap = word_1, .ref_bitmap_words = 1),
     "+8 is declared twice, in the list and in the bitmap"},
    {INVALID(.refs = at_8, .ref_count = 1, .array = 8, .array_length = 16, .array_length_bytes = 8),
     "+8 is the array's pointer or length, too"},
    {INVALID(.refs = at_8, .ref_count = 1, .array = 16, .array_length = 12,
             .array_length_bytes = 4),
     "+8 is the array's pointer or length, too"},
    {INVALID(.ref_bitmap = word_1, .ref_bitmap_words = 1, .array = 16, .array_length = 15,
             .array_length_bytes = 1),
     "+8 is the array's pointer or length, too"},
};

static void expect_reason(const molt_type *type, const char *expected)
{
    char reason[600];
    errno = 0;
    ck_assert_int_eq(molt_type_check(type, reason, sizeof reason), -1);
    ck_assert_int_eq(errno, EINVAL);
    size_t length = strlen(reason), end = strlen(expected);
    ck_assert_msg(length >= end && strcmp(reason + length - end, expected) == 0, "'%s'", reason);
    ck_assert_int_eq(molt_type_check(type, NULL, 0), -1);
    char little[8] = "#######";
    ck_assert_int_eq(molt_type_check(type, little, 5), -1);
    ck_assert_int_eq(strncmp(little, reason, 4), 0);
    ck_assert_int_eq(little[4], '\0');
    ck_assert_int_eq(little[5], '#');
}

static void make_three(void *type)
{
    for (int i = 0; i < 3; i++)
        if (molt_new(type) != NULL)
            abort();
}

/* molt_type_check tells it, and molt_new the first time, in one line. */
START_TEST(test_reason)
{
    char text[2000], line[700], reason[600];
    molt_type *type = &refused[_i].type;
    expect_reason(type, refused[_i].reason);
    molt_type_check(type, reason, sizeof reason);
    snprintf(line, sizeof line, "molt: warning: molt_new: %s\n", reason);
    ck_assert_int_eq(unit_child(make_three, type, text, sizeof text), 0);
    ck_assert_str_eq(text, line);
}
END_TEST

START_TEST(test_reason_of_no_type)
{
    char text[200], reason[40] = "#";
    expect_reason(NULL, "the type is NULL");
    ck_assert_int_eq(unit_child(make_three, NULL, text, sizeof text), 0);
    ck_assert_str_eq(text, "molt: warning: molt_new: the type is NULL\n");
    errno = 0;
    ck_assert_int_eq(molt_type_check(&node_type, reason, sizeof reason), 0);
    ck_assert_str_eq(reason, "");
    molt_release(node_take(&node_type, 0, NULL, NULL));
    ck_assert_int_eq(molt_type_check(&node_type, NULL, 0), 0);
    ck_assert_int_eq(errno, 0);
}
END_TEST

/* However long the name is. */
START_TEST(test_reason_of_a_long_name)
{
    static char name[5000];
    memset(name, 'x', sizeof name - 1);
    molt_type type = {.name = name, .size = 8, .refs = at_8, .ref_count = 1, .ref_names = name};
    expect_reason(&type, "x (+8) does not lie inside the struct");
}
END_TEST

START_TEST(test_invalid_type)
{
    for (int again = 0; again < 2; again++) {
        errno = 0;
        ck_assert_ptr_null(molt_new(&refused[_i].type));
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_ptr_null(molt_new_extra(&refused[_i].type, 8));
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

START_TEST(test_no_type)
{
    errno = 0;
    ck_assert_ptr_null(molt_new(NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static molt_type many_types[65001];

START_TEST(test_too_many_types)
{
    for (size_t i = 0; i < COUNT_OF(many_types); i++)
        many_types[i] = (molt_type){.name = "one of many", .size = 16};
    for (size_t i = 0; i + 1 < COUNT_OF(many_types); i++) {
        void *object = molt_new(&many_types[i]);
        REQUIRE(object != NULL && molt_typeof(object) == &many_types[i], "type %zu", i);
        molt_release(object);
    }
    errno = 0;
    ck_assert_ptr_null(molt_new(&many_types[COUNT_OF(many_types) - 1]));
    ck_assert_int_eq(errno, EINVAL);
    expect_reason(&many_types[COUNT_OF(many_types) - 1],
                  "one of many: there are 65000 types already, and no more can be");
    ck_assert_ptr_nonnull(molt_new(&many_types[0]));
}
END_TEST

START_TEST(test_no_memory_for_so_much)
{
    static const size_t extras[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2, (size_t)1 << 62,
                                    (size_t)PTRDIFF_MAX - 4096};
    unsigned before[3], after[3];
    struct node *node = node_take(&node_type, 0, NULL, NULL);
    molt_gc_get_count(before);
    for (size_t i = 0; i < COUNT_OF(extras); i++) {
        errno = 0;
        ck_assert_ptr_null(molt_new_extra(&node_type, extras[i]));
        ck_assert_int_eq(errno, ENOMEM);
    }
    molt_gc_get_count(after);
    ck_assert_uint_eq(before[0], after[0]);
    molt_release(node);
}
END_TEST

/* ---- Undoing ---- */

/* What it refers to is released, and no callback is called. */
START_TEST(test_discard)
{
    molt_discard(NULL);
    struct node *held = node_take(&telling_type, 1, NULL, NULL);
    struct node *node = _i == 0 ? molt_new(&telling_type) : molt_new_extra(&telling_type, 100000);
    node->a = molt_retain(held);
    node->b = node_take(&telling_type, 2, NULL, NULL);
    molt_discard(node);
    ck_assert_str_eq(diary_read(), "f2 d2");
    ck_assert(!molt_is_object(node));
    ck_assert_uint_eq(molt_refcount(held), 1);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 1);
    molt_gc_collect(2);
    molt_release(held);
}
END_TEST

static void discard(void *node)
{
    molt_discard(node);
}

START_TEST(test_discard_of_what_others_have)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    molt_retain(node);
    unit_expect_error(discard, node, "molt_discard of %p (struct node): it is not the calling",
                      (void *)node);
    molt_release(node);
    molt_weak *weak = molt_weak_new(node, NULL, NULL);
    unit_expect_error(discard, node, "molt_discard of %p (struct node): it is not the calling",
                      (void *)node);
    molt_weak_free(weak);
    molt_discard(node);
    unit_expect_error(discard, node, "molt_discard of %p: the object (struct node) is dead",
                      (void *)node);
}
END_TEST

/* ---- Which objects the collector looks at ---- */

MOLT_TYPE(empty_type, struct node, .dispose = NULL);
MOLT_TYPE(leaf_type, struct node, MOLT_REFS(struct node, a, b), .flags = MOLT_LEAF);
MOLT_TYPE(acyclic_type, struct node, MOLT_REFS(struct node, a, b), .flags = MOLT_ACYCLIC);

START_TEST(test_tracked_or_not)
{
    struct {
        const molt_type *type;
        bool tracked;
    } const cases[] = {{&node_type, true},     {&empty_type, false}, {&leaf_type, false},
                       {&acyclic_type, false}, {&array8_type, true}, {&trailing_type, true},
                       {&hidden_type, true}};
    unsigned count[3];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t before = molt_gc_objects(-1, NULL, NULL);
        molt_gc_collect(0);
        void *small = molt_new(cases[i].type), *large = molt_new_extra(cases[i].type, 100000);
        ck_assert(molt_gc_is_tracked(small) == cases[i].tracked);
        ck_assert(molt_gc_is_tracked(large) == cases[i].tracked);
        molt_gc_get_count(count);
        ck_assert_uint_eq(count[0], cases[i].tracked ? 2 : 0);
        ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), before + (cases[i].tracked ? 2 : 0));
    }
    ck_assert(!molt_gc_is_tracked(NULL));
}
END_TEST

/* A leaf's fields are whatever the program makes of them. */
START_TEST(test_leaf_has_no_references)
{
    struct node *leaf = molt_new(&leaf_type), *other = node_take(&telling_type, 1, NULL, NULL);
    leaf->a = other;
    leaf->b = (struct node *)12345;
    ck_assert_uint_eq(molt_gc_referents(leaf, NULL, NULL), 0);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(leaf);
    ck_assert_uint_eq(molt_refcount(other), 1);
}
END_TEST

START_TEST(test_acyclic_releases_its_references)
{
    struct node *node = node_take(&acyclic_type, 1, node_take(&telling_type, 2, NULL, NULL), NULL);
    node->b = molt_retain(node->a);
    ck_assert_uint_eq(molt_gc_referents(node, NULL, NULL), 2);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f2 d2");
}
END_TEST

/* A cycle through an acyclic object is no garbage to the collector. */
START_TEST(test_acyclic_hides_a_cycle)
{
    struct node *tracked = node_take(&node_type, 1, NULL, NULL);
    tracked->a = node_new(&acyclic_type, 2, tracked, NULL);
    molt_release(tracked);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert(molt_is_object(tracked));
}
END_TEST

/* ---- Sizes ---- */

struct pair {
    MOLT_OBJECT;
    void *a, *b;
};

MOLT_TYPE(pair_type, struct pair, MOLT_REFS(struct pair, a, b));
MOLT_TYPE(leaf_pair_type, struct pair, .flags = MOLT_LEAF);

/* A header and two pointers need no more than they are. */
START_TEST(test_24_bytes)
{
    const molt_type *types[] = {&pair_type, &leaf_pair_type};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        char *objects[1000];
        unsigned adjacent = 0;
        for (size_t i = 0; i < COUNT_OF(objects); i++) {
            objects[i] = molt_new(types[t]);
            ck_assert_uint_eq(pool_block_bytes(map_pool(objects[i])), 24);
            adjacent += i > 0 && objects[i] == objects[i - 1] + 24;
        }
        ck_assert_uint_gt(adjacent, 900);
        for (size_t i = 0; i < COUNT_OF(objects); i++)
            molt_release(objects[i]);
    }
}
END_TEST

/* No object shares a byte with another, and all is zero where others have been before. */
static void check_size(const molt_type *type, size_t extra, size_t alignment)
{
    enum { COUNT = 20 };
    char *objects[COUNT];
    size_t bytes = type->size + extra;
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < COUNT; i++) {
            objects[i] = molt_new_extra(type, extra);
            REQUIRE(objects[i] != NULL, "%zu bytes", bytes);
            REQUIRE((uintptr_t)objects[i] % alignment == 0, "%zu bytes at %p, not at %zu", bytes,
                    (void *)objects[i], alignment);
            REQUIRE(unit_is_zero(objects[i] + 8, bytes - 8), "%zu bytes: not zero", bytes);
            unit_fill(objects[i] + 8, bytes - 8, i);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            REQUIRE(unit_is_filled(objects[i] + 8, bytes - 8, i), "%zu bytes: overlap", bytes);
            REQUIRE(molt_typeof(objects[i]) == type && molt_refcount(objects[i]) == 1,
                    "%zu bytes: header", bytes);
            molt_release(objects[i]);
        }
    }
}

static molt_type sized_types[400];

START_TEST(test_sizes)
{
    for (size_t i = 0; i < COUNT_OF(sized_types); i++) {
        sized_types[i] = (molt_type){.name = "sized", .size = 8 + i};
        check_size(&sized_types[i], 0, 8);
        if (i % 16 == 0)
            check_size(&sized_types[i], i * i, 8);
    }
    for (size_t extra = 400; extra < 300000; extra += extra / 3)
        check_size(&sized_types[8], extra, 8);
}
END_TEST

/* One word, which is the header alone. */
START_TEST(test_size_of_a_header)
{
    static molt_type bare = {.name = "bare", .size = sizeof(molt_object)};
    void *objects[100];
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        objects[i] = molt_new(&bare);
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        ck_assert_ptr_eq(molt_typeof(objects[i]), &bare);
        molt_release(objects[i]);
        ck_assert(!molt_is_object(objects[i]));
    }
}
END_TEST

START_TEST(test_alignment)
{
    static const size_t sizes[] = {8, 24, 40, 100, 1000, 5000, 30000};
    static molt_type types[COUNT_OF(sizes)][10];
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (unsigned shift = 3; shift <= 12; shift++) {
            molt_type *type = &types[i][shift - 3];
            *type = (molt_type){.name = "aligned", .size = sizes[i], .alignment = 1u << shift};
            check_size(type, 0, (size_t)1 << shift);
            check_size(type, 50, (size_t)1 << shift);
            check_size(type, 40000, (size_t)1 << shift);
        }
}
END_TEST

/* ---- Large objects ---- */

static const size_t large_extras[] = {BLOCK_MAX - sizeof(struct node),
                                      BLOCK_MAX - sizeof(struct node) + 1, 100000, 3 << 20};

static struct node *large_new(const molt_type *type, int id, size_t extra)
{
    struct node *node = molt_new_extra(type, extra);
    REQUIRE(node != NULL, "no memory");
    REQUIRE(unit_is_zero((char *)node + 8, sizeof *node - 8 + extra), "not zero");
    node->id = id;
    memset(node + 1, 0xee, extra);
    return node;
}

START_TEST(test_large)
{
    for (size_t i = 0; i < COUNT_OF(large_extras); i++) {
        struct node *node = large_new(&telling_type, 1, large_extras[i]);
        ck_assert(molt_is_object(node));
        ck_assert(!molt_is_object((char *)node + 64));
        ck_assert(!molt_is_object((char *)node + 64 + 30000));
        ck_assert_ptr_eq(molt_typeof(node), &telling_type);
        molt_retain(node);
        ck_assert_uint_eq(molt_refcount(node), 2);
        molt_release(node);
        molt_release(node);
        ck_assert(!molt_is_object(node));
        ck_assert_str_eq(diary_read(), "f1 d1");
    }
}
END_TEST

/* An untracked object is an object, however large. */
START_TEST(test_large_untracked)
{
    for (size_t i = 0; i < COUNT_OF(large_extras); i++) {
        void *leaf = molt_new_extra(&leaf_type, large_extras[i]);
        ck_assert(molt_is_object(leaf));
        ck_assert(!molt_is_object((char *)leaf + 8));
        ck_assert_ptr_eq(molt_cast(leaf, &leaf_type), leaf);
        ck_assert(!molt_gc_is_tracked(leaf));
        molt_weak *weak = molt_weak_new(leaf, NULL, NULL);
        void *got = molt_weak_get(weak);
        ck_assert_ptr_eq(got, leaf);
        molt_release(got);
        molt_release(leaf);
        ck_assert_ptr_null(molt_weak_get(weak));
        ck_assert(!molt_is_object(leaf));
        molt_weak_free(weak);
    }
}
END_TEST

START_TEST(test_large_in_a_cycle)
{
    for (size_t i = 0; i < COUNT_OF(large_extras); i++)
        for (size_t j = 0; j < COUNT_OF(large_extras); j++) {
            struct node *large = large_new(&telling_type, 1, large_extras[i]);
            struct node *other = large_new(&telling_type, 2, large_extras[j]);
            struct node *small = node_new(&telling_type, 3, large, NULL);
            large->a = other;
            other->b = small;
            ck_assert_int_eq(molt_gc_collect((int)j % 3), 0);
            size_t before = disposed_nodes();
            molt_release(large);
            ck_assert_int_eq(molt_gc_collect(2), 3);
            ck_assert_uint_eq(disposed_nodes(), before + 3);
        }
}
END_TEST

/* Dying objects of all sizes wait for each other. */
START_TEST(test_large_in_a_dying_chain)
{
    struct node *tree = NULL;
    char expected[400] = "f20";
    for (int i = 1; i <= 20; i++) {
        struct node *next =
            large_new(&telling_type, i, i % 2 == 0 ? 0 : large_extras[(size_t)i % 4]);
        next->a = tree;
        next->b = node_take(&telling_type, 100 + i, NULL, NULL);
        tree = next;
    }
    for (int i = 19; i >= 1; i--)
        sprintf(expected + strlen(expected), " f%d", i);
    for (int i = 1; i <= 20; i++)
        sprintf(expected + strlen(expected), i == 1 ? " d1 f101 d101" : " d%d f%d d%d", i, 100 + i,
                100 + i);
    molt_release(tree);
    ck_assert_str_eq(diary_read(), expected);
}
END_TEST

/* ---- Counts ---- */

START_TEST(test_retain_and_release)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    ck_assert_uint_eq(molt_refcount(node), 1);
    for (size_t i = 2; i < 1000; i++) {
        ck_assert_ptr_eq(i % 2 == 0 ? molt_retain(node) : (molt_retain_slow(node), node), node);
        ck_assert_uint_eq(molt_refcount(node), i);
    }
    for (size_t i = 999; i > 1; i--) {
        if (i % 2 == 0)
            molt_release(node);
        else
            molt_release_slow(node);
        ck_assert_uint_eq(molt_refcount(node), i - 1);
    }
    ck_assert_str_eq(diary_read(), "");
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 d1");
}
END_TEST

START_TEST(test_null)
{
    void *slot = NULL;
    ck_assert_ptr_null(molt_retain(NULL));
    molt_release(NULL);
    molt_set(&slot, NULL);
    molt_clear(&slot);
    ck_assert_ptr_null(molt_take(&slot));
    ck_assert_uint_eq(molt_refcount(NULL), 0);
    molt_immortalize(NULL);
    ck_assert_ptr_null(molt_typeof(NULL));
    ck_assert_ptr_null(molt_cast(NULL, &node_type));
    ck_assert_uint_eq(molt_weak_count(NULL), 0);
    molt_weak_free(NULL);
    ck_assert_ptr_null(molt_weak_get(NULL));
    molt_gc_untrack(NULL);
    ck_assert(!molt_gc_is_finalized(NULL));
    ck_assert_uint_eq(molt_gc_referents(NULL, NULL, NULL), 0);
    ck_assert_uint_eq(molt_gc_referrers(NULL, NULL, NULL), 0);
}
END_TEST

START_TEST(test_set_take_clear)
{
    struct node *holder = node_take(&node_type, 0, NULL, NULL);
    struct node *one = node_take(&telling_type, 1, NULL, NULL);
    struct node *two = node_take(&telling_type, 2, NULL, NULL);
    molt_set(&holder->a, one);
    ck_assert_uint_eq(molt_refcount(one), 2);
    molt_set(&holder->a, one);
    ck_assert_uint_eq(molt_refcount(one), 2);
    molt_set(&holder->a, two);
    ck_assert_uint_eq(molt_refcount(one), 1);
    ck_assert_uint_eq(molt_refcount(two), 2);
    ck_assert_ptr_eq(molt_take(&holder->a), two);
    ck_assert_ptr_null(holder->a);
    ck_assert_uint_eq(molt_refcount(two), 2);
    holder->b = two;
    molt_clear(&holder->b);
    ck_assert_ptr_null(holder->b);
    ck_assert_uint_eq(molt_refcount(two), 1);
    ck_assert_str_eq(diary_read(), "");
}
END_TEST

static struct node *watched;

static void expect_new_value(struct node *node)
{
    diary_add(watched->a == NULL ? "empty" : watched->a == node ? "old" : "new");
}

/* A finalizer finds the field as it will be. */
START_TEST(test_field_is_set_before_the_release)
{
    watched = node_take(&node_type, 0, NULL, NULL);
    for (int i = 1; i <= 2; i++) {
        struct node *node = node_take(&telling_type, i, NULL, NULL);
        node->on_finalize = expect_new_value;
        molt_release(molt_take(&watched->a));
        watched->a = node;
        struct node *other = node_take(&node_type, 0, NULL, NULL);
        molt_set(&watched->a, i == 1 ? other : NULL);
        molt_release(other);
    }
    watched->a = node_take(&telling_type, 3, NULL, NULL);
    watched->a->on_finalize = expect_new_value;
    molt_clear(&watched->a);
    ck_assert_str_eq(diary_read(), "f1 new d1 f2 empty d2 f3 empty d3");
}
END_TEST

START_TEST(test_auto)
{
    {
        MOLT_AUTO struct node *node = node_take(&telling_type, 1, NULL, NULL);
        ck_assert_uint_eq(molt_refcount(node), 1);
    }
    ck_assert_str_eq(diary_read(), "f1 d1");
}
END_TEST

MOLT_TYPE(immortal_type, struct node, MOLT_REFS(struct node, a, b), .flags = MOLT_IMMORTAL);

START_TEST(test_immortal)
{
    struct node *node =
        _i == 0 ? node_take(&immortal_type, 1, NULL, NULL) : node_take(&node_type, 1, NULL, NULL);
    if (_i == 1)
        molt_immortalize(node);
    node->a = node_take(&telling_type, 2, NULL, NULL);
    node->b = molt_retain(node);
    ck_assert_uint_eq(molt_refcount(node), SIZE_MAX);
    for (int i = 0; i < 10; i++) {
        molt_release(node);
        molt_release_slow(node);
    }
    molt_retain_slow(node);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert(molt_is_object(node));
    ck_assert(molt_is_object(node->a));
    ck_assert_ptr_eq(molt_typeof(node), _i == 0 ? &immortal_type : &node_type);
    ck_assert_str_eq(diary_read(), "");
    molt_weak *weak = molt_weak_new(node, NULL, NULL);
    ck_assert_ptr_eq(molt_weak_get(weak), node);
    molt_weak_free(weak);
}
END_TEST

/* Every object of an immortal type, not only the first. */
START_TEST(test_immortal_type)
{
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(molt_refcount(molt_new(&immortal_type)), SIZE_MAX);
}
END_TEST

static void set_count(struct node *node, uint64_t count)
{
    uint64_t header = node->molt_base.molt_header;
    node->molt_base.molt_header = header_with(header, header_tag(header), (unsigned)count);
}

START_TEST(test_count_overflow)
{
    struct node *node = node_take(&telling_type, 1, NULL, NULL);
    node->a = node_take(&telling_type, 2, NULL, NULL);
    set_count(node, HEADER_COUNT_MAX - 2);
    molt_retain(node);
    molt_retain(node);
    ck_assert_uint_eq(molt_refcount(node), HEADER_COUNT_MAX);
    molt_release(node);
    ck_assert_uint_eq(molt_refcount(node), HEADER_COUNT_MAX - 1);
    for (int i = 0; i < 50; i++)
        molt_retain(node);
    ck_assert_uint_eq(molt_refcount(node), SIZE_MAX);
    for (int i = 0; i < 100; i++)
        _i == 0 ? molt_release(node) : molt_release_slow(node);
    for (int i = 0; i < 50; i++)
        molt_retain(node);
    ck_assert_uint_eq(molt_refcount(node), SIZE_MAX);
    ck_assert_ptr_eq(molt_typeof(node), &telling_type);
    ck_assert(molt_is_object(node));
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert(molt_is_object(node->a));
    ck_assert_str_eq(diary_read(), "");
}
END_TEST

/* ---- Asking what something is ---- */

START_TEST(test_cast)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    ck_assert_ptr_eq(molt_cast(node, &node_type), node);
    ck_assert_ptr_null(molt_cast(node, &telling_type));
    ck_assert_uint_eq(molt_refcount(node), 1);
    ck_assert_ptr_eq(molt_typeof(node), &node_type);
}
END_TEST

START_TEST(test_is_object)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL), local = {0};
    char *block = molt_malloc(sizeof *node), *run = molt_malloc(100000),
         *huge = molt_malloc(5 << 20);
    char *mapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(molt_is_object(node));
    const void *const others[] = {NULL,
                                  (char *)node + 1,
                                  (char *)node + 8,
                                  (char *)node + sizeof *node,
                                  block,
                                  block + 8,
                                  run,
                                  run + 4096,
                                  huge,
                                  huge + 4096,
                                  &local,
                                  &node_type,
                                  mapped,
                                  (void *)1,
                                  (void *)8,
                                  (void *)~(uintptr_t)7,
                                  (void *)set_count,
                                  (void *)0x7fffffffffffff00,
                                  (char *)node + (1 << 22)};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        REQUIRE(!molt_is_object(others[i]), "number %zu, %p", i, others[i]);
    for (unsigned shift = 16; shift < 63; shift++)
        ck_assert(!molt_is_object((void *)((uintptr_t)node ^ (uintptr_t)1 << shift)));
    molt_release(node);
    ck_assert(!molt_is_object(node));
}
END_TEST

/* What malloc gave never is an object, with whatever it is filled. */
START_TEST(test_is_object_of_a_copy)
{
    struct node *node = node_take(&node_type, 1, NULL, NULL);
    for (size_t size = sizeof *node; size < 4 << 20; size *= 4) {
        char *copy = molt_malloc(size);
        for (size_t at = 0; at + sizeof *node <= size && at < 1000; at += 8) {
            memcpy(copy + at, node, sizeof *node);
            ck_assert(!molt_is_object(copy + at));
        }
        molt_free(copy);
    }
}
END_TEST

START_TEST(test_is_object_before_there_are_any)
{
    int local = 0;
    ck_assert(!molt_is_object(&local));
    ck_assert(!molt_is_object(NULL));
    ck_assert(!molt_is_object((void *)0x12345678));
}
END_TEST

/* ---- Dying without recursion ---- */

static void *on_a_small_stack(void *(*function)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *result;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, unit_is_sanitized() ? 1 << 20 : 64 << 10);
    ck_assert_int_eq(pthread_create(&thread, &attributes, function, argument), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    return result;
}

static size_t many(void)
{
    return unit_is_sanitized() ? 1000000 : 10000000;
}

static unsigned long counted_disposals;

static void count_disposal(void *object)
{
    (void)object;
    counted_disposals++;
}

MOLT_TYPE(counted_type, struct node, MOLT_REFS(struct node, a, b), .dispose = count_disposal);

/* Through the first field, or both in turn. */
static void *long_list(void *way)
{
    struct node *list = NULL;
    for (size_t i = 0; i < many(); i++) {
        struct node *node = node_take(&counted_type, 0, NULL, NULL);
        if (way == NULL || i % 2 == 0)
            node->a = list;
        else
            node->b = list;
        list = node;
    }
    molt_release(list);
    return NULL;
}

START_TEST(test_long_list)
{
    on_a_small_stack(long_list, _i == 0 ? NULL : &counted_type);
    ck_assert_uint_eq(counted_disposals, many());
}
END_TEST

/* Objects without callbacks take a way of their own; each subtree but the last waits for a moment.
 */
static struct node *plain_tree(int depth)
{
    if (depth == 0)
        return NULL;
    struct node *left = plain_tree(depth - 1);
    return node_take(&node_type, 0, left, plain_tree(depth - 1));
}

START_TEST(test_tree_without_callbacks)
{
    molt_release(plain_tree(12));
    size_t before = unit_live_blocks();
    molt_gc_disable();
    for (int depth = 1; depth < 12; depth++)
        molt_release(plain_tree(depth));
    ck_assert_uint_le(unit_live_blocks(), before);
}
END_TEST

/* Another type, whose references lie elsewhere, so large at times that it has a block of its own.
 */
struct branch {
    MOLT_OBJECT;
    char more[48];
    void *left, *right;
};

MOLT_TYPE(branch_type, struct branch, MOLT_REFS(struct branch, left, right));

static void *mixed_tree(int depth)
{
    if (depth == 0)
        return NULL;
    void *left = mixed_tree(depth - 1), *right = mixed_tree(depth - 1);
    if (depth % 3 != 0)
        return node_take(&node_type, depth, left, right);
    struct branch *branch = molt_new_extra(&branch_type, depth % 2 == 0 ? 40000 : 0);
    memset(branch->more, 3, sizeof branch->more); /* odd, like the mark of a node that waits */
    branch->left = left;
    branch->right = right;
    return branch;
}

START_TEST(test_tree_of_several_types)
{
    molt_release(mixed_tree(8));
    size_t before = unit_live_blocks();
    molt_gc_disable();
    molt_release(mixed_tree(8));
    ck_assert_uint_le(unit_live_blocks(), before);
}
END_TEST

/* Each node of the spine still has a second child to see to when the first dies. */
static void *degenerate_tree(void *unused)
{
    struct node *tree = NULL;
    for (size_t i = 0; i < many() / 10; i++)
        tree = node_take(&counted_type, 0, tree, node_take(&counted_type, 0, NULL, NULL));
    molt_release(tree);
    return unused;
}

START_TEST(test_degenerate_tree)
{
    on_a_small_stack(degenerate_tree, NULL);
    ck_assert_uint_eq(counted_disposals, many() / 10 * 2);
}
END_TEST

static void *wide_array(void *unused)
{
    struct array *array = molt_new(&array8_type);
    array->length8 = many() / 10;
    array->items = molt_calloc(array->length8, sizeof *array->items);
    for (size_t i = 0; i < array->length8; i++)
        array->items[i] =
            node_take(&counted_type, 0, node_take(&counted_type, 1, NULL, NULL), NULL);
    molt_release(array);
    return unused;
}

START_TEST(test_wide_array)
{
    on_a_small_stack(wide_array, NULL);
    ck_assert_uint_eq(counted_disposals, many() / 10 * 2);
    ck_assert_uint_eq(freed_arrays, 1);
}
END_TEST

/* The same list as garbage: deep to the collector's eyes, too. */
static void *long_ring(void *unused)
{
    molt_gc_disable();
    struct node *first = node_take(&counted_type, 0, NULL, NULL), *last = first;
    for (size_t i = 1; i < many() / 10; i++)
        last = last->a = node_take(&counted_type, 0, NULL, NULL);
    molt_set(&last->a, first);
    REQUIRE(molt_gc_collect(2) == 0, "alive");
    molt_release(first);
    REQUIRE(molt_gc_collect(2) == (long)many() / 10, "garbage");
    return unused;
}

START_TEST(test_long_ring)
{
    on_a_small_stack(long_ring, NULL);
    ck_assert_uint_eq(counted_disposals, many() / 10);
}
END_TEST

/* Finalizers that let go of the next: the one place where dying nests, up to a limit. */
static void release_next(struct node *node)
{
    molt_release(molt_take(&node->b));
}

static struct node *chain_of_finalizers(int count)
{
    struct node *list = NULL;
    for (int i = 0; i < count; i++) {
        list = node_take(&telling_type, i, NULL, list);
        list->on_finalize = release_next;
    }
    return list;
}

static void *long_chain_of_finalizers(void *unused)
{
    molt_release(chain_of_finalizers(100000));
    return unused;
}

START_TEST(test_long_chain_of_finalizers)
{
    on_a_small_stack(long_chain_of_finalizers, NULL);
    ck_assert_uint_eq(disposed_nodes(), 100000);
}
END_TEST

/* The same with an object that has no callback between each two. */
static void *long_chain_with_plain_nodes(void *unused)
{
    struct node *list = NULL;
    molt_gc_disable(); /* no object becomes an old one, for which there is another way */
    for (int i = 0; i < 100000; i++) {
        list = node_take(&telling_type, i, NULL, node_take(&node_type, i, list, NULL));
        list->on_finalize = release_next;
    }
    molt_release(list);
    return unused;
}

START_TEST(test_long_chain_with_plain_nodes)
{
    on_a_small_stack(long_chain_with_plain_nodes, NULL);
    ck_assert_uint_eq(disposed_nodes(), 100000);
}
END_TEST

/* ---- The order of dying ---- */

static struct node *leaf(int id)
{
    return node_take(&telling_type, id, NULL, NULL);
}

START_TEST(test_depth_first_in_field_order)
{
    struct node *left = node_take(&telling_type, 2, leaf(3), leaf(4));
    struct node *right = node_take(&telling_type, 5, leaf(6), leaf(7));
    molt_release(node_take(&telling_type, 1, left, right));
    ck_assert_str_eq(diary_read(), "f1 f2 f3 d3 d2 f4 d4 d1 f5 f6 d6 d5 f7 d7");
}
END_TEST

static void release_tree(struct node *node)
{
    molt_release(plain_tree(3));
    diary_add("x%d", node->id);
}

/* What dies inside a finalizer leaves alone what waits outside, though it be of the same kind. */
START_TEST(test_death_inside_a_finalizer)
{
    struct node *first = leaf(1);
    first->on_finalize = release_tree;
    molt_release(node_take(&node_type, 0, first, leaf(2)));
    ck_assert_str_eq(diary_read(), "f1 x1 d1 f2 d2");
}
END_TEST

MOLT_TYPE(bare_type, struct node, .flags = MOLT_LEAF);

static struct node *kept_bare[2];

static void release_bare(void *object)
{
    (void)object;
    for (size_t i = 0; i < COUNT_OF(kept_bare); i++)
        molt_release(kept_bare[i]);
}

MOLT_TYPE(holding_type, struct node, MOLT_REFS(struct node, a), .dispose = release_bare);

/* Objects without any field that were put off lie on the stack while another one dies. Their pool
 * has shares, or they would not have waited. */
START_TEST(test_bare_objects_that_were_put_off)
{
    struct node *bare[3];
    for (size_t i = 0; i < COUNT_OF(bare); i++)
        bare[i] = node_take(&bare_type, 0, NULL, NULL);
    struct node *other = node_take(&bare_type, 0, NULL, NULL);
    molt_weak_free(molt_weak_new(other, NULL, NULL));
    kept_bare[0] = bare[1];
    kept_bare[1] = bare[2];
    molt_release(node_take(&holding_type, 0, bare[0], NULL));
    for (size_t i = 0; i < COUNT_OF(bare); i++)
        ck_assert(!molt_is_object(bare[i]));
    molt_release(other);
}
END_TEST

/* What another holds, too, stays. */
START_TEST(test_shared_part_stays)
{
    struct node *shared = leaf(9);
    molt_release(node_take(&telling_type, 1, molt_retain(shared), leaf(2)));
    ck_assert_str_eq(diary_read(), "f1 d1 f2 d2");
    ck_assert_uint_eq(molt_refcount(shared), 1);
    molt_release(node_take(&telling_type, 1, molt_retain(shared), shared));
    ck_assert_str_eq(diary_read(), "f1 d1 f9 d9");
}
END_TEST

/* The order of the declaration, not of the addresses; then the array, then what lies behind. */
struct ordered {
    MOLT_OBJECT;
    struct node *x, *y, *z;
    struct node **items;
    size_t length;
    struct node *rest[];
};

static void free_ordered(void *object)
{
    molt_free(((struct ordered *)object)->items);
    diary_add("ordered");
}

MOLT_TYPE(ordered_type, struct ordered, MOLT_REFS(struct ordered, z, x, y),
          MOLT_REF_ARRAY(struct ordered, items, length), .flags = MOLT_TRAILING_REFS,
          .dispose = free_ordered);

START_TEST(test_order_of_slots)
{
    struct ordered *ordered = molt_new_extra(&ordered_type, 16);
    ordered->x = leaf(1);
    ordered->y = leaf(2);
    ordered->z = leaf(3);
    ordered->length = 2;
    ordered->items = molt_calloc(2, sizeof *ordered->items);
    ordered->items[0] = leaf(4);
    ordered->items[1] = leaf(5);
    ordered->rest[0] = leaf(6);
    ordered->rest[1] = leaf(7);
    molt_release(ordered);
    ck_assert_str_eq(diary_read(), "f3 d3 f1 d1 f2 d2 f4 d4 f5 d5 f6 d6 ordered f7 d7");
}
END_TEST

/* ---- Finalizers ---- */

static struct node *saved;

static void save(struct node *node)
{
    ck_assert(molt_gc_is_finalized(node));
    ck_assert_uint_eq(molt_refcount(node), 1);
    ck_assert_ptr_nonnull(node->a);
    saved = molt_retain(node);
}

START_TEST(test_resurrection)
{
    struct node *node = node_take(&telling_type, 1, leaf(2), NULL);
    node->on_finalize = save;
    ck_assert(!molt_gc_is_finalized(node));
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1");
    ck_assert_ptr_eq(saved, node);
    ck_assert(molt_is_object(node) && molt_is_object(node->a));
    ck_assert_uint_eq(molt_refcount(node), 1);
    ck_assert(molt_gc_is_finalized(node));
    ck_assert(molt_gc_is_tracked(node));
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(node);
    ck_assert_str_eq(diary_read(), "d1 f2 d2");
}
END_TEST

/* The object comes back into the life of one that is dying itself. */
START_TEST(test_resurrection_in_a_dying_tree)
{
    struct node *middle = node_take(&telling_type, 2, leaf(3), NULL);
    middle->on_finalize = save;
    molt_release(node_take(&telling_type, 1, middle, leaf(4)));
    ck_assert_str_eq(diary_read(), "f1 f2 d1 f4 d4");
    molt_release(saved);
    ck_assert_str_eq(diary_read(), "d2 f3 d3");
}
END_TEST

static void release_saved(struct node *node)
{
    (void)node;
    molt_clear(&saved);
}

/* What a finalizer releases is gone when release returns. */
START_TEST(test_finalizer_releases)
{
    saved = node_take(&telling_type, 5, leaf(6), NULL);
    struct node *node = leaf(1);
    node->on_finalize = release_saved;
    molt_release(node_take(&telling_type, 0, node, leaf(2)));
    ck_assert_str_eq(diary_read(), "f0 f1 f5 d5 f6 d6 d1 d0 f2 d2");
}
END_TEST

static void use_everything(struct node *node)
{
    for (int i = 0; i < 1000; i++) {
        molt_set(&node->b, NULL);
        node->b = node_take(&node_type, 7, NULL, NULL);
        molt_set(&node->b->a, node->b);
    }
    ck_assert_int_ge(molt_gc_collect(2), 990);
    molt_set(&node->a, leaf(8));
    molt_release(node->a);
}

START_TEST(test_finalizer_allocates_and_collects)
{
    molt_gc_disable();
    struct node *node = leaf(1);
    node->on_finalize = use_everything;
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 f8 d8 d1");
    ck_assert_int_eq(molt_gc_collect(2), 1);
}
END_TEST

static void retain_and_release(struct node *node)
{
    for (int i = 0; i < 10; i++)
        molt_retain(node);
    for (int i = 0; i < 10; i++)
        molt_release(node);
}

START_TEST(test_finalizer_counts)
{
    struct node *node = leaf(1);
    node->on_finalize = retain_and_release;
    molt_release(node);
    ck_assert_str_eq(diary_read(), "f1 d1");
    ck_assert(!molt_is_object(node));
}
END_TEST

/* A finalizer that lets go of the object's own reference to itself. */
static void break_own_ring(struct node *node)
{
    molt_clear(&node->a);
}

START_TEST(test_finalizer_breaks_its_ring)
{
    struct node *node = leaf(1);
    node->on_finalize = break_own_ring;
    molt_set(&node->a, node);
    molt_release(node);
    ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert_str_eq(diary_read(), "f1 d1");
    ck_assert(!molt_is_object(node));
}
END_TEST

/* ---- Dispose and clear ---- */

static void dispose_and_release(void *object)
{
    struct node *node = object;
    ck_assert_ptr_null(node->a);
    ck_assert_ptr_null(node->b);
    molt_clear(&saved);
    diary_add("x%d", node->id);
}

MOLT_TYPE(disposing_type, struct node, MOLT_REFS(struct node, a, b),
          .dispose = dispose_and_release);

/* By count or by the collector; what dispose releases dies after it. */
START_TEST(test_dispose)
{
    saved = leaf(9);
    struct node *node = node_take(&disposing_type, 1, NULL, leaf(2));
    if (_i == 1)
        molt_set(&node->a, node);
    molt_release(node);
    if (_i == 1)
        ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert_str_eq(diary_read(), _i == 0 ? "x1 f2 d2 f9 d9" : "f2 d2 x1 f9 d9");
}
END_TEST

/* A clear callback that lets objects die: they do so after it. */
START_TEST(test_clear_callback)
{
    struct hidden *hidden = hidden_new();
    hidden->cell->items[0] = node_take(&telling_type, 1, leaf(2), NULL);
    hidden->cell->items[1] = leaf(3);
    hidden->shown = leaf(4);
    molt_release(hidden);
    ck_assert_uint_eq(clear_calls, 1);
    ck_assert_uint_eq(disposed_nodes(), 4);
    ck_assert_ptr_nonnull(strstr(diary_read(), "hidden"));
}
END_TEST

Suite *suite_object(void)
{
    Suite *suite = suite_create("object");
    TCase *types = tcase_create("types");
    tcase_set_timeout(types, 60);
    tcase_add_loop_test(types, test_list_of_references, 1, 2);
    tcase_add_loop_test(types, test_list_of_references, 16, 17);
    tcase_add_loop_test(types, test_bitmap, 0, 2);
    tcase_add_loop_test(types, test_array, 0, (int)COUNT_OF(array_types));
    tcase_add_test(types, test_array_beside_a_field);
    tcase_add_test(types, test_array_that_is_not_there);
    tcase_add_loop_test(types, test_trailing_references, 0, 15);
    tcase_add_test(types, test_extra_bytes_that_are_no_references);
    tcase_add_test(types, test_traverse_and_clear);
    tcase_add_test(types, test_traverse_in_a_cycle);
    tcase_add_loop_test(types, test_discard, 0, 2);
    tcase_add_test(types, test_discard_of_what_others_have);
    tcase_add_loop_test(types, test_reason, 0, (int)COUNT_OF(refused));
    tcase_add_test(types, test_reason_of_no_type);
    tcase_add_test(types, test_reason_of_a_long_name);
    tcase_add_loop_test(types, test_invalid_type, 0, (int)COUNT_OF(refused));
    tcase_add_test(types, test_no_type);
    tcase_add_test(types, test_too_many_types);
    tcase_add_test(types, test_no_memory_for_so_much);
    tcase_add_test(types, test_tracked_or_not);
    tcase_add_test(types, test_leaf_has_no_references);
    tcase_add_test(types, test_acyclic_releases_its_references);
    tcase_add_test(types, test_acyclic_hides_a_cycle);
    suite_add_tcase(suite, types);
    TCase *sizes = tcase_create("sizes");
    tcase_set_timeout(sizes, 60);
    tcase_add_test(sizes, test_24_bytes);
    tcase_add_test(sizes, test_sizes);
    tcase_add_test(sizes, test_size_of_a_header);
    tcase_add_test(sizes, test_alignment);
    tcase_add_test(sizes, test_large);
    tcase_add_test(sizes, test_large_untracked);
    tcase_add_test(sizes, test_large_in_a_cycle);
    tcase_add_test(sizes, test_large_in_a_dying_chain);
    suite_add_tcase(suite, sizes);
    TCase *counts = tcase_create("counts");
    tcase_add_test(counts, test_retain_and_release);
    tcase_add_test(counts, test_null);
    tcase_add_test(counts, test_set_take_clear);
    tcase_add_test(counts, test_field_is_set_before_the_release);
    tcase_add_test(counts, test_auto);
    tcase_add_loop_test(counts, test_immortal, 0, 2);
    tcase_add_test(counts, test_immortal_type);
    tcase_add_loop_test(counts, test_count_overflow, 0, 2);
    tcase_add_test(counts, test_cast);
    tcase_add_test(counts, test_is_object);
    tcase_add_test(counts, test_is_object_of_a_copy);
    tcase_add_test(counts, test_is_object_before_there_are_any);
    suite_add_tcase(suite, counts);
    TCase *deep = tcase_create("deep");
    tcase_set_timeout(deep, 60);
    tcase_add_loop_test(deep, test_long_list, 0, 2);
    tcase_add_test(deep, test_tree_without_callbacks);
    tcase_add_test(deep, test_tree_of_several_types);
    tcase_add_test(deep, test_degenerate_tree);
    tcase_add_test(deep, test_wide_array);
    tcase_add_test(deep, test_long_ring);
    tcase_add_test(deep, test_long_chain_of_finalizers);
    tcase_add_test(deep, test_long_chain_with_plain_nodes);
    suite_add_tcase(suite, deep);
    TCase *death = tcase_create("death");
    tcase_add_test(death, test_depth_first_in_field_order);
    tcase_add_test(death, test_death_inside_a_finalizer);
    tcase_add_test(death, test_bare_objects_that_were_put_off);
    tcase_add_test(death, test_shared_part_stays);
    tcase_add_test(death, test_order_of_slots);
    tcase_add_test(death, test_resurrection);
    tcase_add_test(death, test_resurrection_in_a_dying_tree);
    tcase_add_test(death, test_finalizer_releases);
    tcase_add_test(death, test_finalizer_allocates_and_collects);
    tcase_add_test(death, test_finalizer_counts);
    tcase_add_test(death, test_finalizer_breaks_its_ring);
    tcase_add_loop_test(death, test_dispose, 0, 2);
    tcase_add_test(death, test_clear_callback);
    suite_add_tcase(suite, death);
    return suite;
}
