/* hooks.h: the functions of src/object that are called when a heap changes. src/object fills the
 * table in before the first object is made; until then no hook is called. */
#ifndef ALLOC_HOOKS_H
#define ALLOC_HOOKS_H

#include "base/attributes.h"

#include <stdbool.h>

struct heap;
struct pool;

struct hooks {
    /* A pool that has a GC table or shared counts is empty, and hangs nowhere any more: the hook
     * gives it back by object_block_release_pool, at once or later. It is called inside a slow
     * path, perhaps under registry_lock, so it must neither allocate nor wait. */
    void (*pool_gone)(struct pool *pool);
    /* A thread whose heap has objects ends. True: call the hook again, after other destructors. */
    bool (*thread_ends)(struct heap *heap);
};

extern HIDDEN struct hooks hooks;

#endif
