/* test_fork.c: a child that is forked while another thread is at any of its instructions.
 *
 * A worker does something in single steps (step.h). At an instruction of the library it is
 * stopped, and the main thread forks, in turns by fork() and by _Fork(): the child has
 * everything as that one instruction has left it. There it uses all that there is: what it had,
 * what the worker was changing as far as others may know of it, and new things of each kind.
 *
 * A scenario has some 300 children, so where it takes more instructions not each is tried, and not
 * the same in every run; FORKS=N sets another number. Some scenarios are about the few instructions
 * of a change, which are all tried in each run. */
#include "objects.h"
#include "step.h"
#include "suites.h"
#include "unit.h"

#include "alloc/map.h"
#include "alloc/object_block.h"
#include "base/tunables.h"
#include "gc/generation.h"
#include "object/gc_table.h"
#include "object/hooks.h"
#include "object/owner.h"

#include "molt.h"
#include "molt_value.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 20, CHILDREN = 3, FORKS_USUAL = 300 };

/* ---- What the child does ---- */

/* Says which expectation failed and ends the child. */
static _Noreturn void child_fails(int line, const char *what)
{
    char text[200];
    int length = snprintf(text, sizeof text, "line %d: %s\n", line, what);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(2);
    _exit(1);
}

#define EXPECT(condition)                      \
    do {                                       \
        if (!(condition))                      \
            child_fails(__LINE__, #condition); \
    } while (0)

/* A tracked node, and one that is a leaf to the collector: what the main thread has from the start,
 * with a weak reference each. */
enum { MINE = 40 };

struct mine {
    struct node *node;
    molt_weak *weak, *telling;
    bool is_told;
};

static struct mine mine[MINE];
static struct node *ring; /* two nodes, held */
static char *small_block, *huge_block;

#define HUGE_BYTES ((size_t)5 << 20)

static void note_death(molt_weak *weak, void *told)
{
    (void)weak;
    *(bool *)told = true;
}

static void make_mine(void)
{
    for (size_t i = 0; i < MINE; i++) {
        mine[i].node = node_take(&node_type, (int)i, NULL, NULL);
        mine[i].weak = molt_weak_new(mine[i].node, NULL, NULL);
        mine[i].telling = molt_weak_new(mine[i].node, note_death, &mine[i].is_told);
    }
    ring = ring_new(&node_type, 1000, 2);
    small_block = molt_malloc(100);
    huge_block = molt_malloc(HUGE_BYTES);
    unit_fill(small_block, 100, 1);
    unit_fill(huge_block, 100, 2);
}

static void use_blocks(void)
{
    EXPECT(molt_usable_size(huge_block) >= HUGE_BYTES);
    char *grown = molt_realloc(huge_block, HUGE_BYTES + (3 << 20));
    EXPECT(grown != NULL && unit_is_filled(grown, 100, 2) && unit_is_filled(small_block, 100, 1));
    molt_free(grown);
    molt_free(small_block);
    for (size_t size = 16; size < (4 << 20); size *= 3) {
        char *block = molt_malloc(size);
        EXPECT(block != NULL);
        unit_fill(block, size < 4096 ? size : 4096, 3);
        molt_free(block);
    }
    struct molt_stats stats;
    EXPECT(molt_stats_get(&stats, sizeof stats) == 0);
}

static void use_mine(void)
{
    for (size_t i = 0; i < MINE; i++) {
        void *got = molt_weak_get(mine[i].weak);
        EXPECT(got == mine[i].node && molt_is_object(got) && mine[i].node->id == (int)i);
        EXPECT(molt_weak_count(mine[i].node) == 2 && molt_refcount(got) == 2);
        molt_release(got);
    }
    for (size_t i = 0; i < MINE; i += 2) {
        molt_release(mine[i].node);
        EXPECT(mine[i].is_told && molt_weak_get(mine[i].weak) == NULL);
        molt_weak_free(mine[i].weak);
        molt_weak_free(mine[i].telling);
    }
}

static void use_new_weak(void)
{
    enum { NEW = 200 };
    static struct node *nodes[NEW];
    static molt_weak *weak[NEW];
    for (int i = 0; i < NEW; i++) {
        nodes[i] = node_take(&node_type, i, NULL, NULL);
        weak[i] = molt_weak_new(nodes[i], NULL, NULL);
        EXPECT(weak[i] != NULL);
    }
    for (int i = 0; i < NEW; i += 2)
        molt_release(nodes[i]);
    for (int i = 0; i < NEW; i++) {
        void *got = molt_weak_get(weak[i]);
        EXPECT(got == (i % 2 == 0 ? NULL : nodes[i]));
        molt_release(got);
        molt_weak_free(weak[i]);
    }
}

static size_t calls;

static void count_call(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg)
{
    (void)phase, (void)info, (void)arg;
    calls++;
}

static int see_live(void *object, void *arg)
{
    (void)arg;
    EXPECT(molt_is_object(object));
    return 0;
}

static void use_collections(void)
{
    EXPECT(molt_gc_add_callback(count_call, NULL) == 0);
    EXPECT(molt_gc_collect(2) >= 0);
    make_garbage(20);
    EXPECT(molt_gc_collect(0) >= 20);
    make_garbage(20);
    EXPECT(molt_gc_collect(1) >= 20);
    make_garbage(20);
    EXPECT(molt_gc_collect(2) >= 20);
    EXPECT(calls >= 8);
    EXPECT(molt_gc_remove_callback(count_call, NULL) == 0);
    EXPECT(molt_gc_objects(-1, see_live, NULL) >= 2);
    EXPECT(ring->a->a == ring && molt_refcount(ring) == 2);
    molt_release(ring);
    EXPECT(molt_gc_collect(2) >= 2);
}

static void use_types(void)
{
    static molt_type types[3];
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        types[i] = (molt_type){.name = "new", .size = 24 + 8 * i};
        void *object = molt_new(&types[i]);
        EXPECT(object != NULL && molt_typeof(object) == &types[i]);
        molt_release(object);
    }
}

