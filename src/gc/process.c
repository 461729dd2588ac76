/* process.c: the hooks through which the object layer reaches the collector (object/hooks.h). */
#include "process.h"

#include "gc.h"
#include "incremental.h" // incremental_table_gone
#include "pacing.h"      // pacing_limit
#include "repair.h"
#include "straggler.h"
#include "thread_end.h"

#include "base/fork.h" // fork_set_repair
#include "base/options.h"
#include "base/report.h" // report_stderr
#include "object/blocking.h"
#include "object/hooks.h"

#include <stdlib.h> // atexit

int (*process_report)(int fd);

static void process_ends(void)
{
    gc_collect_at_exit();
    if (!options.objects || process_report == NULL)
        return;
    blocking_end_all();
    process_report(report_stderr());
}

/* Before the process has its first owner. Two threads may call this at once. */
static void process_uses_objects(void)
{
    static atomic_bool is_registered;
    fork_set_repair(FORK_OBJECT, repair_objects);
    if (!atomic_exchange(&is_registered, true))
        atexit(process_ends);
}

/* Constructors of other libraries may have made objects before this one. */
__attribute__((constructor)) static void fill_hooks(void)
{
    object_hooks.first_owner = process_uses_objects;
    object_hooks.new_object = gc_new_object;
    object_hooks.limit = pacing_limit;
    object_hooks.late_thread = straggler_has_come;
    object_hooks.keep_late_thread = straggler_linger;
    object_hooks.thread_ends = thread_end_detach;
    object_hooks.gc_table_gone = incremental_table_gone;
    if (atomic_load(&owner_first) != NULL)
        process_uses_objects();
    owner_call_all();
}
