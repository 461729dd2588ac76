/* record.c: adding and removing, the peak, a new profile. */
#include "record.h"

#include "mirror.h"
#include "name.h" // name_intern
#include "stack.h"
#include "tag.h" // tag_current
#include "thread_name.h"

#include "base/attributes.h"
#include "base/fork.h"   // fork_survivors
#include "base/lock.h"   // lock_self
#include "base/random.h" // random_weight
#include "base/tunables.h"
#include "os/os.h"

#include <stdatomic.h>

/* Of a profile; 0: there is none. */
static _Atomic(size_t) mean;

/* What record_restart was asked for and has not done yet; 0: nothing. */
static _Atomic(size_t) coming_mean;

static struct live_set live;

static struct {
    _Atomic(uint64_t) missed_count, missed_estimate;
    _Atomic(uint64_t) live_estimate;
} sums;

/* When the counts of the peak were kept. */
static struct {
    _Atomic(bool) is_taken; /* a thread is about it */
    _Atomic(uint64_t) estimate, at_ns;
} peak;

static THREAD_LOCAL struct self {
    uint32_t thread;  /* the thread's id; 0: not asked for yet */
    uint32_t samples; /* how many there were */
    uint32_t inside;  /* how often it is inside: handlers may be so, too */
} self;

/* ---- Who is inside ---- */

/* Each thread has a door, which several share, and is counted there while it changes counts. */
enum { DOOR_BITS = 4, DOORS = 1 << DOOR_BITS };
enum { OUTSIDE_MS = 10 * 1000 };

static struct {
    _Atomic(size_t) inside;
} CACHE_ALIGNED doors[DOORS];

static _Atomic(size_t) *door_of(uintptr_t thread)
{
    return &doors[(uint64_t)thread * UINT64_C(0x9e3779b97f4a7c15) >> (64 - DOOR_BITS)].inside;
}

static void leave(void)
{
    atomic_fetch_sub_explicit(door_of(lock_self()), 1, memory_order_release);
    self.inside--;
}

/* Returns the profile's mean, and lets the caller change counts until it leaves; 0: there is no
 * profile, and the caller is not inside. */
static size_t enter(void)
{
    if (atomic_load(&mean) == 0)
        return 0;
    self.inside++;
    atomic_fetch_add(door_of(lock_self()), 1);
    size_t mean_now = atomic_load(&mean);
    if (UNLIKELY(mean_now == 0))
        leave();
    return mean_now;
}

static bool is_anybody_inside(void)
{
    size_t inside = 0;
    for (unsigned i = 0; i < DOORS; i++)
        inside |= atomic_load(&doors[i].inside);
    return inside != 0;
}

/* Waits until nobody is inside. That is a moment, but for threads that stand still there, in a
 * handler or a debugger: after some seconds they may spoil a count, and this returns false. */
static bool wait_outside(void)
{
    uint64_t start_ms = os_now_ms();
    while (is_anybody_inside() && os_now_ms() - start_ms < OUTSIDE_MS)
        os_sleep_us(50);
    return !is_anybody_inside();
}

/* ---- The peak ---- */

static void keep_site(struct site *site, void *unused)
{
    (void)unused;
    site_keep_peak(site);
    mirror_keep_peak(site);
}

static bool is_peak(void)
{
    uint64_t last = atomic_load_explicit(&peak.estimate, memory_order_relaxed);
    return atomic_load_explicit(&sums.live_estimate, memory_order_relaxed) > last + last / 20;
}

/* Keeps the counts if 5 % more lives than when that was done last. If another thread is about it,
 * it will do. The caller is inside. */
static void keep_peak(uint64_t now_ns)
{
    if (LIKELY(!is_peak()) || atomic_exchange(&peak.is_taken, true))
        return;
    if (is_peak()) {
        uint64_t estimate = atomic_load_explicit(&sums.live_estimate, memory_order_relaxed);
        site_each(keep_site, NULL);
        atomic_store_explicit(&peak.at_ns, now_ns, memory_order_relaxed);
        atomic_store_explicit(&peak.estimate, estimate, memory_order_relaxed);
    }
    atomic_store(&peak.is_taken, false);
}

/* ---- Adding and removing ---- */

/* The bytes that the block stands for. */
static uint64_t estimate_of(size_t bytes, size_t mean_now)
{
    return (uint64_t)((double)bytes * random_weight(bytes, mean_now));
}

