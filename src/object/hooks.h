/* hooks.h: what those above the object layer are told, and what they are asked.
 *
 * The collector (src/gc) fills in all but the last hook, the walks over all objects (src/inspect)
 * the last one, each by a constructor of the library. So no file here names them. Objects may be
 * made before that, by constructors of other libraries: until then nothing is collected. */
#ifndef OBJECT_HOOKS_H
#define OBJECT_HOOKS_H

#include "owner.h"

#include "base/attributes.h"
#include "base/report.h"

#include <stdbool.h>
#include <stdint.h>

struct gc_table;

struct object_hooks {
    /* The process is about to have its first owner; two threads may say so at once. */
    void (*first_owner)(void);

    /* The calling thread's owner is about to make an object, on the slow path and at a safepoint:
     * what is due may be done, also a collection. */
    void (*new_object)(struct owner *owner, bool is_tracked);

    /* What the owner's count of new objects may be before it comes to new_object again. */
    int32_t (*limit)(void);

    /* The thread of the owner was waited for in vain, and is at a safepoint now. */
    void (*late_thread)(struct owner *owner);
    /* … which the program has asked for: it may be kept there for a while. */
    void (*keep_late_thread)(struct owner *owner);

    /* The thread of the heap ends; true to be asked again after other destructors (alloc/hooks.h).
     */
    bool (*thread_ends)(struct heap *heap);

    /* The table leaves the list of all. Under gc_table_lock. */
    void (*gc_table_gone)(struct gc_table *table);

    /* Appends who refers to p, for the line that stops a program. */
    void (*append_referrers)(struct report_line *line, const void *p);
};

extern HIDDEN struct object_hooks object_hooks;

#endif