static void use_values(void)
{
    char text[20];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "text %d", i);
        molt_str *one = molt_str_from(text), *two = molt_str_from(text);
        molt_str *interned = molt_str_intern(one), *same = molt_str_intern(two);
        EXPECT(interned != NULL && interned == same);
        EXPECT(strcmp(molt_str_bytes(interned), text) == 0);
        EXPECT(molt_int_value(molt_int_new(i)) == i);
        molt_release(one);
        molt_release(two);
        molt_release(interned);
        molt_release(same);
    }
    molt_dict *dict = molt_dict_new();
    molt_list *list = molt_list_new();
    for (int i = 0; i < 40; i++) {
        molt_int *number = molt_int_new(i);
        EXPECT(molt_dict_set(dict, number, number) == 0 && molt_list_append(list, number) == 0);
        molt_release(number);
    }
    EXPECT(molt_dict_length(dict) == 40 && molt_list_length(list) == 40);
    molt_release(dict);
    molt_release(list);
}

static void *use_in_thread(void *handed)
{
    molt_release(molt_retain(handed));
    molt_release(node_take(&node_type, 1, NULL, NULL));
    make_garbage(5);
    molt_gc_blocking_begin();
    molt_gc_blocking_end();
    return molt_gc_collect(2) >= 0 ? handed : NULL;
}

static void use_threads(void)
{
    pthread_t thread;
    void *result = NULL;
    molt_gc_blocking_begin();
    EXPECT(pthread_create(&thread, NULL, use_in_thread, mine[1].node) == 0);
    EXPECT(pthread_join(thread, &result) == 0);
    molt_gc_blocking_end();
    EXPECT(result == mine[1].node);
}

/* What the scenario has for the child. */
static void (*use_scenario)(void);

static void use_all(unsigned number)
{
    if (number % 16 < 2)
        use_threads(); /* one of theirs is the first to come to a slow path */
    if (use_scenario != NULL)
        use_scenario();
    use_blocks();
    use_mine();
    use_new_weak();
    use_types();
    use_values();
    use_collections();
    use_threads();
}

/* ---- Forking ---- */

static struct child {
    pid_t pid; /* 0: none */
    unsigned instruction;
} children[CHILDREN];

static char failure[200]; /* the first */

static bool is_blocked; /* the main thread uses no objects meanwhile */

/* NULL: none runs. */
static struct child *child_of(pid_t pid)
{
    for (size_t i = 0; i < CHILDREN; i++)
        if (children[i].pid == pid)
            return &children[i];
    return NULL;
}

