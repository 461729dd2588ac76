/* init.c: what the first allocation sets up, and what the loader runs at the start.
 *
 * The first allocation may come from the loader, before any constructor: init_slow uses nothing
 * that could allocate. */
#include "init.h"

#include "background.h"
#include "block.h"
#include "peak.h"
#include "perturb.h"
#include "repair.h"
#include "sample.h"
#include "span.h" // span_set_counted
#include "stats.h"
#include "thread.h"

#include "base/fork.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/report.h"
#include "base/syscall.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CONFIG_FILE "/etc/molt.conf"

static struct lock init_lock = LOCK_INIT(RANK_INIT);

/* Warns that the configuration file exists, but could not be read. */
static void tell_unread(long error)
{
    switch (error) {
    case -EACCES:
        report_warning("%s: not read: permission denied", CONFIG_FILE);
        break;
    case -EINVAL:
        report_warning("%s: not read: no regular file", CONFIG_FILE);
        break;
    default:
        report_warning("%s: not read: error %d", CONFIG_FILE, (int)-error);
    }
}

static void read_options(void)
{
    char text[4096];
    if (os_is_secure())
        return;
    long file_length = os_read_file(CONFIG_FILE, text, sizeof text);
    if (file_length == (long)sizeof text - 1)
        report_warning("%s: longer than %zu bytes: ignored", CONFIG_FILE, sizeof text - 2);
    else if (file_length > 0)
        options_parse(text, CONFIG_FILE);
    long length = os_environment("MOLT", text, sizeof text);
    if (length >= (long)sizeof text)
        report_warning("MOLT: longer than %zu bytes: ignored", sizeof text - 1);
    else if (length > 0)
        options_parse(text, "MOLT");
    perturb_init();
    peak_set_limits();
    if (file_length < 0 && file_length != -ENOENT && (options.strict || options.verbose))
        tell_unread(file_length);
}

/* The part that must not be repeated when memory was refused and the next allocation tries again.
 */
static void prepare_once(void)
{
    static bool prepared;
    if (prepared)
        return;
    prepared = true;
    report_init();
    os_init();
    read_options();
    if (os_counts_mappings())
        span_set_counted();
    os_fail(options.fail_os, true);
    block_key = block_key_from(os_random());
}

bool init_slow(void)
{
    if (lock_is_mine(&init_lock))
        return false; /* the caller is a signal handler that interrupted the first allocation */
    lock_acquire(&init_lock);
    if (map.bytes == 0) {
        prepare_once();
        os_probe_purge();
        repair_init();
        map_init();
    }
    lock_release(&init_lock);
    return map.bytes != 0;
}

static void say_loaded(void)
{
    struct report_line line = {.length = 0};
    report_append(&line, "molt: loaded in pid %d: window of %zu MiB at %p, %s\n",
                  (int)SYSCALL(getpid), map.bytes >> 20, (void *)map.base,
                  map.reserved ? "reserved" : "not reserved (address limit)");
    report_write(report_stderr(), line.text, line.length);
}

static void write_stats(void)
{
    if (options.stats)
        stats_write(report_stderr(), MOLT_TEXT);
}

static void in_child(void)
{
    fork_in_child();
    background_adjust();
}

__attribute__((constructor)) static void start(void)
{
    pthread_atfork(NULL, NULL, in_child);
    if (!init_done())
        return;
    thread_init();
    background_adjust();
    profile_hooks.follow_options();
    atexit(write_stats);
    if (options.verbose)
        say_loaded();
}
