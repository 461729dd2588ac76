/* test_reach.c: which blocks can be reached, from words that the test names itself. */
#include "suites.h"
#include "unit.h"

#include "alloc/heap.h"
#include "alloc/map.h"
#include "alloc/remote.h"
#include "molt.h"
#include "molt_object.h"
#include "profile/reach.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static struct reach reach;

static void begin(void)
{
    ck_assert(leak_hooks.lock());
    ck_assert(census_lock());
    ck_assert(reach_begin(&reach));
}

static void end(void)
{
    reach_end(&reach);
    census_unlock();
    leak_hooks.unlock();
}

/* Looks with these words, the last of which is NULL, as roots. */
static void look(void *const *roots)
{
    begin();
    for (; *roots != NULL; roots++)
        reach_from_word(&reach, (uintptr_t)*roots);
    reach_deduce(&reach);
}

static void look_from(void *root)
{
    look((void *[]){root, NULL});
}

static void expect(const void *p, enum reach_state state, const char *what)
{
    REQUIRE(reach_state(&reach, p) == state, "%s: %d, wanted %d", what, (int)reach_state(&reach, p),
            (int)state);
}

/* ---- Pointers ---- */

static const size_t sizes[] = {8,    16,    24,    64,      500,     1000,    4096,
                               5000, 32768, 40000, 1 << 20, 3 << 20, 20 << 20};

START_TEST(test_into_a_block_of_any_kind)
{
    char *block = molt_calloc(1, sizes[_i]), *other = molt_calloc(1, sizes[_i]);
    size_t bytes = molt_usable_size(block);
    look_from(block);
    expect(block, REACH_BY_START, "by its start");
    expect(other, REACH_DIRECT, "by nothing");
    end();
    look_from(block + bytes / 2);
    expect(block, REACH_BY_INSIDE, "by its middle");
    end();
    look_from(block + bytes - 1);
    expect(block, REACH_BY_INSIDE, "by its last byte");
    end();
    look((void *[]){block + 1, block, NULL});
    expect(block, REACH_BY_START, "by both");
    end();
    molt_free(other);
    look_from(block + bytes);
    expect(block, REACH_DIRECT, "by what lies behind it");
    end();
    look_from(block - 1);
    expect(block, REACH_DIRECT, "by what lies before it");
    end();
    molt_free(block);
    look_from(block);
    expect(block, REACH_NO_BLOCK, "after its free");
    end();
}
END_TEST

/* A word at any place of a block that is scanned. */
START_TEST(test_from_a_block_of_any_kind)
{
    char **block = molt_calloc(1, sizes[_i]);
    size_t words = molt_usable_size(block) / sizeof *block;
    size_t places[] = {0, words / 2, words - 1};
    char *target = molt_malloc(48);
    for (unsigned n = 0; n < COUNT_OF(places); n++) {
        block[places[n]] = target;
        look_from(block);
        expect(target, REACH_BY_START, "from the block");
        end();
        look_from(NULL);
        expect(block, REACH_DIRECT, "without roots");
        expect(target, REACH_THROUGH, "from a leaked block");
        end();
        block[places[n]] = NULL;
    }
    look_from(block);
    expect(target, REACH_DIRECT, "when the word is gone");
    end();
}
END_TEST

/* ---- Shapes ---- */

struct node {
    struct node *next, *other;
    char rest[32];
};

static struct node *make_node(struct node *next)
{
    struct node *node = molt_calloc(1, sizeof *node);
    node->next = next;
    return node;
}

START_TEST(test_lists_rings_and_trees)
{
    struct node *c = make_node(NULL), *b = make_node(c), *a = make_node(b);
    struct node *ring_a = make_node(NULL), *ring_b = make_node(ring_a);
    struct node *self = make_node(NULL);
    ring_a->next = ring_b;
    self->next = self;
    look_from(NULL);
    expect(a, REACH_DIRECT, "the list's first");
    expect(b, REACH_THROUGH, "its second");
    expect(c, REACH_THROUGH, "its third");
    ck_assert_int_eq(reach_state(&reach, ring_a) + reach_state(&reach, ring_b),
                     REACH_DIRECT + REACH_THROUGH);
    expect(self, REACH_DIRECT, "a ring of one");
    end();
    look_from(b);
    expect(a, REACH_DIRECT, "before the root");
    expect(b, REACH_BY_START, "the root");
    expect(c, REACH_BY_START, "behind the root");
    end();
}
END_TEST

