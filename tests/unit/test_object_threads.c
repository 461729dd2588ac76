/* test_object_threads.c: objects of several threads: counts, collections, safepoints, fork. */
#include "objects.h"
#include "suites.h"
#include "unit.h"

#include "object/count.h"

#include "molt_value.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static unsigned long rounds(unsigned long usual)
{
    return unit_is_sanitized() ? usual / 10 : usual;
}

/* ---- Threads that come and go at a word ---- */

/* What counts objects in the tests: disposals may come from any thread. */
static atomic_size_t deaths, finalized;

static void count_death(void *object)
{
    (void)object;
    atomic_fetch_add(&deaths, 1);
}

static void count_finalizer(void *object)
{
    (void)object;
    atomic_fetch_add(&finalized, 1);
}

MOLT_TYPE(shared_type, struct node, MOLT_REFS(struct node, a, b), .dispose = count_death,
          .finalize = count_finalizer);
MOLT_TYPE(plain_type, struct node, MOLT_REFS(struct node, a, b), .dispose = count_death);
MOLT_TYPE(leaf_type, struct node, .dispose = count_death);

static const molt_type *const shared_types[] = {&shared_type, &plain_type, &leaf_type};

static struct node *shared_new(const molt_type *type)
{
    return node_take(type, 0, NULL, NULL);
}

/* A thread that runs `function` and then waits, alive, until thread_end. */
struct worker {
    pthread_t thread;
    void (*function)(void *);
    void *argument;
    atomic_int stage; /* 1: the function has returned; 2: end */
    bool blocks;      /* waits in a blocking region, else at safepoints */
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    worker->function(worker->argument);
    if (worker->blocks)
        molt_gc_blocking_begin();
    atomic_store(&worker->stage, 1);
    while (atomic_load(&worker->stage) != 2) {
        if (!worker->blocks)
            molt_gc_safepoint();
        sched_yield();
    }
    if (worker->blocks)
        molt_gc_blocking_end();
    return NULL;
}

/* Returns when the function has. */
static void worker_start(struct worker *worker, void (*function)(void *), void *argument)
{
    worker->function = function;
    worker->argument = argument;
    ck_assert_int_eq(pthread_create(&worker->thread, NULL, work, worker), 0);
    while (atomic_load(&worker->stage) != 1)
        sched_yield();
}

static void worker_end(struct worker *worker)
{
    atomic_store(&worker->stage, 2);
    pthread_join(worker->thread, NULL);
}

/* The same function in several threads at once. */
enum { THREADS = 4 };

static void in_threads(void *(*function)(void *), void *argument)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, function, argument), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- Handing over ---- */

static void make_one(void *out)
{
    *(struct node **)out = shared_new(&shared_type);
}

/* The owner lives, and gets its object's count settled when it comes to a safepoint. */
START_TEST(test_released_by_another)
{
    struct worker worker = {.blocks = _i == 1};
    struct node *node;
    worker_start(&worker, make_one, &node);
    ck_assert_uint_eq(molt_refcount(node), 1);
    molt_retain(node);
    ck_assert_uint_eq(molt_refcount(node), 2);
    molt_release(node);
    ck_assert_uint_eq(atomic_load(&deaths), 0);
    molt_release(node);
    worker_end(&worker);
    ck_assert_uint_eq(atomic_load(&deaths), 1);
    ck_assert_uint_eq(atomic_load(&finalized), 1);
    ck_assert(!molt_is_object(node));
}
END_TEST

static void *make_and_end(void *out)
{
    struct node **nodes = out;
    for (size_t i = 0; i < 3; i++)
        nodes[i] = shared_new(shared_types[i]);
    return NULL;
}

/* The owner's thread has ended: the object dies at once. */
START_TEST(test_owner_has_ended)
{
    struct node *nodes[3];
    unit_in_thread(make_and_end, nodes);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(molt_refcount(nodes[i]), 1);
        molt_retain(nodes[i]);
        molt_release(nodes[i]);
        ck_assert_uint_eq(atomic_load(&deaths), i);
        molt_release(nodes[i]);
        ck_assert_uint_eq(atomic_load(&deaths), i + 1);
    }
}
END_TEST

