/* share.c: making and removing the page, and refreshing it. */
#include "share.h"

#include "folder.h"
#include "memory.h" // profile_memory_given
#include "output.h" // output_warn
#include "page.h"
#include "pattern.h" // pattern_program
#include "record.h"

#include "alloc/refresh.h"
#include "alloc/stats.h"
#include "base/attributes.h"
#include "base/lock.h"
#include "base/mask.h"
#include "base/options.h"
#include "base/syscall.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PERIOD_NS = 10 * 1000000, /* a refresh begins so long after the one before, or later */
    CHANGES_NS = 1000000000,  /* so long is what changes are told of, or longer */
    SHARE = 1000,             /* one part in so many of the time goes to counting */
    STEP_NS = 500 * 1000,     /* as long as it does at a time, at most */
};

static struct lock share_lock = LOCK_INIT(RANK_SHARE);

/* Under the lock. */
static struct {
    struct page *page; /* NULL: there is none */
    unsigned process;  /* whose it is */
    struct stat file;
    char path[FOLDER_PATH_SIZE + FOLDER_NAME_SIZE];
} shared;

static bool followed; /* what share_follow_options was last told */

/* What changes are told against. */
struct earlier {
    uint64_t at_ns; /* 0: there is none */
    struct molt_page_stats stats;
    struct molt_page_profile profile;
};

/* A refresh that is under way, under the lock. */
static struct {
    struct stats_count count;
    struct molt_class classes[ACCOUNT_CLASSES];
    uint64_t began_ns, took_ns;
    uint64_t rested_ns; /* when the last step ended */
    struct page draft;  /* what was last written, without the head */
    struct earlier earlier;
} counting;

/* ---- Refreshing ---- */

static void set_due(uint64_t ns)
{
    __atomic_store_n(&refresh_at_ms, ns / 1000000 + 1, __ATOMIC_RELAXED);
}

static void begin_round(void)
{
    stats_begin(&counting.count, counting.classes);
}

static void draft_stats(struct molt_page_stats *stats)
{
    _Static_assert(sizeof *stats == sizeof counting.count.stats, "the same fields");
    memcpy(stats, &counting.count.stats, sizeof *stats);
}

static uint64_t draft_classes(struct molt_page_class *out)
{
    _Static_assert(sizeof *out == sizeof counting.classes[0], "the same fields");
    uint64_t count = 0;
    for (unsigned i = 0; i < ACCOUNT_CLASSES; i++)
        if (counting.classes[i].pools > 0)
            memcpy(&out[count++], &counting.classes[i], sizeof *out);
    return count;
}

static void draft_profile(struct molt_page_profile *profile)
{
    struct record_totals totals;
    record_totals_get(&totals);
    *profile = (struct molt_page_profile){
        .mean = totals.mean,
        .sites = totals.sites,
        .live_count = totals.live_count,
        .live_bytes = totals.live_bytes,
        .total_count = totals.total_count,
        .total_bytes = totals.total_bytes,
        .temporary_count = totals.temporary_count,
        .missed_count = totals.missed_count,
        .missed_estimate = totals.missed_estimate,
        .live_estimate = totals.live_estimate,
        .peak_estimate = totals.peak_estimate,
        .peak_at_ns = totals.peak_at_ns,
        .total_estimate = totals.total_estimate,
        .memory_bytes = profile_memory_given(),
    };
}

#define CHANGE(part, field) ((int64_t)(draft->part.field - before->part.field))

static void draft_changes(struct page *draft, struct earlier *before)
{
    uint64_t period = draft->state.refreshed_ns - before->at_ns;
    if (before->at_ns != 0 && period < CHANGES_NS)
        return;
    if (before->at_ns != 0)
        draft->changes = (struct molt_page_changes){
            .period_ns = period,
            .live_blocks = CHANGE(stats, live_blocks),
            .live_bytes = CHANGE(stats, live_bytes),
            .committed_bytes = CHANGE(stats, committed_bytes),
            .purged_bytes = CHANGE(stats, purged_bytes),
            .sampled_count = CHANGE(profile, total_count),
            .allocated_estimate = CHANGE(profile, total_estimate),
        };
    *before = (struct earlier){draft->state.refreshed_ns, draft->stats, draft->profile};
}

