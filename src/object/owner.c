/* owner.c: the list of owners, and what a forked child does with it. */
#include "owner.h"

#include "base/fork.h" // fork_survivors
#include "os/os.h"     // os_thread_id

THREAD_LOCAL uint64_t molt_self = SELF_NONE;
THREAD_LOCAL struct owner *owner_self;
THREAD_LOCAL struct owner_suspension owner_suspension;
_Atomic(struct owner *) owner_first;
bool owner_running_lost;

void owner_call_all(void)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        owner_call(owner);
}

/* The owner that a thread has, also while its use of objects is suspended. */
static const struct owner *owner_in_use(struct owner *const *self,
                                        const struct owner_suspension *suspension)
{
    return (suspension->traverses | suspension->blocks) != 0 ? suspension->owner : *self;
}

/* Keeps the owners of the calling thread and of the one that forked, whose id is the process's now.
 */
void owner_repair(void)
{
    const struct owner *own = owner_in_use(&owner_self, &owner_suspension);
    const struct owner *survivor =
        owner_in_use(fork_survivors(&owner_self), fork_survivors(&owner_suspension));
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        lock_free_left(&owner->lock);
        if (owner == own || owner == survivor) {
            uint32_t thread = owner == survivor ? os_process_id() : os_thread_id();
            atomic_store_explicit(&owner->thread, thread, memory_order_relaxed);
            continue;
        }
        if (owner_state(owner) == OWNER_RUNNING)
            owner_running_lost = true;
        owner->lacks_table = true;
        owner_set_state(owner, OWNER_DETACHED);
    }
}