static void *release_it(void *object)
{
    molt_release(object);
    return NULL;
}

static void *retain_it(void *object)
{
    molt_retain(object);
    return NULL;
}

/* References that others have taken are released by the owner, and the other way round. */
START_TEST(test_counts_on_both_sides)
{
    for (size_t i = 0; i < COUNT_OF(shared_types); i++) {
        struct node *node = shared_new(shared_types[i]);
        size_t before = atomic_load(&deaths);
        for (int times = 0; times < 3; times++) {
            unit_in_thread(retain_it, node);
            ck_assert_uint_eq(molt_refcount(node), 2);
            molt_release(node);
            ck_assert_uint_eq(molt_refcount(node), 1);
            molt_retain(node);
            unit_in_thread(release_it, node);
            molt_gc_safepoint();
            ck_assert_uint_eq(molt_refcount(node), 1);
        }
        ck_assert_uint_eq(atomic_load(&deaths), before);
        unit_in_thread(release_it, node);
        molt_gc_safepoint();
        ck_assert_uint_eq(atomic_load(&deaths), before + 1);
        ck_assert(!molt_is_object(node));
    }
}
END_TEST

/* A new object in the place of one that was shared begins anew. */
START_TEST(test_place_of_a_shared_object)
{
    for (int i = 0; i < 100; i++) {
        struct node *node = shared_new(&plain_type);
        unit_in_thread(i % 2 == 0 ? retain_it : release_it, node);
        if (i % 2 == 0) {
            molt_release(node);
            molt_release(node);
        }
        molt_gc_safepoint();
        ck_assert_uint_eq(atomic_load(&deaths), (size_t)i + 1);
    }
    for (int i = 0; i < 100; i++) {
        struct node *node = shared_new(&plain_type);
        ck_assert_uint_eq(molt_refcount(node), 1);
        molt_release(node);
    }
    ck_assert_uint_eq(atomic_load(&deaths), 200);
}
END_TEST

static struct node *immortal;

static void *release_immortal_twice(void *unused)
{
    molt_release(immortal);
    molt_release(immortal);
    return unused;
}

/* What others have released before does not count any more. */
START_TEST(test_immortal_with_a_count_to_settle)
{
    immortal = shared_new(&plain_type);
    for (int i = 0; i < 4; i++)
        molt_retain(immortal);
    unit_in_thread(release_immortal_twice, NULL);
    molt_immortalize(immortal);
    molt_gc_safepoint();
    ck_assert_uint_eq(molt_refcount(immortal), SIZE_MAX);
    unit_in_thread(release_immortal_twice, NULL);
    molt_gc_safepoint();
    molt_gc_collect(2);
    ck_assert_uint_eq(molt_refcount(immortal), SIZE_MAX);
    ck_assert(molt_is_object(immortal));
}
END_TEST

/* Large objects and leaves go the same ways. */
static void retain_one(void *node)
{
    molt_retain(node);
}

static void *release_one(void *node)
{
    molt_release(node);
    return NULL;
}

/* What held it dies, of the same kind and without callbacks. */
START_TEST(test_held_by_another_when_its_parent_dies)
{
    struct worker worker = {.stage = 0};
    struct node *child = node_take(&node_type, 0, NULL, NULL);
    struct node *parent = node_take(&node_type, 0, child, node_take(&node_type, 0, NULL, NULL));
    worker_start(&worker, retain_one, child);
    molt_release(parent);
    ck_assert(molt_is_object(child));
    ck_assert_uint_eq(molt_refcount(child), 1);
    worker_end(&worker);
    unit_in_thread(release_one, child);
    ck_assert(!molt_is_object(child));
}
END_TEST

static void *retain_and_release_many(void *node)
{
    for (int i = 0; i < 100; i++)
        molt_retain(node);
    for (int i = 0; i < 200; i++)
        molt_release(node);
    return NULL;
}

