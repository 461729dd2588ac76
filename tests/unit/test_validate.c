/* test_validate.c: what a collection relies on, damaged on purpose, one thing at a time: debug
 * builds say what it is. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "gc/gc_refs.h"
#include "gc/incremental.h"
#include "gc/numbering.h"
#include "gc/validate.h" // IN_VALIDATE
#include "object/header.h"
#include "object/gc_table.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Else says that the test is skipped. */
static bool validates(const char *test)
{
    if (!IN_VALIDATE)
        printf("skipped %s: only debug builds validate\n", test);
    return IN_VALIDATE;
}

static void set_option(const char *name, const char *value)
{
    ck_assert_int_eq(molt_ctl(name, NULL, NULL, value, strlen(value)), 0);
}

/* ---- Between collections ---- */

static struct node *node;      /* live; its age is that of the damage */
static struct gc_table *table; /* … and its table */

static void set_bit(enum gc_bit bit)
{
    gc_table_set(table, bit, gc_table_index(table, node));
}

static void set_old(void)
{
    set_bit(GC_OLD);
}

static void set_old_where_it_died(void)
{
    molt_release(node);
    set_bit(GC_OLD);
}

static void set_old_header(void)
{
    header_set(node, header_of(node) | HEADER_OLD);
}

static void set_frozen(void)
{
    set_bit(GC_FROZEN);
}

static void set_middle(void)
{
    set_bit(GC_MIDDLE);
}

/* No pool of nodes has so many that the last bit is one's. */
static void set_last(enum gc_bit bit)
{
    gc_table_set(table, bit, table->words * 64u - 1);
}

static void set_old_behind_the_last(void)
{
    set_last(GC_OLD);
}

static void leave_young(void)
{
    link_remove(&table->young);
}

static void condemn(void)
{
    header_set(node, header_with_tag(header_of(node), TAG_CONDEMNED));
}

static void break_all(void)
{
    table->all.prev = &table->all;
}

static void break_young(void)
{
    table->young.prev = &table->young;
}

static void cut_young(void)
{
    table->young.next = NULL;
}

static void break_middle(void)
{
    gc_table_middle.prev = &gc_table_middle;
}

static void cut_stale(void)
{
    ring_add(&gc_table_stale, &table->stale);
    gc_table_stale.next = gc_table_stale.prev = &gc_table_stale;
}

static void lead_elsewhere(void)
{
    table->pool->gc_table = NULL;
}

static void number(void)
{
    table->numbered = 1;
}

static void gather(void)
{
    table->is_gathered = true;
}

static void make_due(void)
{
    set_bit(GC_DUE);
}

enum age { YOUNG, MIDDLE, OLD };

#define DOES_HARM false
#define NO_HARM true /* a collection that does not look goes on */

static const struct damage {
    void (*damage)(void);
    enum age age;
    int generation; /* that is collected */
    bool is_harmless;
    const char *said;
} damages[] = {
    {set_old, YOUNG, 0, NO_HARM, "(struct node) counts as old, and its header says that it is not"},
    {set_old_where_it_died, OLD, 2, NO_HARM, "counts as old, and its header says that it is not"},
    {set_old_header, YOUNG, 0, NO_HARM, "(struct node) is old by its header, and counts as young"},
    {set_frozen, YOUNG, 0, NO_HARM, "(struct node) has an age that does not exist"},
    {set_middle, YOUNG, 0, NO_HARM, "(struct node) has an age that does not exist"},
    {set_middle, OLD, 2, NO_HARM, "(struct node) has an age that does not exist"},
    {set_old_behind_the_last, OLD, 2, NO_HARM, "has an age that does not exist"},
    {leave_young, YOUNG, 2, NO_HARM, "(struct node) is young where no young collection looks"},
    {condemn, YOUNG, 0, NO_HARM, "(struct node) is condemned and no collection frees it"},
    {break_all, OLD, 0, DOES_HARM, "the list of all tables is broken"},
    {break_young, YOUNG, 0, DOES_HARM, "the list of young tables is broken"},
    {cut_young, YOUNG, 0, DOES_HARM, "the list of young tables is broken"},
    {break_middle, MIDDLE, 0, DOES_HARM, "the list of middle tables does not end with link"},
    {cut_stale, YOUNG, 0, DOES_HARM, "the list of stale tables has 0 links, and 1 tables have one"},
    {lead_elsewhere, OLD, 0, DOES_HARM, "has a record that leads to table"},
    {number, OLD, 0, NO_HARM, "has notes of a collection that is over"},
    {gather, OLD, 0, DOES_HARM, "has notes of a collection that is over"},
    {make_due, OLD, 0, NO_HARM, "has notes of a collection that is over"},
};

