/* garbage.c: the list of it, and the public names around it. */
#include "garbage.h"

#include "collector.h"

#include "object/count.h" // count_add_stopped

#include <errno.h>
#include <stddef.h>
#include <string.h>

static void **garbage;
static size_t garbage_count, garbage_room;

/* A forked child finds all of the first garbage_count. */
static bool grow_garbage(void)
{
    size_t room = garbage_room != 0 ? garbage_room * 2 : 64;
    void **grown = molt_malloc(room * sizeof *grown), **old = garbage;
    if (grown == NULL)
        return false;
    if (garbage_count != 0)
        memcpy(grown, old, garbage_count * sizeof *grown);
    __atomic_store_n(&garbage, grown, __ATOMIC_RELEASE);
    __atomic_store_n(&garbage_room, room, __ATOMIC_RELEASE);
    molt_free(old);
    return true;
}

bool garbage_keep(void *object)
{
    if (garbage_count == garbage_room && !grow_garbage())
        return false;
    count_add_stopped(object, 1);
    garbage[garbage_count] = object;
    __atomic_store_n(&garbage_count, garbage_count + 1, __ATOMIC_RELEASE);
    return true;
}

static size_t copy_garbage(void **out, size_t max)
{
    for (size_t i = 0; i < max && i < garbage_count; i++)
        out[i] = garbage[i];
    return garbage_count;
}

static void **take_garbage(size_t *count)
{
    void **objects = garbage;
    *count = garbage_count;
    garbage_count = 0;
    atomic_signal_fence(memory_order_release);
    garbage_room = 0;
    atomic_signal_fence(memory_order_release);
    garbage = NULL;
    return objects;
}

/* Under the collector's lock: a collection may be adding to it. */
size_t molt_gc_garbage(void **out, size_t max)
{
    bool begins;
    int error = collector_begin(&begins);
    if (error != 0) {
        errno = error;
        return 0;
    }
    size_t count = copy_garbage(out, max);
    if (begins)
        collector_end();
    return count;
}

void molt_gc_clear_garbage(void)
{
    bool begins;
    int error = collector_begin(&begins);
    if (error != 0) {
        errno = error;
        return;
    }
    size_t count;
    void **objects = take_garbage(&count);
    if (begins)
        collector_end();
    for (size_t i = 0; i < count; i++)
        molt_release(objects[i]);
    molt_free(objects);
}
