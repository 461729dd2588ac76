/* hooks.h: the calls by which src/object tells the layers above, and asks them.
 *
 * The collector defines object_hooks (gc/process.c), the walks over all objects
 * object_append_referrers (inspect/inspect.c), each in a section that only the linker leads to
 * (attributes.h): so no file of src/object names a layer above. Both are constant, since objects
 * may be made, and threads may end and fork, before any constructor of the library has run: in
 * .preinit_array, or in a static initialiser of a program that is linked with libmolt.a. */
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
};

extern HIDDEN const struct object_hooks object_hooks AT_SECTION_START("molt_object_hooks");

/* Appends the fields that refer to p, for the line that stops a program. */
typedef void append_referrers(struct report_line *line, const void *p);
extern HIDDEN append_referrers *const object_append_referrers
    AT_SECTION_START("molt_append_referrers");

#endif