static bool wait_for_child(void)
{
    int status;
    pid_t pid = wait(&status);
    if (pid < 0)
        return false;
    struct child *child = child_of(pid);
    if (status != 0 && failure[0] == '\0')
        snprintf(failure, sizeof failure, "before instruction %u: status %#x", child->instruction,
                 (unsigned)status);
    child->pid = 0;
    return true;
}

static void fork_child(unsigned number, unsigned instruction)
{
    if (child_of(0) == NULL)
        wait_for_child();
    struct child *child = child_of(0);
    child->instruction = instruction;
    child->pid = number % 2 == 0 ? fork() : _Fork();
    REQUIRE(child->pid >= 0, "no fork");
    if (child->pid != 0)
        return;
    signal(SIGALRM, SIG_DFL);
    alarm(patience(CHILD_SECONDS));
    if (is_blocked)
        molt_gc_blocking_end();
    use_all(number);
    _exit(0);
}

/* ---- Stepping ---- */

static struct {
    void (*prepare)(void), (*act)(void);
    void (*meanwhile)(void); /* by the main thread between the two */
    bool (*stops)(void);     /* NULL: after each instruction; else where this says so */
    atomic_int stage;
    unsigned instructions;  /* of the library, done by act, where it may stop */
    unsigned stride, first; /* it is held before which of them: each stride-th; 0: none */
} worker;

enum { STARTING, READY, ACTING, HELD, DONE, END };

static void reach(int stage)
{
    atomic_store(&worker.stage, stage);
}

static void await(int stage)
{
    while (atomic_load(&worker.stage) != stage)
        sched_yield();
}

static bool is_to_be_held(void)
{
    return worker.stride != 0 && worker.instructions % worker.stride == worker.first;
}

/* The worker has done an instruction. */
static void count_and_hold(void)
{
    if (worker.stops != NULL && !worker.stops())
        return;
    if (is_to_be_held()) {
        reach(HELD);
        await(ACTING);
    }
    worker.instructions++;
}

static void *work(void *unused)
{
    if (worker.prepare != NULL)
        worker.prepare();
    reach(READY);
    await(ACTING);
    step_begin(count_and_hold);
    worker.act();
    step_end();
    reach(DONE);
    await(END);
    return unused;
}

/* Where the worker, which takes many instructions, has come to. */
static int stage_after_acting(void)
{
    while (atomic_load(&worker.stage) == ACTING)
        usleep(100);
    return atomic_load(&worker.stage);
}

/* How many instructions of the library the worker may be stopped after; forks before every
 * `stride`th, 0: none. */
static unsigned step_through(unsigned stride)
{
    pthread_t thread;
    worker.instructions = 0;
    worker.stride = stride;
    worker.first = stride != 0 ? (unsigned)getpid() % stride : 0;
    reach(STARTING);
    ck_assert_int_eq(pthread_create(&thread, NULL, work, NULL), 0);
    await(READY);
    if (worker.meanwhile != NULL)
        worker.meanwhile();
    if (is_blocked)
        molt_gc_blocking_begin();
    reach(ACTING);
    for (unsigned forks = 0; stage_after_acting() == HELD; forks++) {
        fork_child(forks, worker.instructions);
        reach(ACTING);
    }
    while (wait_for_child())
        continue;
    if (is_blocked)
        molt_gc_blocking_end();
    reach(END);
    pthread_join(thread, NULL);
    return worker.instructions;
}