/* Rings that lead to rings: whichever lies first, the one that nothing leads to is direct. */
START_TEST(test_a_ring_that_leads_to_a_ring)
{
    struct node *nodes[4];
    for (unsigned n = 0; n < COUNT_OF(nodes); n++)
        nodes[n] = make_node(NULL);
    for (unsigned first = 0; first < 2; first++) {
        struct node **from = nodes + 2 * first, **to = nodes + 2 - 2 * first;
        from[0]->next = from[1];
        from[1]->next = from[0];
        to[0]->next = to[1];
        to[1]->next = to[0];
        from[1]->other = to[1];
        to[1]->other = NULL;
        look_from(NULL);
        ck_assert_int_eq(reach_state(&reach, from[0]) + reach_state(&reach, from[1]),
                         REACH_DIRECT + REACH_THROUGH);
        expect(to[0], REACH_THROUGH, "the ring that is led to");
        expect(to[1], REACH_THROUGH, "the ring that is led to");
        end();
    }
}
END_TEST

enum { LONG = 300000 };

START_TEST(test_a_long_list_and_a_wide_table)
{
    struct node *list = NULL;
    struct node **table = molt_calloc(LONG, sizeof *table);
    for (unsigned n = 0; n < LONG; n++) {
        list = make_node(list);
        table[n] = make_node(make_node(NULL));
    }
    look((void *[]){list, table, NULL});
    for (struct node *node = list; node != NULL; node = node->next)
        expect(node, REACH_BY_START, "the list");
    for (unsigned n = 0; n < LONG; n++) {
        expect(table[n], REACH_BY_START, "the table");
        expect(table[n]->next, REACH_BY_START, "what the table's nodes lead to");
    }
    end();
    look_from(NULL);
    expect(list, REACH_DIRECT, "the list");
    expect(table, REACH_DIRECT, "the table");
    for (unsigned n = 0; n < LONG; n++)
        expect(table[n]->next, REACH_THROUGH, "what the table's nodes lead to");
    end();
}
END_TEST

/* ---- Free blocks lead nowhere ---- */

static void *free_it(void *block)
{
    molt_free(block);
    return NULL;
}

/* `freed`, whose second word leads to the target, is free: nothing is reached by it. */
static void expect_free(void *freed, const void *target, const char *where)
{
    look_from(freed);
    expect(freed, REACH_NO_BLOCK, where);
    REQUIRE(reach_state(&reach, target) >= REACH_DIRECT, "a block leads on, %s", where);
    end();
}

static void **make_leading_to(void *target)
{
    void **block = molt_calloc(1, 512);
    block[1] = target;
    return block;
}

struct keeper {
    pthread_barrier_t freed, done;
    void *block;
};

/* Keeps the block in its outbox. */
static void *keep_in_outbox(void *argument)
{
    struct keeper *keeper = argument;
    molt_free(molt_malloc(1));
    molt_free(keeper->block);
    pthread_barrier_wait(&keeper->freed);
    pthread_barrier_wait(&keeper->done);
    return NULL;
}

static void expect_free_in_outbox(void *target)
{
    struct keeper keeper = {.block = make_leading_to(target)};
    pthread_t thread;
    pthread_barrier_init(&keeper.freed, NULL, 2);
    pthread_barrier_init(&keeper.done, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_in_outbox, &keeper), 0);
    pthread_barrier_wait(&keeper.freed);
    ck_assert_ptr_null(remote_first(map_pool(keeper.block)));
    expect_free(keeper.block, target, "in an outbox");
    pthread_barrier_wait(&keeper.done);
    pthread_join(thread, NULL);
}

START_TEST(test_free_blocks_wherever_they_wait)
{
    enum { COUNT = POOL_BYTES / 512 };
    void *target = molt_malloc(100), **blocks[COUNT + 1];
    void **first = make_leading_to(target), **more = make_leading_to(target);
    molt_free(first);
    expect_free(first, target, "in the list of first blocks");
    molt_free(more);
    unit_skip_starts();
    for (unsigned n = 0; n <= COUNT; n++)
        blocks[n] = make_leading_to(target);
    ck_assert_int_eq(pool_state(map_pool(blocks[0])), POOL_FULL);
    molt_free(blocks[0]);
    expect_free(blocks[0], target, "in the list of a FULL pool");
    for (unsigned n = 1; n < COUNT / 2; n++)
        molt_free(blocks[n]);
    expect_free(blocks[1], target, "in the list of a PARTIAL pool");
    void **active = make_leading_to(target);
    molt_free(active);
    expect_free(active, target, "in the list of an ACTIVE pool");
    unit_in_thread(free_it, blocks[COUNT - 1]);
    ck_assert_ptr_nonnull(remote_first(map_pool(blocks[COUNT - 1])));
    expect_free(blocks[COUNT - 1], target, "on its way to its owner");
    expect_free_in_outbox(target);
    molt_trim(0);
    ck_assert_uint_ne(pool_holes(map_pool(blocks[0])), 0);
    expect_free(blocks[1], target, "in a hole");
}
END_TEST

