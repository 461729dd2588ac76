/* hooks.h: the calls by which src/object tells the layers above, and asks them.
 *
 * The collector (src/gc) fills in all hooks but the last, the walks over all objects (src/inspect)
 * the last one, each by a constructor of the library: so no file of src/object names a layer above.
 * Constructors of other libraries may make objects before that. Until then a hook is NULL and is
 * left out: nothing is collected, and an error's line tells no referrers. */
#ifndef OBJECT_HOOKS_H
#define OBJECT_HOOKS_H

#include "owner.h"

#include "base/attributes.h"
#include "base/report.h"

#include <stdbool.h>
#include <stdint.h>

struct gc_table;

struct object_hooks {
    /* The process is about to have its first owner; two threads may call this at once. */
    void (*first_owner)(void);

    /* The calling thread's owner is about to make an object, on the slow path and at a safepoint: a
     * collection that is due may be done. */
    void (*new_object)(struct owner *owner, bool is_tracked);

    /* The owner's `limit`: the count of new objects that it may reach before the next new_object.
     */
    int32_t (*limit)(void);

    /* The owner's thread, for which a collection has waited in vain, is at a safepoint now. */
    void (*late_thread)(struct owner *owner);
    /* The same at a safepoint that the program has asked for: the thread may be kept there. */
    void (*keep_late_thread)(struct owner *owner);

    /* The thread of the heap ends. True: to be called again after the thread's other destructors
     * (alloc/hooks.h). */
    bool (*thread_ends)(struct heap *heap);

    /* The table leaves the list of all tables. Under gc_table_lock. */
    void (*gc_table_gone)(struct gc_table *table);

    /* Appends the fields that refer to p, for the line that stops a program. */
    void (*append_referrers)(struct report_line *line, const void *p);
};

extern HIDDEN struct object_hooks object_hooks;

#endif
