/* test_safepoint.c: who holds up whom: visitors and the allocator, threads that do not come to a
 * safepoint, threads that end wherever they are, and calls to owners. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "alloc/object_block.h"
#include "base/options.h"
#include "gc/gc.h"
#include "gc/pacing.h"
#include "object/owner.h"
#include "object/gc_table.h"
#include "os/os.h"

#include "molt_value.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What a test waits for comes at once, or never. */
#define LIMIT_S 20

static bool comes_true(atomic_bool *condition)
{
    for (time_t end = time(NULL) + patience(LIMIT_S); !atomic_load(condition) && time(NULL) < end;)
        sched_yield();
    return atomic_load(condition);
}

static atomic_size_t finalized;

static void count_finalizer(void *object)
{
    (void)object;
    atomic_fetch_add(&finalized, 1);
}

MOLT_TYPE(finalized_type, struct node, MOLT_REFS(struct node, a, b), .finalize = count_finalizer);

static int count_visit(void *object, void *count)
{
    (void)object;
    ++*(size_t *)count;
    return 0;
}

/* ---- Pools that go while somebody looks ---- */

enum { MANY = 6000 };

/* Leaves a parked heap behind, with pools in which no object lives. */
static void *make_many(void *unused)
{
    static __thread struct node *nodes[MANY];
    for (size_t i = 0; i < MANY; i++)
        nodes[i] = node_new(&node_type, 0, NULL, NULL);
    for (size_t i = 0; i < MANY; i++)
        molt_release(nodes[i]);
    return unused;
}

static size_t count_tables(void)
{
    size_t count = 0;
    gc_table_lock_acquire();
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next)
        count++;
    gc_table_lock_release();
    return count;
}

static void count_pool(const struct pool *pool, void *count)
{
    (void)pool;
    ++*(size_t *)count;
}

static size_t count_pools(void)
{
    size_t count = 0;
    object_block_visit_pools(count_pool, &count);
    return count;
}

static atomic_bool is_trimmed;

static void *trim(void *unused)
{
    molt_trim(0);
    atomic_store(&is_trimmed, true);
    return unused;
}

enum trimmer { BY_ANOTHER, BY_ITSELF, TRIMMERS };
static enum trimmer trimmer;

/* The heaps of ended threads are emptied meanwhile, by a thread that uses no object or by this one,
 * which then allocates what waits for the same locks. */
static void trim_meanwhile(void)
{
    pthread_t thread;
    if (atomic_load(&is_trimmed))
        return;
    if (trimmer == BY_ANOTHER) {
        ck_assert_int_eq(pthread_create(&thread, NULL, trim, NULL), 0);
        ck_assert_msg(comes_true(&is_trimmed), "who empties a heap waits for a visitor");
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    } else {
        trim(NULL);
    }
    molt_trim(0);
    molt_free(molt_malloc(100000));
}

static int visit_and_trim(void *object, void *count)
{
    trim_meanwhile();
    molt_retain(object);
    return count_visit(object, count);
}

static int traverse_and_trim(void *object, molt_visit *visit, void *arg)
{
    trim_meanwhile();
    return visit(((struct node *)object)->a, arg);
}

static void clear(void *object)
{
    molt_clear(&((struct node *)object)->a);
}

MOLT_TYPE(traversed_type, struct node, .traverse = traverse_and_trim, .clear = clear);

enum look { VISIT, COLLECT, AUDIT, LOOKS };

static void look(enum look how)
{
    static const size_t expected = 1000;
    size_t count = 0;
    if (how == VISIT) {
        ck_assert_uint_eq(molt_gc_objects(-1, visit_and_trim, &count), expected);
        ck_assert_uint_eq(count, expected);
    } else if (how == COLLECT) {
        ck_assert_int_eq(molt_gc_collect(2), 0);
    } else {
        ck_assert_int_eq(molt_gc_audit(STDERR_FILENO), 0);
    }
}