/* The others' part of a count stays where it has come to its limit. */
START_TEST(test_others_count_overflows)
{
    struct node *node = shared_new(&plain_type);
    _Atomic uint32_t *word = count_word(node);
    atomic_store(word, (uint32_t)(SHARED_MAX - 1) << SHARED_SHIFT);
    unit_in_thread(retain_and_release_many, node);
    ck_assert_int_eq(shared_count(atomic_load(word)), SHARED_MAX);
    ck_assert(molt_is_object(node));
}
END_TEST

static atomic_int step;

static void dispose_slowly(void *object)
{
    count_death(object);
    if (atomic_load(&step) != 0)
        return;
    atomic_store(&step, 1);
    while (atomic_load(&step) == 1)
        sched_yield();
}

MOLT_TYPE(slow_type, struct node, MOLT_REFS(struct node, a, b), .dispose = dispose_slowly);

static void release_and_collect(void *ring)
{
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}

/* Garbage that its owner had still to settle is settled no more, while another thread frees it. */
START_TEST(test_garbage_with_a_count_to_settle)
{
    struct worker worker = {.stage = 0};
    struct node *first = ring_new(&slow_type, 0, 2);
    worker.function = release_and_collect;
    worker.argument = molt_retain(first->a);
    molt_release(first);
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_create(&worker.thread, NULL, work, &worker), 0);
    while (atomic_load(&step) != 1)
        sched_yield();
    molt_gc_blocking_end();
    molt_gc_safepoint();
    atomic_store(&step, 2);
    while (atomic_load(&worker.stage) != 1)
        molt_gc_safepoint();
    worker_end(&worker);
    ck_assert_uint_eq(atomic_load(&deaths), 2);
}
END_TEST

static struct node *handed_over;

static void hand_over(void *object)
{
    handed_over = molt_retain(object);
    atomic_store(&step, 1);
    while (atomic_load(&step) == 1)
        sched_yield();
}

MOLT_TYPE(handing_type, struct node, MOLT_REFS(struct node, a, b), .finalize = hand_over,
          .dispose = count_death);

static void collect_nothing(void *unused)
{
    (void)unused;
    ck_assert_int_eq(molt_gc_collect(2), 0);
}

/* The owner drops all that it counts of an object while another thread's collection keeps it; what
 * is left is a reference that the other thread counts, and the owner may release that. */
START_TEST(test_owner_releases_what_a_finalizer_retained)
{
    struct worker worker = {.function = collect_nothing};
    molt_release(ring_new(&handing_type, 0, 1));
    molt_gc_blocking_begin();
    ck_assert_int_eq(pthread_create(&worker.thread, NULL, work, &worker), 0);
    while (atomic_load(&step) != 1)
        sched_yield();
    molt_gc_blocking_end();
    molt_clear(&handed_over->a);
    molt_gc_blocking_begin();
    atomic_store(&step, 2);
    while (atomic_load(&worker.stage) != 1)
        sched_yield();
    molt_gc_blocking_end();
    ck_assert_uint_eq(molt_refcount(handed_over), 1);
    molt_release(handed_over);
    ck_assert_uint_eq(atomic_load(&deaths), 1);
    worker_end(&worker);
}
END_TEST

START_TEST(test_large_by_another)
{
    static const size_t extras[] = {40000, 3 << 20};
    for (size_t t = 0; t < COUNT_OF(shared_types); t++)
        for (size_t i = 0; i < COUNT_OF(extras); i++) {
            struct node *node = molt_new_extra(shared_types[t], extras[i]);
            size_t before = atomic_load(&deaths);
            unit_in_thread(retain_it, node);
            unit_in_thread(release_it, node);
            unit_in_thread(release_it, node);
            molt_gc_safepoint();
            ck_assert_uint_eq(atomic_load(&deaths), before + 1);
            ck_assert(!molt_is_object(node));
        }
}
END_TEST

/* ---- At the same time ---- */

static void *retain_and_release(void *object)
{
    for (unsigned long i = 0; i < rounds(100000); i++) {
        molt_retain(object);
        if (i % 3 == 0)
            molt_retain(object);
        molt_release(object);
        if (i % 3 == 0)
            molt_release(object);
    }
    return NULL;
}