/* First in a process of its own, to know how many instructions it will be. */
static unsigned count_instructions(void)
{
    unsigned *count =
        mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(count, MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(patience(100));
        *count = step_through(0);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_gt(*count, 10);
    return *count;
}

struct scenario {
    const char *name;
    void (*set_up)(void);    /* by the main thread, first */
    void (*prepare)(void);   /* by the worker */
    void (*meanwhile)(void); /* then by the main thread */
    void (*act)(void);       /* then by the worker, step by step */
    void (*in_child)(void);
    bool is_blocked;
};

/* ---- Scenarios: weak references ---- */

/* Objects whose weak references are kept in the same shard of the table. */
enum { ALIKE = 14 };

static struct node *alike[ALIKE];
static molt_weak *weak_to_alike[ALIKE];

static bool is_alike(const void *object)
{
    return (uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15) >> 58 == 7;
}

static void make_alike(void)
{
    for (size_t found = 0; found < ALIKE;) {
        struct node *node = node_take(&node_type, 0, NULL, NULL);
        if (is_alike(node))
            alike[found++] = node;
    }
}

static void make_weak_to_some(void)
{
    make_alike();
    for (size_t i = 0; i < 2; i++)
        weak_to_alike[i] = molt_weak_new(alike[i], NULL, NULL);
}

static void make_weak_to_the_rest(void)
{
    for (size_t i = 2; i < ALIKE; i++)
        weak_to_alike[i] = molt_weak_new(alike[i], NULL, NULL);
}

static void get_all_alike(void)
{
    for (size_t i = 0; i < ALIKE; i++) {
        if (weak_to_alike[i] == NULL)
            continue;
        EXPECT(molt_weak_get(weak_to_alike[i]) == alike[i]);
        molt_release(alike[i]);
        molt_release(alike[i]);
        EXPECT(molt_weak_get(weak_to_alike[i]) == NULL);
        molt_weak_free(weak_to_alike[i]);
    }
}

static void free_some_weak(void)
{
    static const size_t which[] = {0, 7, 3, 13};
    for (size_t i = 0; i < COUNT_OF(which); i++) {
        molt_weak *weak = weak_to_alike[which[i]];
        weak_to_alike[which[i]] = NULL;
        molt_weak_free(weak);
    }
}

static void make_all_weak(void)
{
    make_weak_to_some();
    make_weak_to_the_rest();
}

/* Who dies: a node with weak references that others know of. */
static struct node *dying;
static molt_weak *to_dying[4];

static void ignore_death(molt_weak *weak, void *arg)
{
    (void)weak, (void)arg;
}

static void watch(struct node *node)
{
    dying = node;
    for (size_t i = 0; i < COUNT_OF(to_dying); i++)
        to_dying[i] = molt_weak_new(dying, i % 2 == 0 ? ignore_death : NULL, NULL);
}

static struct node *shared; /* the main thread's; others refer to it, too */

static void make_shared(void)
{
    shared = node_take(&node_type, 77, NULL, NULL);
}

static void make_dying(void)
{
    watch(node_take(&node_type, 5, molt_retain(shared), NULL));
}

static void release_dying(void)
{
    molt_release(dying);
}

static void use_shared(void)
{
    EXPECT(molt_is_object(shared) && shared->id == 77 && molt_refcount(shared) >= 1);
    EXPECT(molt_gc_collect(2) >= 0);
    EXPECT(molt_is_object(shared) && shared->id == 77);
    molt_release(molt_retain(shared));
}

/* It lives, or is not to be had. */
static void get_dying(void)
{
    for (size_t i = 0; i < COUNT_OF(to_dying); i++) {
        struct node *got = molt_weak_get(to_dying[i]);
        EXPECT(got == NULL || (got == dying && molt_is_object(got)));
        EXPECT(got == NULL || got->a == NULL || molt_is_object(got->a));
        molt_release(got);
    }
}

/* A collection may find that it is garbage. */
static void use_dying(void)
{
    get_dying();
    use_shared();
    get_dying();
    for (size_t i = 0; i < COUNT_OF(to_dying); i++)
        molt_weak_free(to_dying[i]);
}

/* ---- Scenarios: garbage ---- */

static void finalize_nothing(void *object)
{
    (void)object;
}

MOLT_TYPE(finalized_type, struct node, MOLT_REFS(struct node, a, b), .finalize = finalize_nothing);

static void make_garbage_with_weak(void)
{
    struct node *first = ring_new(&finalized_type, 1, 3);
    watch(first);
    molt_set(&first->a->b, shared);
    molt_release(first);
    make_garbage(2);
}

static void collect_it(void)
{
    molt_gc_collect(2);
}

static void save_garbage(void)
{
    molt_gc_set_debug(MOLT_GC_SAVEALL);
    molt_gc_collect(2);
    molt_gc_set_debug(0);
    molt_gc_clear_garbage();
}

static void use_garbage(void)
{
    void *objects[8] = {NULL};
    molt_gc_set_debug(0);
    size_t count = molt_gc_garbage(objects, COUNT_OF(objects));
    for (size_t i = 0; i < count && i < COUNT_OF(objects); i++)
        EXPECT(molt_is_object(objects[i]));
    molt_gc_clear_garbage();
    use_dying();
}

/* ---- Scenarios: tables of other kinds ---- */

static void add_and_remove(void)
{
    for (int i = 0; i < 3; i++)
        molt_gc_add_callback(count_call, worker.act);
    for (int i = 0; i < 3; i++)
        molt_gc_remove_callback(count_call, worker.act);
}

static molt_type fresh_type = {
    .name = "fresh", .size = 40, .ref_count = 1, .refs = (const uint16_t[]){8}};

static void use_object(void)
{
    molt_release(node_take(&node_type, 0, NULL, NULL));
}

static void make_first(void)
{
    molt_release(molt_new(&fresh_type));
}

static void make_one_too(void)
{
    void *object = molt_new(&fresh_type);
    EXPECT(object != NULL && molt_typeof(object) == &fresh_type);
    molt_release(object);
}

static molt_str *strings[100];

static void intern(size_t from, size_t end)
{
    char text[20];
    for (size_t i = from; i < end; i++) {
        snprintf(text, sizeof text, "word %zu", i);
        molt_str *string = molt_str_from(text);
        strings[i] = molt_str_intern(string);
        molt_release(string);
    }
}

static molt_str *waiting[4];

static void intern_some(void)
{
    char text[20];
    intern(0, 47);
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        snprintf(text, sizeof text, "waits %zu", i);
        waiting[i] = molt_str_from(text);
    }
}