START_TEST(test_pools_go_while_somebody_looks)
{
    enum look how = (enum look)(_i / TRIMMERS);
    trimmer = (enum trimmer)(_i % TRIMMERS);
    molt_gc_disable(); /* all collections are asked for */
    struct node *list = NULL;
    for (size_t i = 0; i < 1000; i++)
        list = node_take(how == VISIT ? &node_type : &traversed_type, 0, list, NULL);
    size_t before = count_tables();
    for (size_t i = 0; i < 3; i++)
        unit_in_thread(make_many, NULL);
    ck_assert_uint_gt(count_tables(), before);
    ck_assert_uint_gt(count_pools(), before);
    look(how);
    ck_assert(atomic_load(&is_trimmed));
    ck_assert_uint_eq(count_tables(), before);
    ck_assert_uint_eq(count_pools(), before);
    if (how != VISIT) /* which has retained them */
        molt_release(list);
    make_garbage(10);
    ck_assert_int_eq(molt_gc_collect(2), 10);
}
END_TEST

static int visit_and_make(void *object, void *arg)
{
    (void)object;
    for (size_t i = 0; i < MANY; i++)
        *(struct node **)arg = node_new(&node_type, 0, NULL, NULL);
    return 0;
}

static void make_in_visitor(void *arg)
{
    molt_gc_objects(-1, visit_and_make, arg);
}

/* It would wait for itself. */
START_TEST(test_visitor_that_makes_objects)
{
    struct node *node = node_new(&node_type, 0, NULL, NULL);
    unit_expect_error(make_in_visitor, &node, "a visitor makes or releases an object");
}
END_TEST

static int visit_and_block(void *object, void *count)
{
    molt_gc_blocking_begin();
    molt_gc_blocking_begin();
    molt_gc_blocking_end();
    molt_gc_blocking_end();
    molt_gc_safepoint();
    return count_visit(object, count);
}

static void *release_it(void *object)
{
    molt_release(object);
    return NULL;
}

/* A visitor is at no safepoint, whatever it calls: what is to be settled waits. */
START_TEST(test_visitor_in_a_blocking_region)
{
    size_t count = 0;
    struct node *node = node_new(&finalized_type, 0, NULL, NULL);
    unit_in_thread(release_it, node_new(&finalized_type, 0, NULL, NULL));
    ck_assert_uint_eq(molt_gc_objects(-1, visit_and_block, &count), 2);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(atomic_load(&finalized), 0);
    node_new(&finalized_type, 0, NULL, NULL); /* the call is still there */
    ck_assert_uint_eq(atomic_load(&finalized), 1);
    molt_release(node);
}
END_TEST

static atomic_bool is_interning;

static void *intern(void *string)
{
    atomic_store(&is_interning, true);
    ck_assert_ptr_eq(molt_str_intern(string), string);
    molt_release(string);
    return NULL;
}

static pthread_t interning;

static int visit_and_intern(void *object, void *string)
{
    static const struct timespec tenth = {.tv_nsec = 100000000};
    (void)object;
    ck_assert_int_eq(pthread_create(&interning, NULL, intern, string), 0);
    ck_assert(comes_true(&is_interning));
    nanosleep(&tenth, NULL);
    ck_assert_ptr_eq(molt_str_intern(string), string);
    return 1;
}

/* A thread that begins to use objects waits for the visitor, but not with the values' lock. */
START_TEST(test_visitor_that_interns)
{
    struct node *node = node_new(&node_type, 0, NULL, NULL);
    molt_str *string = molt_str_new("string", 6);
    ck_assert_ptr_eq(molt_str_intern(string), string);
    ck_assert_uint_eq(molt_gc_objects(-1, visit_and_intern, string), 1);
    ck_assert_int_eq(pthread_join(interning, NULL), 0);
    molt_release(string);
    molt_release(string);
    molt_release(string);
    molt_release(node);
}
END_TEST

/* ---- A thread that does not come to a safepoint ---- */

static atomic_bool has_made, may_end;

static void *make_and_spin(void *out)
{
    *(struct node **)out = node_new(&node_type, 0, NULL, NULL);
    atomic_store(&has_made, true);
    while (!atomic_load(&may_end))
        sched_yield();
    molt_release(*(struct node **)out);
    return NULL;
}

static struct node *mine;

static size_t objects(size_t *count)
{
    return molt_gc_objects(-1, count_visit, count);
}

static size_t referrers(size_t *count)
{
    return molt_gc_referrers(mine->a, count_visit, count);
}

static size_t referents(size_t *count)
{
    return molt_gc_referents(mine, count_visit, count);
}

static size_t freeze(size_t *count)
{
    (void)count;
    molt_gc_freeze();
    return molt_gc_frozen_count();
}

