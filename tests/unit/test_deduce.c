/* test_deduce.c: numbers of blocks, and of references, where they are not the usual ones. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "gc/gc_refs.h"
#include "gc/numbering.h"

#include <unistd.h>

struct table {
    MOLT_OBJECT;
    struct node *at[];
};

MOLT_TYPE(table_type, struct table, .flags = MOLT_TRAILING_REFS);

static struct table *table_new(size_t count)
{
    struct table *table = molt_new_extra(&table_type, count * sizeof(void *));
    ck_assert_ptr_nonnull(table);
    return table;
}

/* ---- Numbers of references ---- */

/* All numbers around those that do not fit into a byte any more. */
static const int counts[] = {1,   2,   126, 127, 128, 129, 254,   255,   256,   257,
                             383, 384, 385, 511, 512, 513, 65535, 65536, 65537, 300000};

/* `table` and a node refer to each other, the table often; what is made first lies first. */
static struct node *make_circle(int count, bool node_first)
{
    struct node *node = node_first ? node_new(&node_type, 0, NULL, NULL) : NULL;
    struct table *table = table_new((size_t)count);
    if (!node_first)
        node = node_new(&node_type, 0, NULL, NULL);
    for (int i = 0; i < count; i++)
        molt_set(&table->at[i], node);
    node->a = (struct node *)(void *)table;
    return node;
}

START_TEST(test_many_references)
{
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (int first = 0; first < 2; first++) {
            struct node *node = make_circle(counts[i], first != 0);
            ck_assert_uint_eq(molt_refcount(node), (size_t)counts[i] + 1);
            ck_assert_int_eq(molt_gc_collect(2), 0);
            ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 2);
            molt_release(node);
            ck_assert_int_eq(molt_gc_collect(2), 2);
        }
}
END_TEST

/* References from outside, as many. */
START_TEST(test_many_references_from_outside)
{
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct node *node = ring_new(&node_type, 0, 2);
        for (int j = 1; j < counts[i]; j++)
            molt_retain(node);
        ck_assert_int_eq(molt_gc_collect(2), 0);
        for (int j = 0; j < counts[i]; j++)
            molt_release(node);
        ck_assert_int_eq(molt_gc_collect(2), 2);
    }
}
END_TEST

/* What a collection has noted of an object is not there in the next one. */
START_TEST(test_many_references_come_and_go)
{
    struct node *node = make_circle(129, _i != 0);
    for (int i = 0; i < 300; i++)
        molt_retain(node);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    for (int i = 0; i < 301; i++)
        molt_release(node);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

/* An immortal object's count is above any number of references. */
START_TEST(test_many_references_to_an_immortal)
{
    struct node *node = make_circle(1000, _i != 0);
    molt_immortalize(node);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 2);
}
END_TEST

static void collect_all(void *unused)
{
    (void)unused;
    molt_gc_collect(2);
}

/* Fields that hold no counted reference, also so many that a byte would be 0 again. */
START_TEST(test_many_fields_without_a_reference)
{
    struct node *neighbour = node_new(&node_type, 0, NULL, NULL); /* all others are like it */
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (int first = 0; first < 2; first++) {
            struct node *node = make_circle(1, first != 0);
            struct table *wrong = table_new((size_t)counts[i]);
            for (int j = 0; j < counts[i]; j++)
                wrong->at[j] = node;
            molt_release(node);
            unit_expect_error(collect_all, NULL,
                              "object %p (struct node): %d more fields refer to it than it has "
                              "references; ",
                              (void *)node, counts[i]);
            molt_gc_untrack(wrong);
            ck_assert_int_eq(molt_gc_collect(2), 2);
            for (int j = 0; j < counts[i]; j++)
                wrong->at[j] = NULL;
            molt_release(wrong);
        }
    molt_release(neighbour);
}
END_TEST

/* The same where all of them are found before the object itself. */
START_TEST(test_many_fields_of_neighbours_without_a_reference)
{
    enum { HELD = 100 };
    struct node *neighbours[300], *node;
    for (size_t i = 0; i < COUNT_OF(neighbours); i++)
        neighbours[i] = node_new(&node_type, 0, NULL, NULL);
    node = node_new(&node_type, 0, NULL, NULL);
    ck_assert(node > neighbours[COUNT_OF(neighbours) - 1]);
    for (size_t i = 1; i < HELD; i++)
        molt_retain(node);
    for (size_t i = 0; i < COUNT_OF(neighbours); i++) {
        neighbours[i]->a = node;
        if (i % 8 == 0 && i > HELD)
            unit_expect_error(collect_all, NULL,
                              "object %p (struct node): %zu more fields refer to it than it has "
                              "references; %p (struct node) +8 and %zu more fields refer to it\n",
                              (void *)node, i + 1 - HELD, (void *)neighbours[0], i);
    }
    for (size_t i = 0; i < COUNT_OF(neighbours); i++)
        neighbours[i]->a = NULL;
}
END_TEST

