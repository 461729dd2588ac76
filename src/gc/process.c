/* process.c: what the collector does when the process begins to use objects, and when it ends. */
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

static void at_exit(void)
{
    gc_collect_at_exit();
    if (!options.objects || process_report == NULL)
        return;
    blocking_end_all();
    process_report(report_stderr());
}

static void first_owner(void)
{
    static atomic_bool is_registered;
    fork_set_repair(FORK_OBJECT, repair_objects);
    if (!atomic_exchange(&is_registered, true))
        atexit(at_exit);
}

/* A constructor of another library may have made objects before. */
__attribute__((constructor)) static void fill_hooks(void)
{
    object_hooks.first_owner = first_owner;
    object_hooks.new_object = gc_new_object;
    object_hooks.limit = pacing_limit;
    object_hooks.late_thread = straggler_has_come;
    object_hooks.keep_late_thread = straggler_linger;
    object_hooks.thread_ends = thread_end_detach;
    object_hooks.gc_table_gone = incremental_table_gone;
    if (atomic_load(&owner_first) != NULL)
        first_owner();
    owner_call_all();
}
