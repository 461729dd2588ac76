/* collections.c: one graph of objects that several threads change while collections come by
 * themselves, beside a table of what there should be.
 *
 * Under one lock threads make, link, hold and let go of objects, and look through weak references.
 * Now and then all stop, and what can be reached from what is held is compared with what lives:
 * nothing of it has died, and, after a collection, nothing else lives.
 *
 *   collections [--threads N] [--seed S] [--rounds N] [--ops N] */
#include "failure.h"
#include "molt_object.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static unsigned long threads = 1, seed = 1, rounds = 20, ops = 20000;

/* ---- Objects with two references: in fields, behind the struct, and told by a callback ---- */

struct object {
    MOLT_OBJECT;
    int id;
    struct object *fields[2], *hidden[2];
    struct object *trailing[];
};

enum kind { FIELDS, TRAILING, HIDDEN, LARGE, KINDS };
enum { OBJECTS_MAX = 60000, HELD_MAX = 300, WEAK_MAX = 60 };

static atomic_bool disposed[OBJECTS_MAX], is_finalized[OBJECTS_MAX];
static atomic_int finalized;

static void dispose(void *object)
{
    int id = ((struct object *)object)->id;
    REQUIRE(!atomic_exchange(&disposed[id], true), "object %d died twice", id);
}

static void finalize(void *object);

static int traverse(void *object, molt_visit *visit, void *arg)
{
    struct object *o = object;
    for (int i = 0; i < 2; i++) {
        int result = o->hidden[i] != NULL ? visit(o->hidden[i], arg) : 0;
        if (result != 0)
            return result;
    }
    return 0;
}

static void clear(void *object)
{
    struct object *o = object;
    for (int i = 0; i < 2; i++)
        molt_clear(&o->hidden[i]);
}

static const uint16_t offsets[] = {offsetof(struct object, fields[0]),
                                   offsetof(struct object, fields[1])};
#define COMMON .name = "object", .size = sizeof(struct object), .dispose = dispose
static molt_type types[KINDS] = {
    {COMMON, .refs = offsets, .ref_count = 2},
    {COMMON, .flags = MOLT_TRAILING_REFS},
    {COMMON, .traverse = traverse, .clear = clear, .finalize = finalize},
    {COMMON, .refs = offsets, .ref_count = 2},
};

static struct object **slot_of(struct object *object, enum kind kind, int slot)
{
    return kind == TRAILING ? &object->trailing[slot]
           : kind == HIDDEN ? &object->hidden[slot]
                            : &object->fields[slot];
}

/* ---- What there should be: all of it under the lock ---- */

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* finalizers take it again */

static struct shadow {
    struct object *object;
    enum kind kind;
    int slot[2]; /* -1: none */
} shadows[OBJECTS_MAX];
static int shadow_count;
static int held[HELD_MAX]; /* by number; each holds a reference */
static size_t held_count;
static bool is_ending; /* all is let go of */
static struct {
    molt_weak *weak;
    int of;
} weak[WEAK_MAX];

static bool reached[OBJECTS_MAX];

static void reach(int id, int *stack, size_t *waiting)
{
    if (id < 0 || reached[id])
        return;
    reached[id] = true;
    stack[(*waiting)++] = id;
}

static void find_reachable(void)
{
    static int stack[OBJECTS_MAX];
    size_t waiting = 0;
    memset(reached, 0, sizeof reached);
    for (size_t i = 0; i < held_count; i++)
        reach(held[i], stack, &waiting);
    while (waiting > 0) {
        int id = stack[--waiting];
        reach(shadows[id].slot[0], stack, &waiting);
        reach(shadows[id].slot[1], stack, &waiting);
    }
}

/* The object, which is held, and must be alive. */
static struct object *expect_alive(int id)
{
    struct object *object = shadows[id].object;
    REQUIRE(!atomic_load(&disposed[id]) && molt_is_object(object) && object->id == id,
            "object %d is dead", id);
    for (int slot = 0; slot < 2; slot++) {
        int target = shadows[id].slot[slot];
        REQUIRE(*slot_of(object, shadows[id].kind, slot) ==
                    (target < 0 ? NULL : shadows[target].object),
                "object %d: slot %d", id, slot);
    }
    return object;
}

