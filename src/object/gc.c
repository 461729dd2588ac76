/* gc.c: thresholds, statistics, callbacks, and the public names around them. */
#include "gc.h"

#include "collect.h"
#include "count.h"
#include "deferral.h"
#include "gc_stats.h"
#include "pace.h"
#include "propose.h"
#include "side.h"
#include "world.h"

#include "base/lock.h"
#include "base/options.h"
#include "base/report.h" // report_stderr
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#define GENERATIONS 3

/* Waiting for other threads, for who asked for it; pace.h says how long a molt_new does. */
#define STOP_MS_EXPLICIT 1000

/* Written by who collects, or by the configuring functions; read anywhere. */
static atomic_bool is_disabled;
static _Atomic unsigned threshold[GENERATIONS] = {700, 10, 10};
static _Atomic unsigned younger_collections[GENERATIONS]; /* of 1, 2: since their own last one */
static _Atomic unsigned debug_flags;

/* Old objects: after the last full collection, and those that have joined since. */
static _Atomic size_t old_objects, new_old_objects;

/* The next full collection waits until so many quarters of the old objects are new: one more each
 * time that it has found next to nothing, since a heap that only grows would be looked at for
 * nothing again and again. With three, garbage still stays below what lives. */
static _Atomic unsigned growth_quarters = 1;
#define GROWTH_QUARTERS_MAX 3u
#define NEXT_TO_NOTHING 16 /* less than a 16th of the objects */

/* Bytes of large objects: now, and after the last full collection. */
static _Atomic size_t large_bytes, large_bytes_old;
#define LARGE_BYTES_MIN ((size_t)16 << 20)

/* The generation of a collection that was due, but for which some thread did not come: the next one
 * makes up for it. */
static _Atomic int put_off;

/* Garbage that the present incremental collection has freed. */
static size_t cycle_collected;

/* A full collection does not wait for its threshold when so many objects have become old: so
 * garbage that gets old stays below what lives, also where little does. */
#define GROWTH_MIN 10000u

/* ---- Callbacks ---- */

struct callback {
    molt_gc_callback *function;
    void *arg;
    uint64_t number; /* in the order of adding, from 1 on */
    struct callback *next;
};

static struct callback *callbacks;
static uint64_t callbacks_added;
static struct lock callbacks_lock = LOCK_INIT(RANK_CALLBACK);

int molt_gc_add_callback(molt_gc_callback *function, void *arg)
{
    struct callback *callback = molt_malloc(sizeof *callback);
    if (callback == NULL)
        return -1;
    *callback = (struct callback){.function = function, .arg = arg};
    lock_acquire(&callbacks_lock);
    struct callback **end = &callbacks;
    while (*end != NULL)
        end = &(*end)->next;
    callback->number = ++callbacks_added;
    *end = callback;
    lock_release(&callbacks_lock);
    return 0;
}

int molt_gc_remove_callback(molt_gc_callback *function, void *arg)
{
    lock_acquire(&callbacks_lock);
    struct callback **at = &callbacks;
    while (*at != NULL && ((*at)->function != function || (*at)->arg != arg))
        at = &(*at)->next;
    struct callback *found = *at;
    if (found != NULL)
        *at = found->next;
    lock_release(&callbacks_lock);
    molt_free(found);
    if (found != NULL)
        return 0;
    errno = ENOENT;
    return -1;
}

/* Adding and removing are one store each. */
void gc_repair(void)
{
    lock_free_left(&callbacks_lock);
}

/* One after the other without the lock: a callback may remove itself or add others, which
 * come with the next phase: or one that is added again would be called for ever. */
static void call_callbacks(enum molt_gc_phase phase, const struct molt_gc_info *info)
{
    struct callback copy = {.number = 0};
    uint64_t last = __atomic_load_n(&callbacks_added, __ATOMIC_RELAXED);
    for (;;) {
        lock_acquire(&callbacks_lock);
        const struct callback *callback = callbacks;
        while (callback != NULL && callback->number <= copy.number)
            callback = callback->next;
        copy = callback != NULL ? *callback : (struct callback){0};
        lock_release(&callbacks_lock);
        if (copy.function == NULL || copy.number > last)
            return;
        copy.function(phase, info, copy.arg);
    }
}