/* A freed run that waits to be used again, and a freed huge block. */
START_TEST(test_free_runs_and_huge_blocks)
{
    void *target = molt_malloc(100), **run = molt_calloc(1, 40000),
         **huge = molt_calloc(1, 4 << 20);
    run[1] = huge[1] = target;
    molt_free(run);
    molt_free(huge);
    expect_free(run, target, "a run");
    expect_free(huge, target, "a huge block");
}
END_TEST

/* ---- What cannot be read ---- */

START_TEST(test_pages_that_cannot_be_read)
{
    size_t page = os_page_bytes();
    for (size_t bytes = 4 * page; bytes <= 1024 * page; bytes *= 16) {
        char *block = molt_aligned_alloc(page, bytes), *before = molt_malloc(10);
        char *after = molt_malloc(10);
        memset(block, 0, bytes);
        memcpy(block + page - sizeof before, &before, sizeof before);
        memcpy(block + 3 * page, &after, sizeof after);
        ck_assert_int_eq(mprotect(block + page, 2 * page, PROT_NONE), 0);
        look_from(block);
        expect(before, REACH_BY_START, "before the pages");
        expect(after, REACH_BY_START, "behind the pages");
        end();
        ck_assert_int_eq(mprotect(block + page, 2 * page, PROT_READ | PROT_WRITE), 0);
    }
}
END_TEST

/* ---- Objects ---- */

struct item {
    MOLT_OBJECT;
    struct item *next;
    char *text;
    void **array;
    size_t length;
};
MOLT_TYPE(item_type, struct item, MOLT_REFS(struct item, next),
          MOLT_REF_ARRAY(struct item, array, length));

START_TEST(test_objects)
{
    struct item *item = molt_new(&item_type), *next = molt_new(&item_type);
    struct item *in_array = molt_new(&item_type), *alone = molt_new(&item_type);
    item->next = next;
    item->text = molt_malloc(30);
    item->array = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    item->array[0] = in_array;
    item->length = 1;
    look_from(item);
    expect(item, REACH_BY_START, "the root");
    expect(next, REACH_BY_START, "by a field");
    expect(item->text, REACH_BY_START, "a block that the object owns");
    expect(in_array, REACH_BY_START, "by an array in memory that is not scanned");
    expect(alone, REACH_DIRECT, "by nothing");
    end();
    item->length = 0;
    look_from(item);
    expect(in_array, REACH_DIRECT, "when the array has no elements");
    end();
}
END_TEST

/* The library links all large objects; that makes none of them reachable. */
START_TEST(test_large_objects)
{
    size_t extra[] = {40000, 4 << 20};
    struct item *items[2 * COUNT_OF(extra)];
    for (unsigned n = 0; n < COUNT_OF(items); n++) {
        items[n] = molt_new_extra(&item_type, extra[n % COUNT_OF(extra)]);
        items[n]->text = molt_malloc(30);
    }
    look_from(items[0]);
    expect(items[0], REACH_BY_START, "the root");
    expect(items[0]->text, REACH_BY_START, "what it owns");
    for (unsigned n = 1; n < COUNT_OF(items); n++) {
        expect(items[n], REACH_DIRECT, "another");
        expect(items[n]->text, REACH_THROUGH, "what it owns");
    }
    end();
}
END_TEST

/* ---- Refusals ---- */

START_TEST(test_without_memory)
{
    ck_assert_ptr_nonnull(molt_new(&item_type));
    for (unsigned long nth = 1; nth <= 3; nth++) {
        ck_assert(leak_hooks.lock());
        ck_assert(census_lock());
        os_fail(nth, false);
        ck_assert(!reach_begin(&reach));
        os_fail(0, false);
        end();
    }
}
END_TEST

Suite *suite_reach(void)
{
    Suite *suite = suite_create("reach");
    TCase *tests = tcase_create("reach");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_into_a_block_of_any_kind, 0, COUNT_OF(sizes));
    tcase_add_loop_test(tests, test_from_a_block_of_any_kind, 0, COUNT_OF(sizes));
    tcase_add_test(tests, test_lists_rings_and_trees);
    tcase_add_test(tests, test_a_ring_that_leads_to_a_ring);
    tcase_add_test(tests, test_a_long_list_and_a_wide_table);
    tcase_add_test(tests, test_free_blocks_wherever_they_wait);
    tcase_add_test(tests, test_free_runs_and_huge_blocks);
    tcase_add_test(tests, test_pages_that_cannot_be_read);
    tcase_add_test(tests, test_objects);
    tcase_add_test(tests, test_large_objects);
    tcase_add_test(tests, test_without_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
