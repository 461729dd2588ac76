/* listener.c: telling. */
#include "listener.h"

#include "live.h"
#include "probe.h"

#include "base/random.h" // random_weight

/* The blocks that a tracer knows of. */
static struct live_set told;

bool listener_allocated(void *block, size_t size, size_t bytes, size_t mean)
{
    struct record record = {.block = block, .size = size, .bytes = bytes};
    if (!probe_is_heard() || mean == 0 || !live_add(&told, &record))
        return false;
    probe_alloc(block, size, (size_t)((double)size * random_weight(bytes, mean) + 0.5));
    return true;
}

void listener_freed(void *block)
{
    struct record record;
    if (live_find(&told, block, &record) && live_remove(&record))
        probe_free(block);
}