static void intern_more(void)
{
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        molt_str *interned = molt_str_intern(waiting[i]);
        molt_release(interned);
        molt_release(waiting[i]);
    }
}

static void use_strings(void)
{
    for (size_t i = 0; i < 47; i++) {
        char text[20];
        snprintf(text, sizeof text, "word %zu", i);
        molt_str *string = molt_str_from(text), *interned = molt_str_intern(string);
        EXPECT(interned == strings[i]);
        molt_release(interned);
        molt_release(string);
    }
}

/* ---- Scenarios: pools, GC tables, shared counts, owners ---- */

/* A size that no pool has yet; then its pool goes. */
static void make_and_trim(void)
{
    void *object = molt_new_extra(&node_type, 1000);
    molt_release(object);
    molt_trim(0);
}

static void make_large(void)
{
    void *object = molt_new_extra(&node_type, 50000);
    molt_release(object);
}

static void count_shared(void)
{
    molt_retain(shared);
    molt_retain(shared);
    molt_release(shared);
    molt_release(shared);
}

static void give_two_references(void)
{
    make_shared();
    molt_retain(shared);
    molt_retain(shared);
}

static void release_given(void)
{
    molt_release(shared);
    molt_release(shared);
}

static struct node *handed[2];

static void make_handed(void)
{
    for (size_t i = 0; i < COUNT_OF(handed); i++) {
        handed[i] = node_take(&node_type, 0, NULL, NULL);
        for (int n = 0; n < 3; n++)
            molt_retain(handed[i]);
    }
}

/* Of the four references that the worker counts. */
static void release_handed(void)
{
    for (size_t i = 0; i < COUNT_OF(handed); i++)
        molt_release(handed[i]);
}

static void settle(void)
{
    molt_gc_safepoint();
}

static void use_handed(void)
{
    for (size_t i = 0; i < COUNT_OF(handed); i++) {
        EXPECT(molt_is_object(handed[i]) && molt_refcount(handed[i]) == 3);
        for (int n = 0; n < 2; n++) {
            molt_release(handed[i]);
            EXPECT(molt_is_object(handed[i]));
        }
        molt_release(handed[i]);
        EXPECT(!molt_is_object(handed[i]));
    }
}

static void detach(void)
{
    struct heap *heap = object_heap();
    while (object_hooks.thread_ends(heap))
        continue;
}

/* ---- Scenarios: the lists of GC tables ---- */

/* Each instruction under the lock is tried. */
static void stop_under_table_lock(void)
{
    worker.stops = gc_table_lock_is_mine;
}

static void *going;

static void make_lone(void)
{
    molt_release(molt_new_extra(&node_type, 1000));
}

static void trim(void)
{
    molt_trim(0);
}

static void make_going(void)
{
    going = molt_new_extra(&node_type, 50000);
}

static void release_going(void)
{
    molt_release(going);
}

static bool is_in_all(const struct gc_table *table)
{
    const struct link *link = gc_table_all.next;
    while (link != &gc_table_all && link != &table->all)
        link = link->next;
    return link == &table->all;
}