/* ---- One collection ---- */

/* An owner's count is its own to write: it begins anew when it finds that there was a reset. */
static _Atomic uint32_t resets;

static void begin_count_anew(struct owner *owner)
{
    uint32_t last = atomic_load_explicit(&resets, memory_order_relaxed);
    if (atomic_load_explicit(&owner->resets, memory_order_relaxed) == last)
        return;
    atomic_store_explicit(&owner->resets, last, memory_order_relaxed);
    owner->count = owner->wait_at = 0;
}

/* Before the collection, so that what its finalizers make is counted. */
void gc_reset_counts(int generation)
{
    atomic_fetch_add(&resets, 1);
    if (owner_self != NULL)
        begin_count_anew(owner_self);
    for (int g = 1; g <= generation; g++)
        younger_collections[g] = 0;
    if (generation < GENERATIONS - 1)
        younger_collections[generation + 1]++;
}

static void note_yield(size_t found, size_t candidates)
{
    if (found > candidates / NEXT_TO_NOTHING)
        growth_quarters = 1;
    else if (growth_quarters < GROWTH_QUARTERS_MAX)
        growth_quarters++;
}

static void note_sizes(const struct collection *done, int error)
{
    if (done->generation == 2)
        large_bytes_old = large_bytes;
    if (error != 0)
        return;
    if (done->generation == 1)
        new_old_objects += done->survivors;
    if (done->generation != 2)
        return;
    old_objects = done->survivors;
    new_old_objects = 0;
}

static void note_put_off(int generation, int error)
{
    if (error == EBUSY && generation > put_off)
        put_off = generation;
    else if (error == 0 && generation >= put_off)
        put_off = 0;
}

static void abandon_cycle(void)
{
    side_lock_acquire();
    propose_end();
    side_lock_release();
    cycle_collected = 0;
}

static struct collection new_collection(int generation, unsigned stop_ms)
{
    unsigned debug = atomic_load(&debug_flags);
    return (struct collection){
        .generation = generation,
        .saves_all = (debug & MOLT_GC_SAVEALL) != 0,
        .says_collectable = (debug & MOLT_GC_COLLECTABLE) != 0,
        .says_uncollectable = (debug & MOLT_GC_UNCOLLECTABLE) != 0,
        .stop_ms = stop_ms,
    };
}

/* The calling thread collects. The unreachable objects, or -1 and errno. */
static long run(int generation, bool automatic)
{
    unsigned debug = atomic_load(&debug_flags);
    struct collection collection =
        new_collection(generation, automatic ? pace_patience_ms() : STOP_MS_EXPLICIT);
    struct molt_gc_info info = {.generation = generation};
    call_callbacks(MOLT_GC_START, &info);
    gc_reset_counts(generation);
    if (generation == 2)
        abandon_cycle(); /* it is all done at once now */
    uint64_t start = os_now_ns();
    int error = collect(&collection);
    uint64_t duration = os_now_ns() - start;
    pace_note_attempt(error == 0);
    if (automatic || error == 0)
        note_put_off(generation, error);
    note_sizes(&collection, error);
    if (automatic && generation == 2 && error == 0)
        note_yield(collection.unreachable, collection.candidates);
    gc_stats_note(&collection, error, duration);
    if ((debug & MOLT_GC_STATS) != 0)
        gc_stats_say(&collection, error, duration);
    info.collected = collection.saves_all ? 0 : collection.unreachable;
    info.uncollectable = collection.revived + (collection.saves_all ? collection.unreachable : 0);
    info.candidates = collection.candidates;
    info.duration_ns = duration;
    call_callbacks(MOLT_GC_STOP, &info);
    if (error == 0)
        return (long)collection.unreachable;
    errno = error;
    return -1;
}