static void hold(int id, struct object *object)
{
    if (held_count < HELD_MAX)
        held[held_count++] = id;
    else
        molt_release(object);
}

/* Some hold their object again. By whoever released or collected it. */
static void finalize(void *object)
{
    int id = ((struct object *)object)->id;
    REQUIRE(!atomic_exchange(&is_finalized[id], true), "object %d finalized twice", id);
    atomic_fetch_add(&finalized, 1);
    pthread_mutex_lock(&lock);
    if (id % 4 == 0 && held_count < HELD_MAX && !is_ending)
        held[held_count++] = id, molt_retain(object);
    pthread_mutex_unlock(&lock);
}

/* ---- Operations; but for the first, all under the lock ---- */

static void op_new(uint64_t *random)
{
    static const enum kind usual[] = {FIELDS, FIELDS, FIELDS, TRAILING, TRAILING, HIDDEN};
    enum kind kind = random_below(random, 100) == 0 ? LARGE : usual[random_below(random, 6)];
    size_t extra = kind == TRAILING ? 16 : kind == LARGE ? 40000 : 0;
    struct object *object = molt_new_extra(&types[kind], extra);
    REQUIRE(object != NULL, "no memory");
    pthread_mutex_lock(&lock);
    REQUIRE(shadow_count < OBJECTS_MAX, "too many objects");
    int id = object->id = shadow_count++;
    shadows[id] = (struct shadow){.object = object, .kind = kind, .slot = {-1, -1}};
    hold(id, object);
    pthread_mutex_unlock(&lock);
}

static void op_set(uint64_t *random)
{
    int id = held[random_below(random, (uint32_t)held_count)];
    int target = held[random_below(random, (uint32_t)held_count)];
    int slot = (int)random_below(random, 2);
    if (random_below(random, 6) == 0)
        target = -1;
    struct object *object = expect_alive(id);
    shadows[id].slot[slot] = target;
    molt_set(slot_of(object, shadows[id].kind, slot), target < 0 ? NULL : shadows[target].object);
}

/* What an object refers to is held, too. */
static void op_get(uint64_t *random)
{
    int id = held[random_below(random, (uint32_t)held_count)];
    int target = shadows[id].slot[random_below(random, 2)];
    if (target >= 0)
        hold(target, molt_retain(expect_alive(target)));
}

static void op_drop(uint64_t *random)
{
    size_t i = random_below(random, (uint32_t)held_count);
    struct object *object = expect_alive(held[i]);
    held[i] = held[--held_count];
    molt_release(object);
}

static void op_weak(uint64_t *random)
{
    size_t i = random_below(random, WEAK_MAX);
    molt_weak_free(weak[i].weak);
    weak[i].of = held[random_below(random, (uint32_t)held_count)];
    weak[i].weak = molt_weak_new(expect_alive(weak[i].of), NULL, NULL);
    REQUIRE(weak[i].weak != NULL, "no memory");
}

static void op_weak_get(uint64_t *random)
{
    size_t i = random_below(random, WEAK_MAX);
    if (weak[i].weak == NULL)
        return;
    struct object *object = molt_weak_get(weak[i].weak);
    if (object != NULL) {
        REQUIRE(object == expect_alive(weak[i].of), "another object");
        hold(weak[i].of, object);
        return;
    }
    find_reachable();
    REQUIRE(!reached[weak[i].of], "object %d is not to be had", weak[i].of);
}

