/* repair.c: the order of all repairs of objects in a forked child. */
#include "repair.h"

#include "callback.h" // callback_repair
#include "collector.h"
#include "incremental.h" // incremental_end
#include "scratch.h"     // scratch_give

#include "object/gc_table.h"
#include "object/owner.h"
#include "object/safepoint.h"
#include "object/type.h"
#include "object/weak.h"

static void repair_collection(void)
{
    gc_table_forget_collection();
    incremental_end();
    scratch_give();
}

void repair_objects(void)
{
    bool was_collecting = collector_is_left();
    owner_repair();
    gc_table_repair();
    if (was_collecting)
        repair_collection();
    callback_repair();
    type_repair();
    weak_repair();
    safepoint_repair();
    collector_repair();
}