long molt_gc_collect(int generation)
{
    if (generation < 0 || generation >= GENERATIONS) {
        errno = EINVAL;
        return -1;
    }
    if (world_is_mine() || owner_must_not_count())
        return 0;
    bool begins;
    int error = world_begin_collect(&begins);
    if (error != 0) {
        errno = error;
        return -1;
    }
    count_settle_queue(owner_self);
    long found = run(generation, false);
    if (found >= 0)
        deferral_forget();
    world_end_collect();
    return found;
}

/* ---- Slices ---- */

/* Objects that a slice looks at for each new one, at least: a cycle looks twice at each, and has to
 * be done before a quarter as many are new. */
#define SLICE_PER_OBJECT 16

static void note_cycle(size_t candidates)
{
    gc_stats_note_cycle(candidates);
    old_objects = candidates > cycle_collected ? candidates - cycle_collected : 0;
    cycle_collected = 0;
    new_old_objects = 0;
    younger_collections[2] = 0;
    large_bytes_old = large_bytes;
    put_off = 0;
}

/* By the clock. Slices get longer when more objects become old while a cycle is going on than were
 * old before: else a program could make garbage faster than they find it. Of no length they would
 * find none. */
static uint64_t slice_end(void)
{
    uint64_t slices = 1 + new_old_objects / (old_objects + GROWTH_MIN), ns, end;
    uint64_t us = options.gc_slice != 0 ? options.gc_slice : 1;
    bool is_endless = __builtin_mul_overflow(us, 1000 * slices, &ns) ||
                      __builtin_add_overflow(os_now_ns(), ns, &end);
    return is_endless ? UINT64_MAX : end;
}

/* In a world that stands still: the slice's work, and what it has found. 0, or an error number. */
static int work_on_slice(struct collection *slice)
{
    size_t candidates = 0;
    side_lock_acquire();
    struct side *sides = NULL;
    bool runs = propose_is_running() || propose_begin();
    if (runs)
        sides = propose_slice((size_t)threshold[0] * SLICE_PER_OBJECT, slice_end(), &candidates);
    bool ended = runs && !propose_is_running();
    int error = collect_sides(slice, sides);
    cycle_collected += slice->unreachable;
    if (ended)
        note_cycle(candidates);
    return runs ? error : ENOMEM;
}

/* The next piece of an incremental collection, which begins one if there is none. As run(). */
static long run_slice(void)
{
    uint64_t start = os_now_ns();
    struct collection slice = new_collection(2, pace_patience_ms());
    slice.is_partial = true;
    int error = world_stop(slice.stop_ms) ? work_on_slice(&slice) : EBUSY;
    pace_note_attempt(error == 0);
    gc_stats_note_slice(&slice, error, os_now_ns() - start);
    if (error == 0)
        return (long)slice.unreachable;
    errno = error;
    return -1;
}

/* ---- When ---- */

int32_t gc_limit(void)
{
    unsigned t0 = atomic_load_explicit(&threshold[0], memory_order_relaxed);
    bool never = t0 == 0 || atomic_load_explicit(&is_disabled, memory_order_relaxed) ||
                 (deferral_on() && deferral_is_due());
    return never ? INT32_MAX : pace_limit(t0);
}

/* Threads take it at their next safepoint. */
void gc_tell_limit(void)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        owner_call(owner);
}

static int due_young(void)
{
    return younger_collections[1] > threshold[1] || put_off == 1 ? 1 : 0;
}

static bool large_bytes_due(void)
{
    return large_bytes > LARGE_BYTES_MIN && large_bytes / 2 > large_bytes_old;
}

static bool full_due(void)
{
    return new_old_objects >= old_objects / 4 * growth_quarters &&
           (younger_collections[2] > threshold[2] || new_old_objects > GROWTH_MIN);
}

static int due_generation(void)
{
    return large_bytes_due() || full_due() || put_off == 2 ? 2 : due_young();
}

/* By who collects: that generation, in the way that the options want. As run(). */
static long run_due(int generation)
{
    bool slice = options.gc == GC_INCREMENTAL && (generation == 2 || propose_is_running());
    if (slice && generation == 2)
        generation = due_young();
    long found = run(generation, true);
    long more = slice ? run_slice() : 0;
    if (found < 0 || more < 0)
        return -1;
    deferral_forget();
    return found + more;
}