/* Blocks of a site have one size, so that they are sampled alike. Large blocks have any number of
 * pages, so those that are sampled with next to certainty share sites, eight a doubling. */
static size_t site_bytes(size_t bytes, size_t mean_now)
{
    if (bytes <= BLOCK_MAX || bytes / 16 < mean_now)
        return bytes;
    size_t step = (size_t)1 << (63 - __builtin_clzll(bytes) - 3);
    return (bytes + step - 1) & ~(step - 1);
}

static struct site *find_site(const struct sample *sample, uint64_t now_ns, size_t mean_now)
{
    static const struct stack no_stack;
    const char *type = sample->type == NULL ? NULL : name_intern(sample->type);
    return site_intern(sample->stack != NULL ? sample->stack : &no_stack,
                       site_bytes(sample->bytes, mean_now), tag_current(), type,
                       thread_name(now_ns));
}

uint32_t record_thread(void)
{
    if (self.thread == 0)
        self.thread = os_thread_id();
    return self.thread;
}

static void add_to_estimate(size_t bytes, size_t mean_now)
{
    atomic_fetch_add_explicit(&sums.live_estimate, estimate_of(bytes, mean_now),
                              memory_order_relaxed);
}

/* The site counts first: so it has never less in total than there are records, wherever a child's
 * parent has stopped. */
static bool count_added(const struct record *record)
{
    if (record->site == NULL)
        return false;
    site_add(record->site, record->size, record->bytes);
    bool is_added = live_add(&live, record);
    if (is_added)
        mirror_add(record->site, record->size, record->bytes);
    else
        site_undo_add(record->site, record->size, record->bytes);
    return is_added;
}

static void count_missed(size_t bytes, size_t mean_now)
{
    atomic_fetch_add_explicit(&sums.missed_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sums.missed_estimate, estimate_of(bytes, mean_now),
                              memory_order_relaxed);
    mirror_miss();
}

bool record_add(const struct sample *sample)
{
    struct record record = {.block = sample->block, .size = sample->size, .bytes = sample->bytes};
    record.home = sample->home;
    record.at_ns = os_now_ns();
    record.thread = record_thread();
    record.number = ++self.samples;
    size_t mean_now = enter();
    if (mean_now == 0)
        return false;
    struct mask signals;
    record.site = find_site(sample, record.at_ns, mean_now);
    mirror_enter(&signals, record.site);
    bool is_added = count_added(&record);
    if (is_added) {
        add_to_estimate(record.bytes, mean_now);
        keep_peak(record.at_ns);
    } else {
        count_missed(record.bytes, mean_now);
    }
    mirror_leave(&signals);
    leave();
    return is_added;
}

static void count_removed(const struct record *record, size_t mean_now)
{
    bool is_temporary = record->number == self.samples && record->thread == self.thread;
    site_remove(record->site, record->size, record->bytes);
    site_note_lifetime(record->site, os_now_ns() - record->at_ns, is_temporary);
    mirror_remove(record->site, record->size, record->bytes);
    if (is_temporary)
        mirror_note_temporary(record->site);
    atomic_fetch_sub_explicit(&sums.live_estimate, estimate_of(record->bytes, mean_now),
                              memory_order_relaxed);
}

/* The first look comes before anything is written: most blocks have no record. */
bool record_take(void *block, struct record *record)
{
    if (LIKELY(!live_find(&live, block, record)))
        return false;
    size_t mean_now = enter();
    if (mean_now == 0)
        return live_remove(record);
    struct mask signals;
    mirror_enter(&signals, record->site);
    bool is_removed = live_remove(record);
    if (is_removed)
        count_removed(record, mean_now);
    mirror_leave(&signals);
    leave();
    return is_removed;
}

bool record_remove(void *block)
{
    struct record record;
    return record_take(block, &record);
}

void record_set_aside(void *block)
{
    live_set_aside(&live, block);
}

/* Inside, so that no record of the profile before is put back into a new one. */
void record_put_back(void *block)
{
    if (enter() == 0)
        return;
    live_put_back(&live, block);
    leave();
}

void record_remove_aside(void *block)
{
    struct record record;
    if (!live_find_aside(&live, block, &record))
        return;
    size_t mean_now = enter();
    if (mean_now == 0) {
        live_remove_aside(&record);
        return;
    }
    struct mask signals;
    mirror_enter(&signals, record.site);
    if (live_remove_aside(&record))
        count_removed(&record, mean_now);
    mirror_leave(&signals);
    leave();
}

