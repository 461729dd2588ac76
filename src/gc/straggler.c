/* straggler.c: attempts to stop the world, and the threads that are missing in them. */
#include "straggler.h"

#include "object/object.h" // object_new_bytes
#include "object/safepoint.h"
#include "os/os.h"

#include <stdatomic.h>

/* ---- Attempts ---- */

#define PATIENCE_MS 20
#define PATIENCE_MS_LONG 1000
#define MUCH_BYTES ((size_t)16 << 20) /* new bytes since a collection that call for patience */
#define DOUBLINGS_MAX 20u

static _Atomic unsigned failures; /* attempts that have failed in a row */
static _Atomic unsigned attempts; /* collections that have ended, done or not */
static atomic_bool is_wanted;     /* a straggler has come since the last of these */

int32_t straggler_limit(unsigned t0)
{
    unsigned doublings = atomic_load_explicit(&failures, memory_order_relaxed);
    uint64_t limit = (uint64_t)t0 << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return limit < INT32_MAX ? (int32_t)limit : INT32_MAX - 1;
}

/* All owners are called, since their limits are lower now. */
static void forget_failures(void)
{
    if (atomic_load(&failures) == 0 || atomic_exchange(&failures, 0) == 0)
        return;
    owner_call_all();
}

static bool is_missing(const struct owner *owner)
{
    return atomic_load(&owner->is_missing) && owner_state(owner) == OWNER_RUNNING &&
           owner != owner_self;
}

/* An owner that is missing, and stuck if only those are wanted; NULL: there is none. */
static struct owner *missing_owner(bool only_stuck)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        if (is_missing(owner) && (!only_stuck || atomic_load(&owner->is_stuck)))
            return owner;
    return NULL;
}

static bool needs_patience(void)
{
    return atomic_load_explicit(&failures, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&object_new_bytes, memory_order_relaxed) > MUCH_BYTES &&
           missing_owner(true) == NULL;
}

bool straggler_is_pressing(void)
{
    return atomic_load_explicit(&is_wanted, memory_order_relaxed) || needs_patience();
}

unsigned straggler_patience_ms(void)
{
    return needs_patience() ? PATIENCE_MS_LONG : PATIENCE_MS;
}

void straggler_note_still(void)
{
    forget_failures();
}

void straggler_note_attempt(bool is_done)
{
    atomic_store(&is_wanted, false);
    if (is_done)
        atomic_store_explicit(&object_new_bytes, 0, memory_order_relaxed);
    atomic_fetch_add(&attempts, 1);
}

/* ---- Threads ---- */

#define LINGER_MS 50
#define WARN_AFTER_ATTEMPTS 3
#define WARN_AFTER_MS 250

static uint64_t ms_since_safepoint(const struct owner *owner)
{
    uint32_t then = atomic_load_explicit(&owner->safepoint_ms, memory_order_relaxed);
    return (uint32_t)os_now_ms() - then;
}

static void append_thread(struct report_line *line, const struct owner *owner)
{
    struct report_line path = {.length = 0};
    char name[32];
    unsigned thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);
    size_t ms = ms_since_safepoint(owner);
    report_append(&path, "/proc/self/task/%u/comm", thread);
    path.text[path.length] = '\0';
    long length = os_read_file(path.text, name, sizeof name);
    if (length > 0 && name[length - 1] == '\n')
        name[length - 1] = '\0';
    report_append(line, "thread %u (%s) has come to no safepoint for %zu.%zu s", thread,
                  length > 0 ? name : "?", ms / 1000, ms / 100 % 10);
}

unsigned straggler_missing_thread(uint64_t *ns)
{
    const struct owner *owner = missing_owner(false);
    *ns = owner != NULL ? ms_since_safepoint(owner) * 1000000 : 0;
    return owner != NULL ? atomic_load_explicit(&owner->thread, memory_order_relaxed) : 0;
}

bool straggler_append_missing(struct report_line *line)
{
    const struct owner *owner = missing_owner(false);
    if (owner != NULL)
        append_thread(line, owner);
    return owner != NULL;
}

static COLD void warn_of_straggler(const struct owner *owner)
{
    static atomic_bool has_warned;
    if (ms_since_safepoint(owner) < WARN_AFTER_MS || atomic_exchange(&has_warned, true))
        return;
    struct report_line line = {.length = 0};
    append_thread(&line, owner);
    line.text[line.length] = '\0';
    report_warning("%s, so no cyclic garbage can be freed: it should call molt_gc_safepoint, or "
                   "molt_gc_blocking_begin where it waits",
                   line.text);
}

void straggler_note_missing(unsigned ms)
{
    unsigned in_a_row = atomic_fetch_add(&failures, 1) + 1;
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        if (owner == owner_self || owner_state(owner) != OWNER_RUNNING)
            continue;
        if (ms >= PATIENCE_MS_LONG)
            atomic_store(&owner->is_stuck, true);
        atomic_store(&owner->is_missing, true);
        if (in_a_row >= WARN_AFTER_ATTEMPTS)
            warn_of_straggler(owner);
    }
}

void straggler_has_come(struct owner *owner)
{
    (void)owner;
    atomic_store(&is_wanted, true);
    forget_failures();
}

void straggler_linger(struct owner *owner)
{
    unsigned seen = atomic_load(&attempts);
    uint64_t end = os_now_ms() + LINGER_MS;
    while (atomic_load(&is_wanted) && atomic_load(&attempts) == seen && os_now_ms() < end)
        safepoint_rest(owner);
}
