/* search.c: the locks, in their order, around one look. */
#include "search.h"

#include "base/mask.h"
#include "os/os.h"

#include <errno.h>

static void look(struct search *search, const struct roots_caller *caller, const uintptr_t *kept,
                 size_t kept_count)
{
    for (size_t n = 0; n < kept_count; n++)
        reach_from_word(&search->reach, kept[n]);
    roots_mark(&search->roots, caller, &search->reach);
    reach_deduce(&search->reach);
}

static int look_stopped(struct search *search, const struct roots_caller *caller,
                        const uintptr_t *kept, size_t kept_count)
{
    int error = roots_stop(&search->roots);
    if (error == 0 && !reach_begin(&search->reach))
        error = ENOMEM;
    search->has_stopped = search->roots.tracer.has_stopped;
    search->at_ns = os_now_ns();
    if (error == 0)
        look(search, caller, kept, kept_count);
    roots_release(&search->roots);
    return error;
}

static int look_locked(struct search *search, const struct roots_caller *caller,
                       const uintptr_t *kept, size_t kept_count)
{
    if (!leak_hooks.lock())
        return EDEADLK;
    int error = EDEADLK;
    if (census_lock()) {
        error = look_stopped(search, caller, kept, kept_count);
        census_unlock();
    }
    leak_hooks.unlock();
    return error;
}

bool search_begin(struct search *search)
{
    *search = (struct search){.at_ns = 0};
    return roots_begin(&search->roots);
}

int search_look(struct search *search, const struct roots_caller *caller, const uintptr_t *kept,
                size_t kept_count)
{
    struct mask signals;
    mask_all(&signals);
    int error = look_locked(search, caller, kept, kept_count);
    mask_restore(&signals);
    return error;
}

void search_end(struct search *search)
{
    reach_end(&search->reach);
    roots_end(&search->roots);
}