/* ---- Leaves ---- */

static molt_type plain_type = {.name = "plain", .size = 64, .flags = MOLT_LEAF};

/* An object is no leaf because its last reference leads to none, in whatever order. */
START_TEST(test_near_child_beside_one_that_takes_no_part)
{
    void *plain = molt_new(&plain_type);
    struct node *others[4];
    for (int i = 0; i < 4; i++) {
        struct node *child = node_take(&node_type, 0, NULL, NULL);
        others[i] =
            node_take(&node_type, 0, i % 2 == 0 ? child : plain, i % 2 == 0 ? plain : child);
        molt_retain(plain);
    }
    molt_release(plain);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert(molt_is_object(i % 2 == 0 ? others[i]->a : others[i]->b));
        molt_release(others[i]);
    }
    ck_assert(!molt_is_object(plain));
}
END_TEST

/* ---- NULL ---- */

static int tell_null(void *node, molt_visit *visit, void *arg)
{
    (void)node;
    return visit(NULL, arg);
}

static void clear_nothing(void *node)
{
    (void)node;
}

MOLT_TYPE(telling_null_type, struct node, MOLT_REFS(struct node, a), .traverse = tell_null,
          .clear = clear_nothing);

/* A traverse callback may tell NULL: it means nothing, also not the first block of all. */
START_TEST(test_traverse_tells_null)
{
    struct node *kept = node_new(&node_type, 0, NULL, NULL);
    struct node *garbage = molt_new(&telling_null_type);
    garbage->a = molt_retain(garbage);
    molt_release(garbage);
    ck_assert_int_eq(molt_gc_collect(2), 1);
    ck_assert(molt_is_object(kept));
    garbage = molt_new(&telling_null_type);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_gc_referents(garbage, NULL, NULL), 0);
    ck_assert_int_eq(molt_gc_audit(STDERR_FILENO), 0);
    molt_release(garbage);
    molt_release(kept);
}
END_TEST

/* ---- Far targets ---- */

enum { TABLES = 2000, EACH = 200 };

/* Tables in many pools that refer to each other, to the next one and wherever a multiple of their
 * number leads; the first. */
static struct table *make_dense(void)
{
    static struct table *tables[TABLES];
    for (unsigned i = 0; i < TABLES; i++)
        tables[i] = table_new(EACH);
    for (unsigned i = 0; i < TABLES; i++)
        for (unsigned j = 0; j < EACH; j++)
            molt_set(&tables[i]->at[j], tables[j == 0 ? (i + 1) % TABLES : (i + 1) * j % TABLES]);
    for (unsigned i = 1; i < TABLES; i++)
        molt_release(tables[i]);
    return tables[0];
}

START_TEST(test_dense_graph)
{
    struct table *first = make_dense();
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), TABLES);
    molt_release(first);
    ck_assert_int_eq(molt_gc_collect(2), TABLES);
}
END_TEST