/* What is frozen stays so. */
static size_t unfreeze(size_t *count)
{
    (void)count;
    molt_gc_unfreeze();
    return molt_gc_frozen_count() - 2;
}

static size_t (*const looking[])(size_t *count) = {objects, referrers, referents, freeze, unfreeze};

static void expect_busy(size_t (*function)(size_t *count))
{
    size_t visited = 0;
    errno = 0;
    size_t count = function(&visited);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(visited, 0);
}

START_TEST(test_busy_thread)
{
    pthread_t thread;
    struct node *other;
    mine = node_take(&node_type, 0, node_new(&node_type, 0, NULL, NULL), NULL);
    if (looking[_i] == unfreeze)
        molt_gc_freeze();
    ck_assert_int_eq(pthread_create(&thread, NULL, make_and_spin, &other), 0);
    ck_assert(comes_true(&has_made));
    expect_busy(looking[_i]);
    atomic_store(&may_end, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    size_t visited = 0;
    errno = 0;
    size_t count = looking[_i](&visited);
    ck_assert_int_eq(errno, 0);
    ck_assert_uint_eq(visited, looking[_i] == freeze || looking[_i] == unfreeze ? 0 : count);
    ck_assert_uint_eq(count, looking[_i] == unfreeze ? (size_t)-2 : _i == 0 || _i == 3 ? 2 : 1);
}
END_TEST

/* In a blocking region nobody looks either. */
START_TEST(test_looking_in_a_blocking_region)
{
    mine = node_take(&node_type, 0, node_new(&node_type, 0, NULL, NULL), NULL);
    if (looking[_i] == unfreeze)
        return; /* what it compares with cannot be asked for */
    molt_gc_blocking_begin();
    expect_busy(looking[_i]);
    molt_gc_blocking_end();
}
END_TEST

/* ---- Threads that end ---- */

static pthread_key_t key;
static struct node *handed; /* main's */

static void end_in_region(void)
{
    molt_gc_blocking_begin();
}

static void exit_in_nested_regions(void)
{
    molt_gc_blocking_begin();
    molt_gc_blocking_begin();
    pthread_exit(NULL);
}

/* As a read() in a blocking region is cancelled. */
static void cancel_in_region(void)
{
    molt_gc_blocking_begin();
    pthread_cancel(pthread_self());
    for (;;)
        pause();
}

static void end_plainly(void)
{
}

static void exit_in_callback(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static int exit_in_visit(void *object, void *unused)
{
    (void)object;
    exit_in_callback(unused);
    return 0;
}

static void exit_in_visitor(void)
{
    molt_gc_objects(-1, exit_in_visit, NULL);
}

/* The first time. */
static int exit_in_traverse(void *object, molt_visit *visit, void *arg)
{
    static atomic_bool has_exited;
    if (!atomic_exchange(&has_exited, true))
        exit_in_callback(arg);
    return visit(((struct node *)object)->a, arg);
}

MOLT_TYPE(exits_in_traverse, struct node, .traverse = exit_in_traverse, .clear = clear);
MOLT_TYPE(exits_in_finalize, struct node, MOLT_REFS(struct node, a, b),
          .finalize = exit_in_callback);
MOLT_TYPE(exits_in_dispose, struct node, MOLT_REFS(struct node, a, b), .dispose = exit_in_callback);

static void exit_in_collection(const molt_type *type)
{
    molt_release(ring_new(&finalized_type, 0, 2));
    molt_release(ring_new(type, 0, 2));
    molt_gc_collect(2);
}

static void exit_in_deduction(void)
{
    node_new(&exits_in_traverse, 0, NULL, NULL);
    molt_gc_collect(2);
}

static void exit_in_finalizer_of_collection(void)
{
    exit_in_collection(&exits_in_finalize);
}

static void exit_in_dispose_of_collection(void)
{
    exit_in_collection(&exits_in_dispose);
}

/* What was to die after it dies all the same. */
static void exit_in_finalizer(void)
{
    struct node *second = node_new(&finalized_type, 0, NULL, NULL);
    struct node *first = node_new(&exits_in_dispose, 0, NULL, NULL);
    molt_release(node_take(&node_type, 0, first, second));
}

static void exit_on_phase(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)info;
    molt_gc_remove_callback(exit_on_phase, arg);
    pthread_exit(NULL);
}

static void exit_in_gc_callback(void)
{
    molt_gc_add_callback(exit_on_phase, NULL);
    molt_gc_collect(2);
}

static const struct {
    void (*end)(void);
    size_t finalized; /* of its own, beside the handed one */
} ends[] = {
    {end_plainly, 0},
    {end_in_region, 0},
    {exit_in_nested_regions, 0},
    {cancel_in_region, 0},
    {exit_in_visitor, 0},
    {exit_in_finalizer, 1},
    {exit_in_gc_callback, 0},
    {exit_in_finalizer_of_collection, SIZE_MAX}, /* as many as came before */
    {exit_in_dispose_of_collection, 2},
    {exit_in_deduction, 0},
};

/* Of another key: may still use objects. */
static void release_at_end(void *node)
{
    molt_release(node);
}

static void *make_and_end(void *end)
{
    handed = node_new(&finalized_type, 0, NULL, NULL);
    pthread_setspecific(key, node_new(&finalized_type, 0, NULL, NULL));
    (*(void (*const *)(void))end)();
    return NULL;
}

/* Its objects are settled by others from then on, and nobody waits for it. */
START_TEST(test_end)
{
    ck_assert_int_eq(pthread_key_create(&key, release_at_end), 0);
    struct node *node = node_new(&node_type, 0, NULL, NULL);
    molt_gc_blocking_begin();
    unit_in_thread(make_and_end, (void *)(uintptr_t)&ends[_i].end);
    molt_gc_blocking_end();
    size_t before = atomic_load(&finalized);
    if (ends[_i].finalized != SIZE_MAX)
        ck_assert_uint_eq(before, 1 + ends[_i].finalized);
    molt_release(handed);
    ck_assert_uint_eq(atomic_load(&finalized), before + 1);
    ck_assert_int_ge(molt_gc_collect(2), 0);
    make_garbage(10);
    ck_assert_int_eq(molt_gc_collect(2), 10);
    ck_assert_uint_ge(molt_gc_objects(-1, NULL, NULL), 1);
    molt_release(node);
}
END_TEST

/* ---- Memory that a broken-off collection has taken ---- */

enum { BROKEN_OFF = 8, OLD_NODES = 64 * 1024 };
static atomic_bool exits; /* the next traverse callback ends its thread */

static int exit_if_told(void *object, molt_visit *visit, void *arg)
{
    if (atomic_exchange(&exits, false))
        pthread_exit(NULL);
    return visit(((struct node *)object)->a, arg);
}

MOLT_TYPE(exits_if_told, struct node, .traverse = exit_if_told, .clear = clear);

static void *break_off(void *unused)
{
    (void)unused;
    atomic_store(&exits, true);
    molt_gc_collect(2);
    ck_abort_msg("the thread has not ended");
    return NULL;
}

static size_t mapped_bytes(void)
{
    char text[128];
    ck_assert_int_gt(os_read_file("/proc/self/statm", text, sizeof text), 0);
    return strtoul(text, NULL, 10) << os_page_shift;
}

/* A thread that ends in a traverse callback leaves no mapping of its collection behind. */
START_TEST(test_end_in_large_collections)
{
    if (unit_is_sanitized()) {
        printf("skip: sanitizers map memory of their own\n");
        return;
    }
    struct node *list = node_new(&exits_if_told, 0, NULL, NULL);
    for (unsigned i = 0; i < OLD_NODES; i++)
        list = node_take(&node_type, 0, list, NULL);
    molt_gc_blocking_begin();
    unit_in_thread(break_off, NULL); /* maps a stack, and what threads have in common */
    size_t before = mapped_bytes();
    for (unsigned i = 0; i < BROKEN_OFF; i++)
        unit_in_thread(break_off, NULL);
    ck_assert_uint_lt(mapped_bytes(), before + (size_t)OLD_NODES * BROKEN_OFF);
    molt_gc_blocking_end();
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(list);
}
END_TEST

static void exit_in_region(void *unused)
{
    (void)unused;
    options.objects = true;
    node_new(&node_type, 0, NULL, NULL);
    molt_gc_blocking_begin();
    exit(0);
}

/* What is due at exit is done, wherever main was. */
START_TEST(test_exit_in_region)
{
    char text[2048];
    ck_assert_int_eq(unit_child(exit_in_region, NULL, text, sizeof text), 0);
    ck_assert_msg(strstr(text, "total") != NULL, "said '%s'", text);
}
END_TEST

/* ---- Calls ---- */

static int32_t limit(void)
{
    return atomic_load(&owner_self->limit);
}

static void set_threshold(void)
{
    ck_assert_int_eq(molt_gc_set_threshold(5000, 10, 10), 0);
}

static void (*const configuring[])(void) = {molt_gc_disable, molt_gc_enable, set_threshold};

/* Another thread has released the last reference, so the owner has been called: who configures
 * collections does not take the call back. */
START_TEST(test_call_and_configuration)
{
    node_new(&node_type, 0, NULL, NULL);
    molt_gc_safepoint();
    unit_in_thread(release_it, node_new(&finalized_type, 0, NULL, NULL));
    configuring[_i]();
    ck_assert_uint_eq(atomic_load(&finalized), 0);
    node_new(&node_type, 0, NULL, NULL);
    ck_assert_uint_eq(atomic_load(&finalized), 1);
    ck_assert_int_eq(limit(), pacing_limit());
}
END_TEST

/* A call that comes between the safepoint and the making of an object stays. */
START_TEST(test_call_after_the_safepoint)
{
    molt_release(node_new(&finalized_type, 0, NULL, NULL));
    molt_gc_safepoint();
    ck_assert_int_eq(limit(), pacing_limit());
    owner_call(owner_self);
    gc_new_object(owner_self, true);
    ck_assert_int_eq(limit(), -1);
    molt_gc_safepoint();
    ck_assert_int_eq(limit(), pacing_limit());
}
END_TEST

/* Calls that come before the blocking region's end are seen after it. */
START_TEST(test_call_in_a_blocking_region)
{
    struct node *node = node_new(&finalized_type, 0, NULL, NULL);
    molt_gc_blocking_begin();
    unit_in_thread(release_it, node);
    ck_assert_uint_eq(atomic_load(&finalized), 0);
    molt_gc_blocking_end();
    ck_assert_uint_eq(atomic_load(&finalized), 1);
}
END_TEST

static void *change_limits(void *unused)
{
    for (unsigned i = 0; !atomic_load(&may_end); i++)
        molt_gc_set_threshold(1000 + i % 100, 10, 10);
    return unused;
}

/* Many calls at once: what each is about is seen after two more objects, or three. */
START_TEST(test_calls_at_the_same_time)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, change_limits, NULL), 0);
    size_t rounds = unit_is_sanitized() ? 50 : 500;
    for (size_t i = 0; i < rounds; i++) {
        unit_in_thread(release_it, node_new(&finalized_type, 0, NULL, NULL));
        molt_release(node_new(&node_type, 0, NULL, NULL));
        ck_assert_uint_eq(atomic_load(&finalized), i + 1);
    }
    atomic_store(&may_end, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    molt_gc_safepoint();
    ck_assert_int_eq(limit(), pacing_limit());
}
END_TEST

