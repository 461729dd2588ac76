/* hooks.h: what upper layers have done when a heap changes. They fill the table in; until then
 * nobody needs it. */
#ifndef ALLOC_HOOKS_H
#define ALLOC_HOOKS_H

#include "base/attributes.h"

#include <stdbool.h>

struct heap;
struct pool;

struct hooks {
    /* A pool with a GC table or shared counts is empty, and hangs nowhere any more: it is the hook's, which
     * gives it back by object_block_release_pool, at once or later. Comes inside a slow path,
     * perhaps under registry_lock: must neither allocate nor wait. */
    void (*pool_gone)(struct pool *pool);
    /* The thread whose heap has objects ends; true to be asked again after other destructors. */
    bool (*thread_ends)(struct heap *heap);
};

extern HIDDEN struct hooks hooks;

#endif