START_TEST(test_counts_at_the_same_time)
{
    struct node *node = shared_new(&shared_type);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, retain_and_release, node), 0);
    retain_and_release(node);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    molt_gc_safepoint();
    ck_assert_uint_eq(molt_refcount(node), 1);
    ck_assert_uint_eq(atomic_load(&deaths), 0);
    molt_release(node);
    ck_assert_uint_eq(atomic_load(&deaths), 1);
}
END_TEST

/* Each thread begins with an object of each type: all register the types at once. */
static molt_type fresh_types[50];
static pthread_barrier_t barrier;

static void *use_fresh_types(void *unused)
{
    molt_release(shared_new(&plain_type));
    for (size_t i = 0; i < COUNT_OF(fresh_types); i++) {
        pthread_barrier_wait(&barrier);
        for (int n = 0; n < 10; n++) {
            struct node *node = molt_new(&fresh_types[i]);
            REQUIRE(molt_typeof(node) == &fresh_types[i], "the type of object %d of type %zu", n,
                    i);
            molt_release(node);
        }
    }
    return unused;
}

START_TEST(test_first_objects_of_a_type)
{
    for (size_t i = 0; i < COUNT_OF(fresh_types); i++)
        fresh_types[i] =
            (molt_type){.name = "fresh", .size = sizeof(struct node), .flags = MOLT_LEAF};
    pthread_barrier_init(&barrier, NULL, THREADS);
    in_threads(use_fresh_types, NULL);
}
END_TEST

/* A place that all threads take from and put into; the reference in it is the place's. */
struct place {
    pthread_mutex_t lock;
    struct node *node;
};

static struct place places[16];

static struct node *exchange(struct place *place, struct node *node)
{
    pthread_mutex_lock(&place->lock);
    struct node *old = place->node;
    place->node = node;
    pthread_mutex_unlock(&place->lock);
    return old;
}

static struct node *borrow(struct place *place)
{
    pthread_mutex_lock(&place->lock);
    struct node *node = molt_retain(place->node);
    pthread_mutex_unlock(&place->lock);
    return node;
}

static atomic_size_t made;

static void *trade(void *seed)
{
    static atomic_uint thread_number;
    uint64_t state = (uintptr_t)seed + atomic_fetch_add(&thread_number, 1);
    for (unsigned long i = 0; i < rounds(100000); i++) {
        struct place *place = &places[unit_random(&state) % COUNT_OF(places)];
        struct node *node = borrow(place);
        if (i % 4 == 0) {
            molt_release(exchange(place, shared_new(shared_types[unit_random(&state) % 3])));
            atomic_fetch_add(&made, 1);
        } else if (i % 4 == 1) {
            molt_release(exchange(place, molt_retain(node)));
        }
        molt_release(node);
        molt_gc_safepoint();
    }
    return NULL;
}

START_TEST(test_trade)
{
    for (size_t i = 0; i < COUNT_OF(places); i++)
        pthread_mutex_init(&places[i].lock, NULL);
    in_threads(trade, NULL);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        molt_release(exchange(&places[i], NULL));
    molt_gc_collect(2);
    ck_assert_uint_eq(atomic_load(&deaths), atomic_load(&made));
}
END_TEST

/* ---- Weak references ---- */

static molt_weak *weak;
static atomic_size_t told, got;

static void count_told(molt_weak *of, void *arg)
{
    (void)of, (void)arg;
    atomic_fetch_add(&told, 1);
}

static void *get_or_release(void *object)
{
    static atomic_uint thread_number;
    bool releases = atomic_fetch_add(&thread_number, 1) % THREADS == 0;
    pthread_barrier_wait(&barrier);
    if (releases) {
        molt_release(object);
        return NULL;
    }
    for (int i = 0; i < 20; i++) {
        struct node *node = molt_weak_get(weak);
        if (node == NULL)
            break;
        REQUIRE(node == object && molt_typeof(node) == &shared_type, "not the object");
        atomic_fetch_add(&got, 1);
        molt_release(node);
    }
    return NULL;
}