static void use_young(void)
{
    molt_gc_objects(-1, NULL, NULL); /* the child is repaired */
    for (struct link *link = gc_table_young.next; link != &gc_table_young; link = link->next)
        EXPECT(is_in_all(LINK_OWNER(link, struct gc_table, young)));
}

/* Two old nodes of a thread that has ended. Where one dies on another thread its table is stale. */
static struct node *left[2];

static void *make_left(void *unused)
{
    for (size_t i = 0; i < COUNT_OF(left); i++)
        left[i] = node_take(&node_type, 0, NULL, NULL);
    return unused;
}

static struct gc_table *left_table(void)
{
    return map_pool(left[1])->gc_table;
}

static void make_stale(void)
{
    pthread_t thread;
    stop_under_table_lock();
    ck_assert_int_eq(pthread_create(&thread, NULL, make_left, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(molt_gc_collect(2) >= 0);
    molt_release(left[0]);
    ck_assert(left_table()->is_stale);
}

/* As a collection begins; the main thread uses no objects meanwhile. */
static void refresh(void)
{
    gc_table_lock_acquire();
    generation_refresh();
    gc_table_lock_release();
}

/* The table is where the next collection finds it, and after that the dead node counts as young. */
static void use_stale(void)
{
    struct gc_table *table = left_table();
    unsigned dead = gc_table_index(table, left[0]);
    molt_gc_objects(-1, NULL, NULL); /* the child is repaired */
    EXPECT(link_is_linked(&table->young) || link_is_linked(&table->stale));
    EXPECT(molt_gc_collect(0) >= 0);
    EXPECT(!gc_table_test(table, GC_OLD, dead) && !table->is_stale);
    EXPECT(molt_is_object(left[1]) && molt_refcount(left[1]) == 1);
}

/* ---- Scenarios: objects that change and die ---- */

static struct node *tree;

static struct node *make_tree(int depth)
{
    if (depth == 0)
        return molt_retain(shared);
    return node_take(&node_type, 0, make_tree(depth - 1), make_tree(depth - 1));
}

static void plant(void)
{
    tree = make_tree(3);
}

static void fell(void)
{
    molt_release(tree);
}

static molt_list *list;
static molt_dict *dict;
static molt_int *numbers[12];

static void make_containers(void)
{
    list = molt_list_new();
    dict = molt_dict_new();
    for (int i = 0; i < 12; i++) {
        numbers[i] = molt_int_new(1000 + i);
        molt_list_append(list, shared);
    }
    for (int i = 0; i < 5; i++)
        molt_dict_set(dict, numbers[i], shared);
}

static void change_list(void)
{
    molt_list_insert(list, 3, shared);
    for (int i = 0; i < 10; i++)
        molt_list_append(list, shared);
    while (molt_list_length(list) > 2)
        molt_release(molt_list_pop(list, 1));
    molt_list_clear(list);
    molt_release(list);
}

static void change_dict(void)
{
    for (int i = 4; i < 12; i++)
        molt_dict_set(dict, numbers[i], shared);
    for (int i = 2; i < 6; i++)
        molt_dict_delete(dict, numbers[i]);
    molt_dict_clear(dict);
    molt_release(dict);
}

/* ---- Scenarios: blocks ---- */

static void use_huge(void)
{
    char *block = molt_malloc(HUGE_BYTES), *other = molt_malloc(HUGE_BYTES * 2);
    block = molt_realloc(block, HUGE_BYTES * 2);
    molt_free(block);
    molt_free(other);
    block = molt_malloc(HUGE_BYTES);
    molt_free(block);
    molt_free(molt_malloc(300000));
}

/* The worker's first blocks, which the starter has for it (starter.h); two are freed. */
static void start(void)
{
    char *blocks[6];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = molt_malloc((size_t)24 << i);
        unit_fill(blocks[i], (size_t)24 << i, (unsigned)i);
    }
    molt_free(blocks[1]);
    molt_free(blocks[5]);
}

/* Where the starter has died, another one gives the first blocks: a dead heap takes none back. */
static void *start_in_thread(void *argument)
{
    start();
    for (size_t i = 0; i < 6; i++) {
        void *block = molt_malloc((size_t)24 << i);
        EXPECT(heap_state(map_heap(pool_heap(map_pool(block)))) != HEAP_DEAD);
        molt_free(block);
    }
    return argument;
}

static void use_starter(void)
{
    pthread_t thread;
    start();
    EXPECT(pthread_create(&thread, NULL, start_in_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    molt_trim(0);
}

/* Arenas up to the end of what the pool table serves (map.h); nothing is taken from them. */
static void fill_reach(void)
{
    while (map_arena_end() < map.reach_end)
        map_add_arena();
}

static void pass_reach(void)
{
    map_add_arena();
}

static void use_past_reach(void)
{
    char *runs[4];
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        runs[i] = molt_malloc(RUN_MAX);
        EXPECT(runs[i] != NULL);
        unit_fill(runs[i], 4096, (unsigned)i);
    }
    EXPECT(map_in_arena(runs[3]) && map_arena_end() <= map.reach_end);
    for (size_t i = 0; i < COUNT_OF(runs); i++)
        molt_free(runs[i]);
}

static const struct scenario scenarios[] = {
    {"weak references, a table", NULL, make_weak_to_some, NULL, make_weak_to_the_rest,
     get_all_alike, false},
    {"weak references freed", NULL, make_all_weak, NULL, free_some_weak, get_all_alike, false},
    {"a death with weak references", make_shared, make_dying, NULL, release_dying, use_dying,
     false},
    {"a collection", make_shared, make_garbage_with_weak, NULL, collect_it, use_dying, true},
    {"garbage that is kept", make_shared, make_garbage_with_weak, NULL, save_garbage, use_garbage,
     true},
    {"callbacks", NULL, use_object, NULL, add_and_remove, NULL, false},
    {"a type", NULL, use_object, NULL, make_first, make_one_too, false},
    {"interned strings", NULL, intern_some, NULL, intern_more, use_strings, false},
    {"a pool with a GC table", NULL, use_object, NULL, make_and_trim, NULL, false},
    {"a large object", NULL, use_object, NULL, make_large, NULL, false},
    {"shared counts", make_shared, use_object, NULL, count_shared, use_shared, false},
    {"shared counts in a queue", give_two_references, use_object, NULL, release_given, use_shared,
     false},
    {"a queue that is merged", NULL, make_handed, release_handed, settle, use_handed, false},
    {"an owner", NULL, NULL, NULL, use_object, NULL, false},
    {"an owner that ends", NULL, use_object, NULL, detach, NULL, false},
    {"a tree", make_shared, plant, NULL, fell, use_shared, false},
    {"a list", make_shared, make_containers, NULL, change_list, use_shared, false},
    {"a dict", make_shared, make_containers, NULL, change_dict, use_shared, false},
    {"huge blocks", NULL, NULL, NULL, use_huge, NULL, false},
    {"first blocks", NULL, NULL, NULL, start, use_starter, false},
    {"an arena past the reach", fill_reach, NULL, NULL, pass_reach, use_past_reach, false},
    {"a GC table goes with its pool", stop_under_table_lock, make_lone, NULL, trim, use_young,
     false},
    {"a GC table goes with a large object", stop_under_table_lock, make_going, NULL, release_going,
     use_young, false},
    {"a stale GC table", make_stale, use_object, NULL, refresh, use_stale, true},
};

static unsigned forks_wanted(void)
{
    const char *forks = getenv("FORKS");
    return forks != NULL ? (unsigned)atoi(forks) : FORKS_USUAL;
}

START_TEST(test_at_any_instruction)
{
    const struct scenario *scenario = &scenarios[_i];
    if (!step_is_possible(scenario->name))
        return;
    make_mine();
    if (scenario->set_up != NULL)
        scenario->set_up();
    worker.prepare = scenario->prepare;
    worker.meanwhile = scenario->meanwhile;
    worker.act = scenario->act;
    use_scenario = scenario->in_child;
    is_blocked = scenario->is_blocked;
    unsigned count = count_instructions();
    unsigned forks = worker.stops != NULL ? count : forks_wanted();
    unsigned stride = (count + forks - 1) / forks;
    unsigned instructions = step_through(stride);
    printf("%s: %u instructions, each %u.\n", scenario->name, instructions, stride);
    if (failure[0] != '\0')
        ck_abort_msg("%s, %s", scenario->name, failure);
}
END_TEST

Suite *suite_fork(void)
{
    Suite *suite = suite_create("fork");
    TCase *steps = tcase_create("steps");
    tcase_set_timeout(steps, 300);
    tcase_add_loop_test(steps, test_at_any_instruction, 0, COUNT_OF(scenarios));
    suite_add_tcase(suite, steps);
    return suite;
}