void record_resize(void *block, size_t size)
{
    struct record record;
    if (LIKELY(!live_find(&live, block, &record)))
        return;
    if (enter() == 0)
        return;
    struct mask signals;
    mirror_enter(&signals, record.site);
    live_resize(&live, block, size);
    site_resize(record.site, record.size, size);
    mirror_resize(record.site, record.size, size);
    mirror_leave(&signals);
    leave();
}

/* ---- A new profile ---- */

static void forget_site(struct site *site, void *unused)
{
    (void)unused;
    site_forget(site);
}

static void forget_all(void)
{
    live_clear(&live);
    site_each(forget_site, NULL);
    atomic_store(&peak.estimate, 0);
    atomic_store(&peak.at_ns, 0);
    atomic_store(&sums.missed_count, 0);
    atomic_store(&sums.missed_estimate, 0);
    atomic_store(&sums.live_estimate, 0);
}

void record_restart(size_t new_mean)
{
    if (new_mean == 0)
        new_mean = 1;
    atomic_store(&coming_mean, new_mean);
    atomic_store(&mean, 0);
    bool is_nobody_inside = wait_outside();
    forget_all();
    mirror_begin(new_mean, is_nobody_inside);
    atomic_store(&mean, new_mean);
    atomic_store(&coming_mean, 0);
}

/* ---- Readers ---- */

struct site_reader {
    void (*visit)(const struct site *site, void *context);
    void *context;
};

static void read_site(struct site *site, void *context)
{
    const struct site_reader *reader = context;
    if (atomic_load_explicit(&site->total_count, memory_order_relaxed) != 0)
        reader->visit(site, reader->context);
}

void record_each_site(void (*visit)(const struct site *site, void *context), void *context)
{
    struct site_reader reader = {.visit = visit, .context = context};
    site_each(read_site, &reader);
}

bool record_find(void *block, struct record *record)
{
    return live_find(&live, block, record);
}

void record_each_live(bool (*visit)(const struct record *record, void *context), void *context)
{
    live_each(&live, visit, context);
}

static void sum_site(const struct site *site, void *context)
{
    struct record_totals *totals = context;
    totals->sites++;
    totals->live_count += site->live_count;
    totals->live_bytes += site->live_bytes;
    totals->total_count += site->total_count;
    totals->total_bytes += site->total_bytes;
    totals->temporary_count += site->temporary_count;
    totals->total_estimate +=
        (uint64_t)((double)site->total_block_bytes * random_weight(site->bytes, totals->mean));
}

void record_totals_get(struct record_totals *totals)
{
    *totals = (struct record_totals){
        .mean = atomic_load(&mean),
        .missed_count = sums.missed_count,
        .missed_estimate = sums.missed_estimate,
        .live_estimate = sums.live_estimate,
        .peak_estimate = peak.estimate,
        .peak_at_ns = peak.at_ns,
    };
    record_each_site(sum_site, totals);
}

uint64_t record_live_estimate(void)
{
    return atomic_load_explicit(&sums.live_estimate, memory_order_relaxed);
}

/* ---- Fork ---- */

static void forget_site_live(struct site *site, void *unused)
{
    (void)unused;
    site_forget_live(site);
}

static bool count_again(const struct record *record, void *unused)
{
    (void)unused;
    site_add_live(record->site, record->size, record->bytes);
    add_to_estimate(record->bytes, atomic_load(&mean));
    return true;
}

/* Threads that are gone were inside. The one that has forked may be, too, below a handler: what it
 * is about to count may then be counted twice. */
static void repair_counts(const struct self *survivor)
{
    for (unsigned i = 0; i < DOORS; i++)
        atomic_store(&doors[i].inside, 0);
    atomic_store(door_of(fork_survivor), survivor->inside);
    site_each(forget_site_live, NULL);
    atomic_store(&sums.live_estimate, 0);
    live_each(&live, count_again, NULL);
    if (atomic_exchange(&peak.is_taken, false))
        atomic_store(&peak.estimate, 0); /* so that its counts are kept anew */
}

/* A new profile that was just beginning begins again. If the thread that has forked was about it,
 * it goes on, which does no harm. */
void record_repair(void)
{
    struct self *survivor = fork_survivors(&self);
    survivor->thread = 0;
    mirror_repair();
    if (is_anybody_inside())
        repair_counts(survivor);
    size_t coming = atomic_load(&coming_mean);
    if (coming != 0)
        record_restart(coming);
}
