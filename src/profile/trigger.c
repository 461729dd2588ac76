/* trigger.c: what is wanted, the names of files, and the signal's handler. */
#include "trigger.h"

#include "dump.h"
#include "output.h"
#include "place.h"
#include "pressure.h"
#include "signals.h"

#include "base/lock.h"
#include "base/options.h"
#include "molt.h"
#include "os/os.h" // os_process_id

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

enum trigger { AT_EXIT, AT_PEAK, ON_SIGNAL, ON_GROWTH, ON_PRESSURE, ON_FAILURE, ON_REQUEST };

static const char *const reasons[] = {
    [AT_EXIT] = "at exit",
    [AT_PEAK] = "at exit",
    [ON_SIGNAL] = "on a signal",
    [ON_GROWTH] = "what is in use has grown",
    [ON_PRESSURE] = "the cgroup's memory is nearly used up",
    [ON_FAILURE] = "an allocation fails",
    [ON_REQUEST] = "the program asks for it",
};

static struct {
    atomic_bool has_begun; /* there is a profile */
    atomic_bool is_on;
    atomic_bool has_failed;    /* a failing allocation has been written about, */
    atomic_bool has_refused;   /* and one that the hard limit has refused */
    _Atomic(uint64_t) highest; /* bytes in use when growth was last written about */
    atomic_uint wanted;        /* bits of enum trigger */
} state;

/* What is used while a profile is written, under the lock. */
static struct lock trigger_lock = LOCK_INIT(RANK_DUMP);
static struct {
    int told; /* error that the last warning was about */
    struct place_series files;
    char path[OUTPUT_PATH_SIZE];
    struct output output;
} writing;

/* ---- Writing, under the lock ---- */

static int write_file(const char *path, enum trigger trigger)
{
    struct dump_facts facts = {
        .view = trigger == AT_PEAK ? DUMP_PEAK : DUMP_NOW,
        .why = reasons[trigger],
        .program = place_program(),
        .process = os_process_id(),
    };
    output_open(&writing.output, path);
    if (writing.output.error == 0)
        dump_write(&writing.output, &facts);
    return output_close(&writing.output);
}

static int write_by_pattern(enum trigger trigger)
{
    bool fits = place_next(&writing.files, &options.prof_out, trigger == AT_PEAK ? ".peak" : "",
                           writing.path);
    return fits ? write_file(writing.path, trigger) : ENAMETOOLONG;
}

/* Warns of an error once, until profiles are written again. */
static void tell(int error)
{
    if (error != 0 && error != writing.told)
        output_warn("heap profile not written", error, writing.path);
    writing.told = error;
}

static void write_wanted_locked(void)
{
    unsigned wanted = atomic_exchange(&state.wanted, 0);
    for (unsigned trigger = 0; trigger <= ON_FAILURE; trigger++)
        if ((wanted >> trigger & 1) != 0)
            tell(write_by_pattern(trigger));
}

/* A thread that is writing already does it before it leaves, also if this is its own handler. */
static void write_wanted(void)
{
    while (atomic_load(&state.wanted) != 0 && lock_try(&trigger_lock)) {
        write_wanted_locked();
        lock_release(&trigger_lock);
    }
}

/* Gives the lock up, and does what has come up meanwhile. */
static void release(void)
{
    lock_release(&trigger_lock);
    write_wanted();
}

static void want(enum trigger trigger)
{
    if (!state.has_begun)
        return;
    atomic_fetch_or(&state.wanted, 1u << trigger);
    write_wanted();
}

/* ---- The signal ---- */

static void on_signal(int number)
{
    (void)number;
    want(ON_SIGNAL);
}

/* ---- Triggers ---- */

void trigger_start(void)
{
    place_note();
    state.highest = 0;
    state.has_failed = state.has_refused = false;
    state.has_begun = true;
    state.is_on = true;
    signals_take((int)options.prof_signal, on_signal, "prof_signal", "profile");
}

void trigger_stop(void)
{
    state.is_on = false;
}

void trigger_exit(void)
{
    if (!state.is_on || lock_is_mine(&trigger_lock))
        return;
    if (options.prof_final)
        atomic_fetch_or(&state.wanted, 1u << AT_EXIT);
    if (options.prof_peak)
        atomic_fetch_or(&state.wanted, 1u << AT_PEAK);
    lock_acquire(&trigger_lock);
    write_wanted_locked();
    release();
}

void trigger_grown(uint64_t bytes)
{
    uint64_t highest = atomic_load_explicit(&state.highest, memory_order_relaxed);
    if (options.prof_interval == 0 || bytes < highest || bytes - highest < options.prof_interval)
        return;
    if (atomic_compare_exchange_strong(&state.highest, &highest, bytes))
        want(ON_GROWTH);
}

void trigger_allocated(uint64_t bytes)
{
    if (options.prof_dump_at != 0 && state.is_on && pressure_has_come(bytes))
        want(ON_PRESSURE);
}

/* What the hard limit refuses is not written about once more as a failure. */
void trigger_failing(bool by_limit)
{
    if (!state.is_on || (!by_limit && !options.prof_oom))
        return;
    if (by_limit && atomic_exchange(&state.has_refused, true))
        return;
    if (!atomic_exchange(&state.has_failed, true) || by_limit)
        want(ON_FAILURE);
}

void trigger_repair(void)
{
    state.wanted = 0;
    pressure_repair();
    lock_free_left(&trigger_lock);
}

/* ---- On request ---- */

static int dump_on_request(const char *path)
{
    if (!state.has_begun)
        return ENODATA;
    if (lock_is_mine(&trigger_lock))
        return EBUSY;
    lock_acquire(&trigger_lock);
    int error = path != NULL ? write_file(path, ON_REQUEST) : write_by_pattern(ON_REQUEST);
    release();
    return error;
}

int molt_profile_dump(const char *path)
{
    int error = dump_on_request(path);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
