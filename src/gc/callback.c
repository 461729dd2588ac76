/* callback.c: the list of callbacks, in the order in which they were added. */
#include "callback.h"

#include "base/lock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

struct callback {
    molt_gc_callback *function;
    void *arg;
    uint64_t number; /* counts from 1 on in the order of adding */
    struct callback *next;
};

static struct callback *callbacks; /* the list, which changes by one store */
static uint64_t callbacks_added;   /* the last number given */
static struct lock callbacks_lock = LOCK_INIT(RANK_CALLBACK);

int molt_gc_add_callback(molt_gc_callback *function, void *arg)
{
    struct callback *callback = molt_malloc(sizeof *callback);
    if (callback == NULL)
        return -1;
    *callback = (struct callback){.function = function, .arg = arg};
    lock_acquire(&callbacks_lock);
    struct callback **end = &callbacks;
    while (*end != NULL)
        end = &(*end)->next;
    callback->number = ++callbacks_added;
    *end = callback;
    lock_release(&callbacks_lock);
    return 0;
}

int molt_gc_remove_callback(molt_gc_callback *function, void *arg)
{
    lock_acquire(&callbacks_lock);
    struct callback **at = &callbacks;
    while (*at != NULL && ((*at)->function != function || (*at)->arg != arg))
        at = &(*at)->next;
    struct callback *found = *at;
    if (found != NULL)
        *at = found->next;
    lock_release(&callbacks_lock);
    molt_free(found);
    if (found != NULL)
        return 0;
    errno = ENOENT;
    return -1;
}

void callback_repair(void)
{
    lock_free_left(&callbacks_lock);
}

/* Each callback is looked for anew by its number, and called without the lock: it may remove itself
 * or others, or add some. These are called from the next phase on: otherwise one that is removed
 * and added again each time would be called for ever. */
void callback_call_all(enum molt_gc_phase phase, const struct molt_gc_info *info)
{
    struct callback copy = {.number = 0};
    uint64_t last = __atomic_load_n(&callbacks_added, __ATOMIC_RELAXED);
    for (;;) {
        lock_acquire(&callbacks_lock);
        const struct callback *callback = callbacks;
        while (callback != NULL && callback->number <= copy.number)
            callback = callback->next;
        copy = callback != NULL ? *callback : (struct callback){0};
        lock_release(&callbacks_lock);
        if (copy.function == NULL || copy.number > last)
            return;
        copy.function(phase, info, copy.arg);
    }
}
