/* trim.c: molt_trim and malloc_trim. */
#include "trim.h"

#include "fork.h"
#include "heap.h"
#include "huge.h"
#include "purge.h"
#include "registry.h"
#include "remote.h"
#include "thread.h"

size_t trim(size_t keep_bytes)
{
    fork_check();
    struct heap *heap = thread_enter_existing();
    if (heap != NULL) {
        remote_flush(heap);
        remote_collect(heap);
        heap_release_empty(heap);
        thread_leave(heap);
    }
    registry_reap_all();
    size_t returned = keep_bytes == 0 ? huge_purge_all() : 0;
    return returned + purge_all(keep_bytes);
}