/* The last release against those who want one more: either they get a live object, or none. */
START_TEST(test_weak_get_against_the_last_release)
{
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned long i = 0; i < rounds(1000); i++) {
        struct node *node = shared_new(&shared_type);
        weak = molt_weak_new(node, count_told, NULL);
        in_threads(get_or_release, node);
        molt_gc_safepoint();
        REQUIRE(atomic_load(&deaths) == i + 1, "round %lu: %zu deaths", i, atomic_load(&deaths));
        REQUIRE(atomic_load(&told) == i + 1, "round %lu: told %zu times", i, atomic_load(&told));
        REQUIRE(molt_weak_get(weak) == NULL, "round %lu: alive", i);
        molt_weak_free(weak);
    }
    ck_assert_uint_eq(atomic_load(&finalized), rounds(1000));
}
END_TEST

/* ---- Collections ---- */

static void make_half_of_a_ring(void *out)
{
    struct node **ring = out;
    struct node *node = shared_new(&shared_type);
    node->a = *ring;
    *ring = node;
}

/* One ring through objects of several threads, alive or ended. */
START_TEST(test_ring_of_several_threads)
{
    struct worker running = {.blocks = false}, blocked = {.blocks = true};
    struct node *ring = shared_new(&shared_type), *first = ring, *others[3];
    worker_start(&running, make_half_of_a_ring, &ring);
    worker_start(&blocked, make_half_of_a_ring, &ring);
    unit_in_thread(make_and_end, others);
    molt_set(&first->a, ring);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 3 + 2);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(atomic_load(&deaths), 3);
    ck_assert_uint_eq(atomic_load(&finalized), 3);
    worker_end(&running);
    worker_end(&blocked);
}
END_TEST

/* The same in generations 0 and 1. */
START_TEST(test_young_ring_of_several_threads)
{
    struct worker worker = {.blocks = false};
    struct node *ring = shared_new(&shared_type), *first = ring;
    worker_start(&worker, make_half_of_a_ring, &ring);
    molt_set(&first->a, ring);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(_i), 2);
    worker_end(&worker);
}
END_TEST

/* A reference that another thread counts keeps a ring. */
START_TEST(test_ring_held_by_another)
{
    struct node *ring = ring_new(&shared_type, 0, 3);
    unit_in_thread(retain_it, ring->a);
    molt_release(ring);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    unit_in_thread(release_it, ring->a);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_uint_eq(atomic_load(&deaths), 3);
}
END_TEST

static atomic_bool is_over;

static void *make_rings(void *own_only)
{
    static atomic_uint thread_number;
    unsigned number = atomic_fetch_add(&thread_number, 1);
    uint64_t state = number;
    for (unsigned long i = 0; i < rounds(100000); i++) {
        struct node *ring = ring_new(&plain_type, 0, 1 + (int)(unit_random(&state) % 4));
        if (own_only == NULL && i % 8 == 0) {
            struct place *place = &places[unit_random(&state) % COUNT_OF(places)];
            ring->b = exchange(place, molt_retain(ring));
        }
        molt_release(ring);
        if (i % 1000 == 0 && number % 2 == 0)
            molt_gc_collect((int)(unit_random(&state) % 3));
    }
    return NULL;
}

START_TEST(test_garbage_of_several_threads)
{
    for (size_t i = 0; i < COUNT_OF(places); i++)
        pthread_mutex_init(&places[i].lock, NULL);
    in_threads(make_rings, _i == 0 ? &is_over : NULL);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        molt_release(exchange(&places[i], NULL));
    ck_assert_int_ge(molt_gc_collect(2), 0);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 0);
    ck_assert_uint_gt(atomic_load(&deaths), 0);
}
END_TEST

/* ---- Safepoints ---- */

static void use_one(void *unused)
{
    (void)unused;
    molt_release(shared_new(&plain_type));
}

static void *never_come(void *argument)
{
    atomic_int *stage = argument;
    use_one(NULL);
    atomic_store(stage, 1);
    while (atomic_load(stage) == 1)
        sched_yield();
    return NULL;
}

static uint64_t stats_skipped(int generation)
{
    struct molt_gc_stats stats;
    molt_gc_get_stats(generation, &stats);
    return stats.skipped;
}

