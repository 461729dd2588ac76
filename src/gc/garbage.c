/* garbage.c: an array of references, which grows; and the public functions for it. */
#include "garbage.h"

#include "collector.h"

#include "object/count.h" // count_add_stopped

#include <stddef.h>
#include <string.h>

static void **garbage;
static size_t garbage_count, garbage_room;

/* In a forked child the first garbage_count references are there after any of the stores. */
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

/* Empties the array, and returns it for the caller to free. In a forked child the count is no
 * larger than the room, and that not than the array, after any of the stores. */
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

/* As the collector, so that no collection adds to the array meanwhile. */
size_t molt_gc_garbage(void **out, size_t max)
{
    bool begins;
    if (collector_begin(&begins) != 0)
        return 0;
    size_t count = garbage_count;
    for (size_t i = 0; i < max && i < count; i++)
        out[i] = garbage[i];
    if (begins)
        collector_end();
    return count;
}

void molt_gc_clear_garbage(void)
{
    bool begins;
    if (collector_begin(&begins) != 0)
        return;
    size_t count;
    void **objects = take_garbage(&count);
    if (begins)
        collector_end();
    for (size_t i = 0; i < count; i++)
        molt_release(objects[i]);
    molt_free(objects);
}
