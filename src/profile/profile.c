/* profile.c: one profile a process. */
#include "profile.h"

#include "freed.h"
#include "image.h"
#include "leak.h"
#include "listener.h"
#include "memory.h"
#include "mirror.h"
#include "probe.h"
#include "record.h"
#include "share.h"
#include "trigger.h"
#include "unwind.h"

#include "alloc/init.h"
#include "alloc/malloc.h" // malloc_no_memory
#include "alloc/sample.h"
#include "alloc/sampled.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/options.h"

#include "molt.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SHARES_OF_ALL = 32 }; /* of prof_memory, where all blocks are recorded */

/* Held while sampling begins or ends. */
static struct lock profile_lock = LOCK_INIT(RANK_PROFILE);

/* Whether that is going on; in a forked child, that it is to be done again. */
static _Atomic(bool) is_changing;

static size_t sampled_mean;  /* since profile_follow_options last changed it; 0: no profile */
static size_t recorded_mean; /* of the profile; 0: there is none */

/* All is recorded, and that has begun while there were threads, of which one may have been in a
 * free that tells of nothing yet. */
static bool may_miss_frees;

extern char __libc_single_threaded __attribute__((weak)); /* of the C library, if it has that */

/* ---- What the allocator calls ---- */

static bool record(void *block, size_t size, size_t bytes, uint32_t home, size_t mean)
{
    struct sample sample = {block, size, bytes, .type = sample_type, .home = home};
    freed_forget(block);
    sample.stack = unwind_stack(mean == 1);
    bool is_recorded = record_add(&sample);
    trigger_grown(record_live_estimate());
    trigger_allocated(bytes > mean ? bytes : mean);
    return is_recorded;
}

static bool allocated(void *block, size_t size, size_t bytes, uint32_t home)
{
    size_t mean = __atomic_load_n(&sampled_mean, __ATOMIC_RELAXED);
    if (__atomic_load_n(&may_miss_frees, __ATOMIC_RELAXED))
        record_remove(block);
    listener_freed(block);
    bool is_recorded = mean != 0 && record(block, size, bytes, home, mean);
    bool is_told = listener_allocated(block, size, bytes, sample_mean_now());
    return is_recorded || is_told;
}

/* The stack of a free. While all is traced it is its innermost frame alone, unless `backtrace` is
 * set: whole stacks of frees would cost a trace half as much again. */
static unsigned capture_free(uintptr_t frames[FREED_DEPTH_MAX], const void *caller)
{
    if (__atomic_load_n(&sampled_mean, __ATOMIC_RELAXED) != 1 || options.backtrace)
        return unwind_capture(frames, FREED_DEPTH_MAX);
    if (image_is_own((uintptr_t)caller))
        return unwind_capture(frames, 1);
    frames[0] = (uintptr_t)caller;
    return 1;
}

static void freed(void *block, const void *caller)
{
    uintptr_t frames[FREED_DEPTH_MAX];
    uint32_t profile = freed_profile(); /* before there may be another one */
    struct record record;
    listener_freed(block);
    if (!record_take(block, &record))
        return;
    unsigned depth = capture_free(frames, caller);
    freed_note(&record, profile, record_thread(), frames, depth);
}

/* A tracer hears of a free in any case, for afterwards the address may be another block's. */
static void resizing(void *block)
{
    listener_freed(block);
    record_set_aside(block);
}

static void resized(void *block, bool is_gone)
{
    if (is_gone)
        record_remove_aside(block);
    else
        record_put_back(block);
}

static size_t own_bytes(void)
{
    return profile_memory_given() + mirror_bytes();
}

/* ---- Starting and stopping ---- */

/* Leaks are looked for among what is recorded: all blocks, unless a profile by sampling is wanted.
 */
static size_t wanted_mean(void)
{
    bool all = options.trace || (options.leaks && options.prof == 0);
    return all ? 1 : options.prof;
}

static void repair(void)
{
    unwind_repair();
    record_repair();
    trigger_repair();
    share_repair();
    lock_free_left(&profile_lock);
}

static void end(void)
{
    trigger_exit();
    share_exit();
}

static void begin_once(void)
{
    static bool has_begun;
    if (has_begun)
        return;
    has_begun = true;
    fork_set_repair(FORK_PROFILE, repair);
    atexit(end);
}

static bool has_threads(void)
{
    return &__libc_single_threaded == NULL || !__libc_single_threaded;
}

/* Records of another mean must not be mixed with those to come. */
static void sample_with(size_t mean)
{
    atomic_store(&is_changing, true);
    if (mean != 0)
        begin_once();
    profile_memory_allow(mean == 1 ? SHARES_OF_ALL : 1);
    if (mean != 0 && mean != recorded_mean) {
        sampled_set(0, false);
        freed_forget_all();
        sampled_forget();
        record_restart(mean);
        freed_forget_all(); /* what threads have noted meanwhile */
        recorded_mean = mean;
    }
    if (mean == 1 && has_threads())
        __atomic_store_n(&may_miss_frees, true, __ATOMIC_RELAXED);
    __atomic_store_n(&sampled_mean, mean, __ATOMIC_RELAXED);
    sampled_set(mean, mean == 1);
    if (mean != 0)
        leak_take_signal();
    if (options.prof != 0 || options.trace)
        trigger_start();
    else
        trigger_stop();
    atomic_store(&is_changing, false);
}

/* Without a profile, errors need the unwinder all the same. */
static void prepare_backtrace(void)
{
    static _Atomic(bool) is_done;
    if (options.backtrace && !atomic_exchange(&is_done, true))
        unwind_prepare();
}

static bool has_followed(void)
{
    return wanted_mean() == __atomic_load_n(&sampled_mean, __ATOMIC_RELAXED) &&
           !atomic_load(&is_changing);
}

/* The loader may be called for the unwinder, and a thread that holds the loader's lock may call
 * this: so that comes before the lock. */
void profile_follow_options(void)
{
    prepare_backtrace();
    if (has_followed())
        return;
    if (wanted_mean() != 0)
        unwind_prepare();
    lock_acquire(&profile_lock);
    if (!has_followed())
        sample_with(wanted_mean());
    lock_release(&profile_lock);
}

static void follow_options(void)
{
    profile_follow_options();
    if (!share_is_to_change())
        return;
    lock_acquire(&profile_lock);
    begin_once();
    share_follow_options();
    lock_release(&profile_lock);
}

/* ---- The table, and the public calls ---- */

static const struct profile_hooks hooks_of_profile IN_SECTION("molt_profile_hooks") = {
    .allocated = allocated,
    .freed = freed,
    .resizing = resizing,
    .resized = resized,
    .given = freed_forget,
    .pool_made = freed_note_pool,
    .own_bytes = own_bytes,
    .failing = trigger_failing,
    .follow_options = follow_options,
    .refresh = share_refresh,
    .in_background = leak_in_background,
    .command = leak_command,
    .listeners = &probe_listeners.any,
};

int molt_profile_start(size_t mean_bytes)
{
    if (!init_done()) {
        malloc_no_memory();
        return -1;
    }
    options.prof = mean_bytes != 0 ? mean_bytes : SAMPLE_MEAN_USUAL;
    profile_follow_options();
    return 0;
}

void molt_profile_stop(void)
{
    if (!init_done())
        return;
    options.prof = options.trace = 0;
    profile_follow_options();
}