/* A thread that does not come: the collection is skipped, and the garbage waits. */
START_TEST(test_thread_that_does_not_come)
{
    atomic_int stage = 0;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, never_come, &stage), 0);
    while (atomic_load(&stage) == 0)
        sched_yield();
    molt_gc_disable();
    make_garbage(10);
    errno = 0;
    ck_assert_int_eq(molt_gc_collect(2), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_uint_eq(stats_skipped(2), 1);
    molt_gc_set_threshold(5, 1000, 1000);
    molt_gc_enable();
    errno = 77;
    make_garbage(20); /* the one that failed has doubled the threshold */
    ck_assert_int_eq(errno, 77);
    ck_assert_uint_gt(stats_skipped(0), 0);
    molt_gc_disable();
    atomic_store(&stage, 2);
    pthread_join(thread, NULL);
    ck_assert_int_eq(molt_gc_collect(2), 30);
}
END_TEST

static atomic_int other_stage;

static void let_other_run(struct node *node)
{
    (void)node;
    atomic_store(&other_stage, 2);
    while (atomic_load(&other_stage) != 3)
        sched_yield();
}

static void *leave_the_region(void *unused)
{
    use_one(NULL);
    molt_gc_blocking_begin();
    atomic_store(&other_stage, 1);
    while (atomic_load(&other_stage) != 2)
        sched_yield();
    molt_gc_blocking_end();
    atomic_store(&other_stage, 3);
    while (atomic_load(&other_stage) != 4)
        sched_yield();
    return unused;
}

/* The same after the finalizers: they have run, the garbage is kept for the next collection. */
START_TEST(test_thread_that_does_not_come_again)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_the_region, NULL), 0);
    while (atomic_load(&other_stage) != 1)
        sched_yield();
    struct node *ring = ring_new(&telling_type, 1, 3);
    ring->on_finalize = let_other_run;
    molt_release(ring);
    errno = 0;
    ck_assert_int_eq(molt_gc_collect(2), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_uint_eq(disposed_nodes(), 0);
    ck_assert_uint_eq(molt_refcount(ring), 1);
    atomic_store(&other_stage, 4);
    pthread_join(thread, NULL);
    ck_assert_int_eq(molt_gc_collect(2), 3);
    ck_assert_str_eq(diary_read(), "f1 f2 f3 d1 d2 d3");
}
END_TEST

/* Blocking regions may be nested, and empty for a thread that has no object. */
START_TEST(test_blocking_regions)
{
    molt_gc_blocking_begin();
    molt_gc_blocking_end();
    molt_gc_blocking_end();
    struct worker worker = {.blocks = true};
    worker_start(&worker, use_one, NULL);
    make_garbage(10);
    ck_assert_int_eq(molt_gc_collect(2), 10);
    molt_gc_blocking_begin();
    molt_gc_blocking_begin();
    molt_gc_safepoint();
    molt_gc_blocking_end();
    molt_gc_blocking_end();
    molt_release(shared_new(&plain_type));
    worker_end(&worker);
}
END_TEST

/* A thread that has never used objects is not waited for. */
static void *wait_for_the_end(void *unused)
{
    while (!atomic_load(&is_over))
        sched_yield();
    return unused;
}

START_TEST(test_strangers_are_not_waited_for)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_the_end, NULL), 0);
    make_garbage(10);
    ck_assert_int_eq(molt_gc_collect(2), 10);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}
END_TEST

/* What a thread may do first with an object that it was handed: from then on it is waited for. */
static void take_a(void *node)
{
    ck_assert_ptr_null(molt_take(&((struct node *)node)->a));
}

static void clear_a(void *node)
{
    molt_clear(&((struct node *)node)->a);
}

static void set_a_to_null(void *node)
{
    molt_set(&((struct node *)node)->a, NULL);
}

static void retain_itself(void *node)
{
    molt_release(molt_retain(node));
}

static void say_so(void *node)
{
    (void)node;
    molt_gc_attach();
}

/* Small numbers are immortal, so nothing is counted. */
static molt_list *numbers;

