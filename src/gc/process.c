/* process.c: the hooks through which the object layer reaches the collector (object/hooks.h). */
#include "gc.h"
#include "hooks.h"       // process_report
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

static void process_ends(void)
{
    gc_collect_at_exit();
    if (!options.objects)
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

static const struct object_hooks gc_hooks IN_SECTION("molt_object_hooks") = {
    .first_owner = process_uses_objects,
    .new_object = gc_new_object,
    .limit = pacing_limit,
    .late_thread = straggler_has_come,
    .keep_late_thread = straggler_linger,
    .thread_ends = thread_end_detach,
    .gc_table_gone = incremental_table_gone,
};