/* Draws up the state of a round that has counted all and taken `took_ns`. */
static COLD void make_draft(struct page *draft, uint64_t took_ns)
{
    draft_stats(&draft->stats);
    draft_profile(&draft->profile);
    draft->state.refreshes++;
    draft->state.wall_ns = os_wall_ns();
    draft->state.refreshed_ns = os_now_ns();
    draft->state.counted_ns = counting.began_ns;
    draft->state.took_ns = took_ns;
    draft->state.classes = draft_classes(draft->classes);
    draft_changes(draft, &counting.earlier);
}

/* Writes the draft to the page, if that is the process's own. */
static void write_page(void)
{
    struct mask signals;
    mask_all(&signals);
    if (shared.page != NULL && shared.process == os_process_id())
        page_write(shared.page, &counting.draft);
    mask_restore(&signals);
}

/* Returns how long a step may last: a share of the time since the last one. */
static uint64_t step_ns(uint64_t now)
{
    uint64_t share = (now - counting.rested_ns) / SHARE;
    return share < STEP_NS ? share : STEP_NS;
}

/* Counts for a while; writes the page when all is counted. What is made up for is the processor's
 * time, since other threads may have had the processor meanwhile. */
static void step(void)
{
    uint64_t began = os_now_ns(), used = os_thread_ns(), until = began + step_ns(began);
    bool is_done;
    if (counting.count.arenas == 0)
        counting.began_ns = began;
    do
        is_done = stats_step(&counting.count);
    while (!is_done && os_now_ns() < until);
    if (is_done) {
        make_draft(&counting.draft, counting.took_ns + os_thread_ns() - used);
        write_page();
        begin_round();
    }
    uint64_t took = os_thread_ns() - used, now = os_now_ns(), due = now + took * SHARE;
    counting.took_ns = is_done ? 0 : counting.took_ns + took;
    counting.rested_ns = now;
    set_due(is_done && due < began + PERIOD_NS ? began + PERIOD_NS : due);
}

void share_refresh(void)
{
    if (!lock_try(&share_lock))
        return;
    if (shared.page != NULL)
        step();
    lock_release(&share_lock);
}

/* ---- The file ---- */

/* Gives the file its memory, and maps it. NULL, and *error: it cannot be. */
static struct page *map_file(int file, int *error)
{
    long result = os_file_limit() < sizeof(struct page) ? -EFBIG : SYSCALL(fchmod, file, 0600);
    if (result == 0)
        result = SYSCALL(fallocate, file, 0, 0, sizeof(struct page));
    if (result == 0)
        result = SYSCALL(fstat, file, &shared.file);
    struct page *page = result == 0 ? os_map_file(file, os_round_to_pages(sizeof *page)) : NULL;
    *error = result == 0 && page == NULL ? ENOMEM : (int)-result;
    return page;
}

/* The page gets its name when all of it is there. One of that name is of an earlier process, or of
 * the program that this one ran before an execve. */