static void do_op(uint64_t *random)
{
    uint32_t dice = random_below(random, 100);
    if (dice < 25) {
        op_new(random);
        return;
    }
    pthread_mutex_lock(&lock);
    if (held_count != 0) {
        if (dice < 60)
            op_set(random);
        else if (dice < 68)
            op_get(random);
        else if (dice < 95)
            op_drop(random);
        else if (dice < 98)
            op_weak(random);
        else
            op_weak_get(random);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- Rounds ---- */

static pthread_barrier_t barrier;

/* Collections do not wait for who waits here. */
static void meet(void)
{
    molt_gc_blocking_begin();
    pthread_barrier_wait(&barrier);
    molt_gc_blocking_end();
}

/* Counts that others brought are settled by their owners, one after the other. */
static void settle(void)
{
    for (int i = 0; i < 4; i++) {
        molt_gc_safepoint();
        meet();
    }
}

/* All threads have stopped. */
static void check(void)
{
    find_reachable();
    for (int id = 0; id < shadow_count; id++) {
        if (reached[id])
            expect_alive(id);
        else
            REQUIRE(atomic_load(&disposed[id]), "object %d is left", id);
    }
}

static void let_go(void)
{
    is_ending = true;
    for (size_t i = 0; i < WEAK_MAX; i++)
        molt_weak_free(weak[i].weak);
    memset(weak, 0, sizeof weak);
    while (held_count > 0)
        molt_release(shadows[held[--held_count]].object);
}

static void begin_anew(void)
{
    is_ending = false;
    shadow_count = 0;
    memset(shadows, 0, sizeof shadows);
    for (int i = 0; i < OBJECTS_MAX; i++) {
        atomic_store(&disposed[i], false);
        atomic_store(&is_finalized[i], false);
    }
}

/* Others may still be settling, which calls finalizers. */
static void locked(void (*first)(void), void (*second)(void))
{
    pthread_mutex_lock(&lock);
    first();
    second();
    pthread_mutex_unlock(&lock);
}

/* By one thread, while the others come to safepoints. */
static void collect(bool leads)
{
    settle();
    if (leads)
        REQUIRE(molt_gc_collect(2) >= 0, "no collection");
    meet();
    settle();
}

static void *run(void *number)
{
    bool leads = number == NULL;
    uint64_t random = seed * 1000 + (uintptr_t)number;
    for (unsigned long round = 0; round < rounds; round++) {
        if (leads)
            place.step = round;
        for (unsigned long i = 0; i < ops / threads; i++)
            do_op(&random);
        meet();
        collect(leads);
        if (leads)
            locked(check, let_go);
        meet();
        collect(leads);
        if (leads)
            locked(check, begin_anew);
        meet();
    }
    return NULL;
}

/* ---- main ---- */

static const char usage[] = "collections [--threads N] [--seed S] [--rounds N] [--ops N]";

int main(int argc, char **argv)
{
    enum { THREADS_MAX = 64 };
    pthread_t others[THREADS_MAX];
    struct molt_gc_stats stats[3];
    for (int i = 1; i < argc; i += 2) {
        unsigned long *option = strcmp(argv[i], "--threads") == 0  ? &threads
                                : strcmp(argv[i], "--seed") == 0   ? &seed
                                : strcmp(argv[i], "--rounds") == 0 ? &rounds
                                : strcmp(argv[i], "--ops") == 0    ? &ops
                                                                   : NULL;
        unsigned long number = option_number(option == NULL ? NULL : argv[i + 1], usage);
        *option = number;
    }
    if (threads == 0 || threads > THREADS_MAX || ops > OBJECTS_MAX)
        option_number(NULL, usage);
    place.part = "collections";
    place.seed = seed;
    molt_gc_set_threshold(10, 2, 2);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (uintptr_t i = 1; i < threads; i++)
        REQUIRE(pthread_create(&others[i], NULL, run, (void *)i) == 0, "no thread");
    run(NULL);
    for (unsigned long i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    for (int generation = 0; generation < 3; generation++)
        molt_gc_get_stats(generation, &stats[generation]);
    printf("collections: seed %lu: %lu rounds of %lu operations by %lu threads; %" PRIu64
           " young, %" PRIu64 " middle, %" PRIu64 " full collections, %d finalized\n",
           seed, rounds, ops, threads, stats[0].collections, stats[1].collections,
           stats[2].collections, atomic_load(&finalized));
    printf("%lu passed, 0 failed\n", rounds);
    return 0;
}