static void pop_a_number(void *unused)
{
    (void)unused;
    ck_assert_ptr_nonnull(molt_list_pop(numbers, 0));
}

static struct {
    void (*act)(void *);
    struct node *node;
    atomic_int stage;
} first_act;

static void *act_and_stay(void *unused)
{
    first_act.act(first_act.node);
    atomic_store(&first_act.stage, 1);
    while (atomic_load(&first_act.stage) != 2)
        sched_yield();
    return unused;
}

START_TEST(test_who_changes_a_field_is_waited_for)
{
    static void (*const acts[])(void *) = {take_a,        clear_a, set_a_to_null,
                                           retain_itself, say_so,  pop_a_number};
    pthread_t thread;
    numbers = molt_list_new();
    molt_list_append(numbers, molt_int_new(1));
    first_act.act = acts[_i];
    first_act.node = shared_new(&plain_type);
    ck_assert_int_eq(pthread_create(&thread, NULL, act_and_stay, NULL), 0);
    while (atomic_load(&first_act.stage) == 0)
        sched_yield();
    errno = 0;
    ck_assert_int_eq(molt_gc_collect(2), -1);
    ck_assert_int_eq(errno, EBUSY);
    atomic_store(&first_act.stage, 2);
    pthread_join(thread, NULL);
    ck_assert_int_eq(molt_gc_collect(2), 0);
    molt_release(first_act.node);
    molt_release(numbers);
}
END_TEST

/* Two collect at once: both get their turn, and what one finds the other does not. */
static atomic_long found;

static void *collect_often(void *unused)
{
    for (unsigned long i = 0; i < rounds(1000); i++) {
        make_garbage(3);
        long result = molt_gc_collect((int)(i % 3));
        REQUIRE(result >= 0, "result %ld", result);
        atomic_fetch_add(&found, result);
    }
    return unused;
}

START_TEST(test_collectors_at_the_same_time)
{
    molt_gc_disable();
    in_threads(collect_often, NULL);
    long last = molt_gc_collect(2);
    ck_assert_int_eq(atomic_load(&found) + last, 3 * THREADS * (long)rounds(1000));
}
END_TEST

static void *look_around(void *unused)
{
    for (unsigned long i = 0; i < rounds(300); i++) {
        struct node *ring = ring_new(&node_type, 0, 2);
        REQUIRE(molt_gc_referrers(ring, NULL, NULL) == 1, "referrers");
        REQUIRE(molt_gc_objects(-1, NULL, NULL) >= 2, "objects");
        molt_gc_freeze();
        molt_gc_frozen_count();
        molt_gc_unfreeze();
        molt_release(ring);
    }
    return unused;
}

START_TEST(test_looking_at_the_same_time)
{
    in_threads(look_around, NULL);
    molt_gc_collect(2);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 0);
}
END_TEST

/* Many short threads: owners come again with the heaps. */
static void *live_shortly(void *out)
{
    struct node *node = shared_new(&plain_type);
    make_garbage(5);
    molt_release(exchange(out, node));
    return NULL;
}

START_TEST(test_short_threads)
{
    struct place place = {.node = NULL};
    pthread_mutex_init(&place.lock, NULL);
    for (unsigned long i = 0; i < rounds(500); i++)
        in_threads(live_shortly, &place);
    ck_assert_uint_eq(atomic_load(&deaths), rounds(500) * THREADS - 1);
    molt_release(exchange(&place, NULL));
    molt_gc_collect(2);
    ck_assert_uint_eq(molt_gc_objects(-1, NULL, NULL), 0);
}
END_TEST

/* ---- fork ---- */

static int in_child(void (*function)(void *), void *argument)
{
    char text[1000];
    int status = unit_child(function, argument, text, sizeof text);
    if (status != 0)
        fprintf(stderr, "%s", text);
    return status;
}