Suite *suite_safepoint(void)
{
    Suite *suite = suite_create("safepoint");
    TCase *visitors = tcase_create("visitors");
    tcase_set_timeout(visitors, 60);
    tcase_add_loop_test(visitors, test_pools_go_while_somebody_looks, 0, LOOKS * TRIMMERS);
    tcase_add_test(visitors, test_visitor_that_makes_objects);
    tcase_add_test(visitors, test_visitor_in_a_blocking_region);
    tcase_add_test(visitors, test_visitor_that_interns);
    suite_add_tcase(suite, visitors);
    TCase *busy = tcase_create("busy");
    tcase_set_timeout(busy, 60);
    tcase_add_loop_test(busy, test_busy_thread, 0, COUNT_OF(looking));
    tcase_add_loop_test(busy, test_looking_in_a_blocking_region, 0, COUNT_OF(looking));
    suite_add_tcase(suite, busy);
    TCase *end = tcase_create("ends");
    tcase_set_timeout(end, 60);
    tcase_add_loop_test(end, test_end, 0, COUNT_OF(ends));
    tcase_add_test(end, test_end_in_large_collections);
    tcase_add_test(end, test_exit_in_region);
    suite_add_tcase(suite, end);
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 60);
    tcase_add_loop_test(calls, test_call_and_configuration, 0, COUNT_OF(configuring));
    tcase_add_test(calls, test_call_after_the_safepoint);
    tcase_add_test(calls, test_call_in_a_blocking_region);
    tcase_add_test(calls, test_calls_at_the_same_time);
    suite_add_tcase(suite, calls);
    return suite;
}