static void prepare(enum age age)
{
    node = node_new(&node_type, 1, NULL, NULL);
    table = gc_table_of(node, header_of(node));
    molt_retain(node_new(&node_type, 2, NULL, NULL)); /* the pool stays */
    if (age != YOUNG)
        molt_gc_collect(age == MIDDLE ? 0 : 2);
}

static void damage_and_collect(void *damage)
{
    ((const struct damage *)damage)->damage();
    molt_gc_collect(((const struct damage *)damage)->generation);
}

START_TEST(test_damage)
{
    if (!validates("test_damage"))
        return;
    struct damage damage = damages[_i];
    prepare(damage.age);
    unit_expect_abort(damage_and_collect, &damage, damage.said);
    ck_assert_int_eq(molt_gc_collect(2), 0); /* it was the child's */
}
END_TEST

/* Switched off, it is as in other builds: whoever can go on does. */
START_TEST(test_damage_unseen)
{
    if (!validates("test_damage_unseen"))
        return;
    struct damage damage = damages[_i];
    char text[512];
    if (!damage.is_harmless)
        return;
    prepare(damage.age);
    set_option("validate", "off");
    ck_assert_int_eq(unit_child(damage_and_collect, &damage, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    set_option("validate", "on");
    unit_expect_abort(damage_and_collect, &damage, damage.said);
}
END_TEST

/* ---- Within a collection: by a traverse callback ---- */

struct teller {
    MOLT_OBJECT;
    struct node *a;
    unsigned calls;              /* of its callback: subtract, twice by validate, mark, validate */
    unsigned odd_call;           /* … the one that is not like the others */
    bool tells_then, tells_else; /* a reference to a */
    void (*then)(struct node *a);
};

static int teller_traverse(void *object, molt_visit *visit, void *context)
{
    struct teller *self = object;
    bool is_odd = ++self->calls == self->odd_call;
    if (is_odd && self->then != NULL)
        self->then(self->a);
    return (is_odd ? self->tells_then : self->tells_else) ? visit(self->a, context) : 0;
}

static void teller_clear(void *object)
{
    molt_clear(&((struct teller *)object)->a);
}

MOLT_TYPE(teller_type, struct teller, .traverse = teller_traverse, .clear = teller_clear);

enum { SUBTRACT = 1, SUBTRACT_AGAIN, MARK = 4, TELLINGS };

static void kill_it(struct node *a)
{
    header_set(a, header_with_tag(header_of(a), BLOCK_MARK));
}

static void count_it(struct node *a)
{
    gc_refs.numbers[numbering_slow(a)] = 1;
}

static const struct telling {
    unsigned odd_call;
    bool tells_then, tells_else;
    void (*then)(struct node *a);
    bool is_garbage; /* a refers to itself, and else nothing does */
    const char *said;
} tellings[] = {
    {SUBTRACT, false, true, NULL, false,
     "(struct node): when references are told a second time, 1 more lead to it"},
    {SUBTRACT_AGAIN, false, true, NULL, false,
     "(struct node): when references are told a second time, 1 fewer lead to it"},
    {MARK, false, true, NULL, false, "(struct node) is taken for garbage, and "},
    {SUBTRACT, true, true, kill_it, false, "is a candidate, and no live object"},
    {MARK, false, false, count_it, true,
     "(struct node) is taken for garbage, and has references from outside"},
};

static struct teller *teller; /* here it is seen by the collector, for the compiler, too */

static void make_teller(const struct telling *telling)
{
    struct node *a = node_new(&node_type, 1, NULL, NULL);
    teller = molt_new(&teller_type);
    if (telling->is_garbage)
        a->a = a;
    teller->a = a;
    teller->odd_call = telling->odd_call;
    teller->tells_then = telling->tells_then;
    teller->tells_else = telling->tells_else;
    teller->then = telling->then;
}

static void collect_all(void *unused)
{
    (void)unused;
    molt_gc_collect(2);
}

START_TEST(test_telling)
{
    if (!validates("test_telling"))
        return;
    make_teller(&tellings[_i]);
    unit_expect_abort(collect_all, NULL, tellings[_i].said);
    teller->odd_call = 0;
    ck_assert_int_eq(molt_gc_collect(2), tellings[_i].is_garbage);
}
END_TEST

static void end_thread(struct node *a)
{
    (void)a;
    pthread_exit(NULL);
}

static void *collect_young(void *unused)
{
    molt_gc_collect(0);
    return unused;
}

/* A young collection whose thread ends in any of its tellings leaves nothing that is wrong. */
START_TEST(test_broken_off)
{
    if (!validates("test_broken_off"))
        return;
    struct telling telling = {.odd_call = (unsigned)_i, .tells_else = true, .then = end_thread};
    make_teller(&telling);
    molt_gc_blocking_begin();
    unit_in_thread(collect_young, NULL);
    molt_gc_blocking_end();
    ck_assert_uint_eq(teller->calls, telling.odd_call);
    for (int generation = 2; generation >= 0; generation--)
        ck_assert_int_eq(molt_gc_collect(generation), 0);
    for (int generation = 0; generation <= 2; generation++)
        ck_assert_int_eq(molt_gc_collect(generation), 0);
}
END_TEST

/* ---- What is noted while a collection goes on ---- */

static void validate_candidates_of(void *tables)
{
    validate_candidates(tables);
}

START_TEST(test_candidates)
{
    if (!validates("test_candidates"))
        return;
    prepare(YOUNG);
    memset(table->white, 0, table->words * sizeof *table->white);
    set_bit(GC_WHITE);
    validate_candidates(table);
    table->next = table;
    unit_expect_abort(validate_candidates_of, table, "is in the list of candidates twice");
    table->next = NULL;
    set_last(GC_WHITE);
    unit_expect_abort(validate_candidates_of, table, "a block behind those that exist is white");
}
END_TEST

/* Two shadows of 70 blocks; the first one's table is gone, the second has a gray block. */
struct shadows {
    struct shadow first, second;
    uint64_t bits[8];
};

static void set_up_shadows(struct shadows *shadows)
{
    prepare(YOUNG);
    *shadows = (struct shadows){.bits = {6, 0, 1, 0, 0, 1, 2, 0}};
    shadows->first = (struct shadow){.blocks = 70,
                                     .words = 2,
                                     .whites = shadows->bits,
                                     .grays = shadows->bits + 2,
                                     .gray_words = 1,
                                     .next = &shadows->second};
    shadows->second = (struct shadow){.table = table,
                                      .blocks = 70,
                                      .words = 2,
                                      .whites = shadows->bits + 4,
                                      .grays = shadows->bits + 6,
                                      .gray_words = 1,
                                      .is_listed = true};
    table->shadow = &shadows->second;
}

static void be_white_and_gray(struct shadows *shadows)
{
    shadows->second.whites[0] = 2;
}

static void be_new_and_white(struct shadows *shadows)
{
    shadows->first.whites[1] = UINT64_C(1) << 6;
}

static void be_new_and_gray(struct shadows *shadows)
{
    shadows->second.grays[1] = UINT64_C(1) << 63;
    shadows->second.gray_words |= 2;
}

static void forget_gray_word(struct shadows *shadows)
{
    shadows->second.gray_words = 0;
}

static void add_gray_word(struct shadows *shadows)
{
    shadows->second.gray_words |= 2;
}

static void forget_listed(struct shadows *shadows)
{
    shadows->second.is_listed = false;
}

static void list_more(struct shadows *shadows)
{
    shadows->second.gray = &shadows->first;
}

static void list_less(struct shadows *shadows)
{
    shadows->first.is_listed = true;
}

static void have_another(struct shadows *shadows)
{
    table->shadow = &shadows->first;
}

static void have_more_blocks(struct shadows *shadows)
{
    shadows->second.blocks = table->capacity + 1u;
}

static const struct shadow_damage {
    void (*damage)(struct shadows *shadows);
    const char *said;
} shadow_damages[] = {
    {be_white_and_gray, "a block is white and gray"},
    {be_new_and_white, "a block is in the cycle that did not exist when it began"},
    {be_new_and_gray, "a block is in the cycle that did not exist when it began"},
    {forget_gray_word, "gray blocks are not noted as such"},
    {add_gray_word, "gray blocks are not noted as such"},
    {forget_listed, "it has gray blocks and is not listed"},
    {list_more, "the list of gray shadows is not that of those which are listed"},
    {list_less, "the list of gray shadows is not that of those which are listed"},
    {have_another, "its table has another"},
    {have_more_blocks, "its table has another"},
};

static void validate_shadows_of(void *shadows)
{
    struct shadows *at = shadows;
    validate_shadows(&at->first, &at->second);
}

START_TEST(test_shadows)
{
    if (!validates("test_shadows"))
        return;
    struct shadows shadows;
    set_up_shadows(&shadows);
    validate_shadows_of(&shadows);
    shadow_damages[_i].damage(&shadows);
    unit_expect_abort(validate_shadows_of, &shadows, shadow_damages[_i].said);
    set_option("validate", "0");
    validate_shadows_of(&shadows);
    table->shadow = NULL;
}
END_TEST

enum { KEPT = 60000 }; /* so many that a cycle takes some slices */

static struct node *kept[KEPT];

static void make_and_drop(void)
{
    struct node *nodes[800];
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        nodes[i] = node_new(&node_type, 0, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        molt_release(nodes[i]);
}

static void forget_shadow_and_go_on(void *unused)
{
    (void)unused;
    table->shadow = NULL;
    make_and_drop();
}

/* A table of a running cycle forgets its shadow: the next slice sees that. */
START_TEST(test_slices)
{
    if (!validates("test_slices"))
        return;
    set_option("gc", "incremental");
    set_option("gc_slice", "1000000"); /* they end with their work */
    for (size_t i = 0; i < KEPT; i++)
        kept[i] = node_new(&node_type, 0, NULL, NULL);
    table = gc_table_of(kept[0], header_of(kept[0]));
    for (unsigned i = 0; i < 1000 && table->shadow == NULL; i++)
        make_and_drop();
    ck_assert_ptr_nonnull(table->shadow);
    unit_expect_abort(forget_shadow_and_go_on, NULL, "its table has another");
    for (unsigned i = 0; i < 1000 && incremental_is_running(); i++)
        make_and_drop();
    ck_assert(!incremental_is_running());
}
END_TEST

/* ---- The option ---- */

/* Other builds have none. */
START_TEST(test_option)
{
    ck_assert_int_eq(options_set("validate", 8, "0", 1, true),
                     IN_VALIDATE ? OPTION_DONE : OPTION_UNKNOWN);
}
END_TEST

/* Skipped once. */
#define CASES(array) (IN_VALIDATE ? (int)COUNT_OF(array) : 1)

Suite *suite_validate(void)
{
    Suite *suite = suite_create("validate");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, test_damage, 0, CASES(damages));
    tcase_add_loop_test(all, test_damage_unseen, 0, CASES(damages));
    tcase_add_loop_test(all, test_telling, 0, CASES(tellings));
    tcase_add_loop_test(all, test_broken_off, SUBTRACT, IN_VALIDATE ? TELLINGS + 1 : SUBTRACT + 1);
    tcase_add_test(all, test_candidates);
    tcase_add_loop_test(all, test_shadows, 0, CASES(shadow_damages));
    tcase_add_test(all, test_slices);
    tcase_add_test(all, test_option);
    suite_add_tcase(suite, all);
    return suite;
}
