/* repair.c: the order of all repairs of objects in a forked child: each lock is freed after what it
 * protects is whole, since a child of the child learns from the lock that repair is needed. */
#include "repair.h"

#include "callback.h" // callback_repair
#include "collect.h"  // collect_abandon
#include "collector.h"

#include "object/gc_table.h"
#include "object/owner.h"
#include "object/safepoint.h"
#include "object/type.h"
#include "object/weak.h"

void repair_objects(void)
{
    owner_repair();    /* owners of threads that are gone are detached: nobody waits for them */
    gc_table_repair(); /* rings of tables, which the next step walks over */
    if (collector_is_left()) /* else a cycle is between two slices, and goes on in the child */
        collect_abandon();
    callback_repair(); /* these three: a list or a table each, with a lock of its own */
    type_repair();
    weak_repair();
    safepoint_repair(); /* the world goes on: threads that wait for that find all the above whole */
    collector_repair(); /* last, since collector_is_left is asked above */
}