/* A ring through all pools, one after the other. */
START_TEST(test_far_ring)
{
    static struct node *nodes[30000];
    const size_t step = 7919; /* prime to their number */
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_new(&node_type, 0, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        molt_set(&nodes[i]->b, nodes[(i + step) % COUNT_OF(nodes)]);
    for (size_t i = 1; i < COUNT_OF(nodes); i++)
        molt_release(nodes[i]);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(nodes[0]);
    ck_assert_int_eq(molt_gc_collect(2), (long)COUNT_OF(nodes));
}
END_TEST

/* ---- Numbers of blocks ---- */

enum { POOLS = 24 };

static struct gc_table *tables[POOLS];

/* Objects until there are so many tables. */
static struct table *fill_pools(void)
{
    struct table *all = table_new(POOLS * POOL_BYTES / sizeof(struct node));
    size_t count = 0, made = 0;
    while (count < POOLS) {
        struct node *node = all->at[made++] = node_take(&node_type, 0, NULL, NULL);
        struct gc_table *table = gc_table_of(node, node->molt_base.molt_header);
        if (count == 0 || tables[count - 1] != table)
            tables[count++] = table;
    }
    return all;
}

static bool takes_part(const struct gc_table *table, unsigned step, unsigned from)
{
    for (unsigned i = from; i < POOLS; i += step)
        if (tables[i] == table)
            return true;
    return false;
}

/* Each block has its own number, from each table's first on, whichever pools take part. */
START_TEST(test_numbers)
{
    struct table *all = fill_pools();
    for (unsigned step = 1; step <= 8; step++)
        for (unsigned from = 0; from < step; from++) {
            for (unsigned i = from; i < POOLS; i += step)
                tables[i]->next = i + step < POOLS ? tables[i + step] : NULL;
            ck_assert(numbering_begin(tables[from]));
            for (size_t i = 0; all->at[i] != NULL; i++) {
                struct gc_table *table = gc_table_of(all->at[i], all->at[i]->molt_base.molt_header);
                struct numbered_pool pool = numbering_pool(all->at[i]);
                size_t number = numbering_of(all->at[i]);
                if (!takes_part(table, step, from)) {
                    REQUIRE(number == NUMBER_NONE && pool.start == 1, "block %zu takes part", i);
                    continue;
                }
                REQUIRE(number < gc_refs.count, "block %zu: number %zu", i, number);
                REQUIRE(step > 1 || numbering_entry((uintptr_t)all->at[i]) != NULL,
                        "block %zu: no entry", i);
                REQUIRE(gc_refs.numbers[number]++ == 0, "block %zu: number %zu again", i, number);
                REQUIRE(number ==
                            numbering_of_table(table).first + gc_table_index(table, all->at[i]),
                        "block %zu: number %zu, by its table another", i, number);
                REQUIRE(numbered_pool_has(&pool, all->at[i]), "block %zu: not in its pool", i);
                REQUIRE(pool.first + numbered_pool_index(&pool, all->at[i]) == number,
                        "block %zu: number %zu, by its pool another", i, number);
            }
            numbering_end(tables[from]);
        }
    molt_release(all);
}
END_TEST

START_TEST(test_numbers_of_large_objects)
{
    struct table *small = table_new(2), *large[3];
    struct gc_table *first = NULL;
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        large[i] = table_new((size_t)10000 << (4 * i));
        struct gc_table *table = gc_table_of(large[i], large[i]->molt_base.molt_header);
        table->next = first;
        first = i < 2 ? table : first;
    }
    ck_assert(numbering_begin(first));
    ck_assert_uint_eq(numbering_of(large[1]), 0);
    ck_assert_uint_eq(numbering_of(large[0]), 64);
    ck_assert(numbering_of(large[2]) == NUMBER_NONE && numbering_of(small) == NUMBER_NONE);
    ck_assert_uint_eq(numbering_pool(large[0]).start, 1);
    ck_assert_uint_eq(numbering_pool(small).start, 1);
    numbering_end(first);
    for (size_t i = 0; i < COUNT_OF(large); i++)
        molt_release(large[i]);
    molt_release(small);
}
END_TEST

Suite *suite_deduce(void)
{
    Suite *suite = suite_create("deduce");
    TCase *references = tcase_create("references");
    tcase_add_test(references, test_many_references);
    tcase_add_test(references, test_many_references_from_outside);
    tcase_add_loop_test(references, test_many_references_come_and_go, 0, 2);
    tcase_add_loop_test(references, test_many_references_to_an_immortal, 0, 2);
    tcase_add_test(references, test_many_fields_without_a_reference);
    tcase_add_test(references, test_many_fields_of_neighbours_without_a_reference);
    suite_add_tcase(suite, references);

    TCase *leaves = tcase_create("leaves");
    tcase_add_test(leaves, test_near_child_beside_one_that_takes_no_part);
    suite_add_tcase(suite, leaves);

    tcase_add_test(leaves, test_traverse_tells_null);

    TCase *distant = tcase_create("far");
    tcase_add_test(distant, test_dense_graph);
    tcase_add_test(distant, test_far_ring);
    suite_add_tcase(suite, distant);

    TCase *numbers = tcase_create("numbers");
    tcase_set_timeout(numbers, 60);
    tcase_add_test(numbers, test_numbers);
    tcase_add_test(numbers, test_numbers_of_large_objects);
    suite_add_tcase(suite, numbers);
    return suite;
}