/* In the child: its own objects, those of threads that it does not have, new ones and garbage. */
static void use_in_child(void *argument)
{
    struct node **nodes = argument;
    size_t before = atomic_load(&deaths);
    for (int i = 0; i < 2; i++) {
        molt_retain(nodes[i]);
        molt_release(nodes[i]);
        molt_release(nodes[i]);
    }
    if (atomic_load(&deaths) != before + 2)
        _exit(1);
    make_garbage(1000);
    if (molt_gc_collect(2) < 0)
        _exit(2);
    struct node *node = shared_new(&shared_type);
    molt_weak *to_node = molt_weak_new(node, NULL, NULL);
    molt_release(node);
    if (molt_weak_get(to_node) != NULL)
        _exit(3);
}

START_TEST(test_fork)
{
    struct worker worker = {.blocks = _i == 1};
    struct node *nodes[2] = {shared_new(&shared_type), NULL};
    worker_start(&worker, make_one, &nodes[1]);
    ck_assert_int_eq(in_child(use_in_child, nodes), 0);
    ck_assert_uint_eq(molt_refcount(nodes[0]), 1);
    ck_assert_uint_eq(molt_refcount(nodes[1]), 1);
    molt_release(nodes[1]);
    worker_end(&worker);
    ck_assert_uint_eq(atomic_load(&deaths), 1);
}
END_TEST

static void *keep_collecting(void *unused)
{
    while (!atomic_load(&is_over)) {
        make_garbage(10);
        molt_gc_collect(2);
    }
    return unused;
}

static void use_a_little(void *unused)
{
    (void)unused;
    make_garbage(100);
    if (molt_gc_collect(2) < 0)
        _exit(1);
    molt_release(shared_new(&plain_type));
}

/* Whatever another thread's collection has just come to. */
START_TEST(test_fork_while_another_collects)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_collecting, NULL), 0);
    for (unsigned long i = 0; i < rounds(300); i++)
        ck_assert_int_eq(in_child(use_a_little, NULL), 0);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}
END_TEST

Suite *suite_object_threads(void)
{
    Suite *suite = suite_create("object_threads");
    TCase *counts = tcase_create("counts");
    tcase_set_timeout(counts, 60);
    tcase_add_loop_test(counts, test_released_by_another, 0, 2);
    tcase_add_test(counts, test_owner_has_ended);
    tcase_add_test(counts, test_counts_on_both_sides);
    tcase_add_test(counts, test_place_of_a_shared_object);
    tcase_add_test(counts, test_immortal_with_a_count_to_settle);
    tcase_add_test(counts, test_held_by_another_when_its_parent_dies);
    tcase_add_test(counts, test_others_count_overflows);
    tcase_add_test(counts, test_garbage_with_a_count_to_settle);
    tcase_add_test(counts, test_owner_releases_what_a_finalizer_retained);
    tcase_add_test(counts, test_large_by_another);
    tcase_add_test(counts, test_counts_at_the_same_time);
    tcase_add_test(counts, test_first_objects_of_a_type);
    tcase_add_test(counts, test_trade);
    tcase_add_test(counts, test_weak_get_against_the_last_release);
    suite_add_tcase(suite, counts);
    TCase *collections = tcase_create("collections");
    tcase_set_timeout(collections, 60);
    tcase_add_test(collections, test_ring_of_several_threads);
    tcase_add_loop_test(collections, test_young_ring_of_several_threads, 0, 2);
    tcase_add_test(collections, test_ring_held_by_another);
    tcase_add_loop_test(collections, test_garbage_of_several_threads, 0, 2);
    tcase_add_test(collections, test_thread_that_does_not_come);
    tcase_add_test(collections, test_thread_that_does_not_come_again);
    tcase_add_test(collections, test_blocking_regions);
    tcase_add_test(collections, test_strangers_are_not_waited_for);
    tcase_add_loop_test(collections, test_who_changes_a_field_is_waited_for, 0, 6);
    tcase_add_test(collections, test_collectors_at_the_same_time);
    tcase_add_test(collections, test_looking_at_the_same_time);
    tcase_add_test(collections, test_short_threads);
    suite_add_tcase(suite, collections);
    TCase *forks = tcase_create("fork");
    tcase_set_timeout(forks, 60);
    tcase_add_loop_test(forks, test_fork, 0, 2);
    tcase_add_test(forks, test_fork_while_another_collects);
    suite_add_tcase(suite, forks);
    return suite;
}