/* Inside molt_new. */
static void collect_now(void)
{
    if (world_is_mine())
        return;
    if (!world_try_collect()) {
        pace_wait(owner_self, gc_limit());
        return;
    }
    int saved = errno;
    run_due(due_generation());
    errno = saved;
    world_end_collect();
}

long gc_collect_due(void)
{
    bool begins;
    int error = world_begin_collect(&begins);
    if (error != 0) {
        errno = error;
        return -1;
    }
    long found = run_due(due_generation());
    world_end_collect();
    return found;
}

void gc_note_large(ptrdiff_t bytes)
{
    large_bytes += (size_t)bytes;
}

void gc_note_new(struct owner *owner, const struct descriptor *type)
{
    if (!type->tracked)
        return;
    begin_count_anew(owner);
    if (owner->count < INT32_MAX)
        owner->count++;
    int32_t limit = gc_limit();
    if (limit == INT32_MAX || !(owner->count > limit || large_bytes_due() || pace_is_pressing()))
        return;
    if (deferral_on())
        deferral_note_due();
    else
        collect_now();
}

void gc_take_back_new(struct owner *owner, const struct descriptor *type)
{
    if (type->tracked && owner->count > 0)
        owner->count--;
}

/* A thread that sleeps on, or another collection, shall not keep the program waiting. */
static void collect_at_exit(void)
{
    if (!world_try_collect())
        return;
    world_end_blocking();
    struct owner *owner = options.objects ? owner_attach() : owner_self;
    if (owner != NULL) {
        count_settle_queue(owner);
        run(2, true);
    }
    world_end_collect();
}

void gc_at_exit(void)
{
    collect_at_exit();
    if (!options.objects)
        return;
    world_end_blocking();
    molt_gc_report(report_stderr());
}

/* ---- Configuration ---- */

void molt_gc_enable(void)
{
    atomic_store(&is_disabled, false);
    gc_tell_limit();
}

void molt_gc_disable(void)
{
    atomic_store(&is_disabled, true);
    gc_tell_limit();
}

bool molt_gc_is_enabled(void)
{
    return !atomic_load(&is_disabled);
}

int molt_gc_set_threshold(unsigned t0, unsigned t1, unsigned t2)
{
    if (t0 > INT_MAX || t1 > INT_MAX || t2 > INT_MAX) {
        errno = EINVAL;
        return -1;
    }
    threshold[0] = t0;
    threshold[1] = t1;
    threshold[2] = t2;
    gc_tell_limit();
    return 0;
}

void molt_gc_get_threshold(unsigned out[3])
{
    for (int i = 0; i < GENERATIONS; i++)
        out[i] = threshold[i];
}

void molt_gc_get_count(unsigned out[3])
{
    out[0] = 0;
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        if (owner->resets == resets)
            out[0] += (unsigned)__atomic_load_n(&owner->count, __ATOMIC_RELAXED);
    out[1] = younger_collections[1];
    out[2] = younger_collections[2];
}

void molt_gc_set_debug(unsigned flags)
{
    atomic_store(&debug_flags, flags);
}

unsigned molt_gc_get_debug(void)
{
    return atomic_load(&debug_flags);
}

/* Under collect_lock: a collection may be adding to it. */
size_t molt_gc_garbage(void **out, size_t max)
{
    bool begins;
    int error = world_begin_collect(&begins);
    if (error != 0) {
        errno = error;
        return 0;
    }
    size_t count = collect_garbage(out, max);
    if (begins)
        world_end_collect();
    return count;
}

void molt_gc_clear_garbage(void)
{
    bool begins;
    int error = world_begin_collect(&begins);
    if (error != 0) {
        errno = error;
        return;
    }
    size_t count;
    void **objects = collect_take_garbage(&count);
    if (begins)
        world_end_collect();
    for (size_t i = 0; i < count; i++)
        molt_release(objects[i]);
    molt_free(objects);
}