static int make_in(int folder, const char *name)
{
    char unfinished[FOLDER_NAME_SIZE + 1], program[PATTERN_PROGRAM_SIZE];
    size_t length = strlen(name);
    int error;
    memcpy(unfinished, name, length);
    memcpy(unfinished + length, FOLDER_UNFINISHED, sizeof FOLDER_UNFINISHED);
    SYSCALL(unlinkat, folder, unfinished, 0);
    int file = os_open_at(folder, unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (file < 0)
        return -file;
    struct page *page = map_file(file, &error);
    if (page != NULL) {
        pattern_program(program);
        page_begin(page, program, shared.process);
        error = (int)-SYSCALL(renameat, folder, unfinished, folder, name);
    }
    if (error == 0)
        shared.page = page;
    else
        SYSCALL(unlinkat, folder, unfinished, 0);
    if (error != 0 && page != NULL)
        os_unmap(page, os_round_to_pages(sizeof *page));
    SYSCALL(close, file);
    return error;
}

/* Makes the page in the first folder that takes it. Returns errno of the last one; its path is what
 * shared.path is then. */
static int make_file(bool is_child)
{
    int error = ENOENT;
    for (unsigned number = 0; number < FOLDERS && error != 0; number++) {
        int folder = folder_open(number, shared.path);
        if (folder < 0) {
            error = -folder;
            continue;
        }
        size_t length = strlen(shared.path);
        shared.path[length] = '/';
        folder_page_name(shared.process, &shared.path[length + 1]);
        if (!is_child)
            folder_sweep(folder);
        error = make_in(folder, &shared.path[length + 1]);
        SYSCALL(close, folder);
    }
    return error;
}

/* The path may lead elsewhere by now: to a file of another root. */
static void remove_file(void)
{
    struct stat status;
    if (shared.process == os_process_id() &&
        SYSCALL(newfstatat, AT_FDCWD, shared.path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        status.st_dev == shared.file.st_dev && status.st_ino == shared.file.st_ino)
        SYSCALL(unlinkat, AT_FDCWD, shared.path, 0);
}

/* ---- Beginning and ending, with the lock held and signals blocked ---- */

static COLD int begin(bool is_child)
{
    shared.process = os_process_id();
    int error = make_file(is_child);
    if (error != 0)
        return error;
    memset(&counting.draft, 0, sizeof counting.draft);
    counting.earlier.at_ns = 0;
    counting.draft.state.shared_ns = counting.rested_ns = os_now_ns();
    begin_round();
    set_due(0);
    return 0;
}

/* Readers that have the page still mapped see that it has ended. */
static COLD void end(void)
{
    struct page *page = shared.page;
    if (page == NULL)
        return;
    __atomic_store_n(&refresh_at_ms, REFRESH_NEVER, __ATOMIC_RELAXED);
    remove_file();
    counting.draft.state.ended = 1;
    write_page();
    shared.page = NULL;
    os_unmap(page, os_round_to_pages(sizeof *page));
}

bool share_is_to_change(void)
{
    return __atomic_load_n(&followed, __ATOMIC_RELAXED) != (options.share != 0);
}

COLD void share_follow_options(void)
{
    bool is_wanted = options.share != 0;
    int error = 0;
    struct mask signals;
    mask_all(&signals);
    lock_acquire(&share_lock);
    if (!is_wanted)
        end();
    else if (shared.page == NULL && (error = begin(false)) == 0)
        step(); /* a process that does nothing has a first state, too */
    lock_release(&share_lock);
    mask_restore(&signals);
    __atomic_store_n(&followed, is_wanted, __ATOMIC_RELAXED);
    if (error != 0)
        output_warn("statistics not shared", error, shared.path);
}

/* A handler that has interrupted a refresh leaves the page where it is. */
COLD void share_exit(void)
{
    if (lock_is_mine(&share_lock)) {
        remove_file();
        return;
    }
    struct mask signals;
    mask_all(&signals);
    lock_acquire(&share_lock);
    end();
    lock_release(&share_lock);
    mask_restore(&signals);
}

/* Signals are blocked. The thread that has forked may have been interrupted while it refreshed the
 * page: then it holds the lock, goes on counting, and writes to the page that is made here. */
COLD void share_repair(void)
{
    struct page *page = shared.page;
    lock_free_left(&share_lock);
    if (page == NULL)
        return;
    shared.page = NULL;
    os_unmap(page, os_round_to_pages(sizeof *page));
    if (begin(true) != 0)
        __atomic_store_n(&refresh_at_ms, REFRESH_NEVER, __ATOMIC_RELAXED);
}
