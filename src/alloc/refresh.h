/* refresh.h: when the statistics page is due (profile/share.h): slow paths that come now and then
 * look at this. */
#ifndef ALLOC_REFRESH_H
#define ALLOC_REFRESH_H

#include "sample.h" // profile_hooks

#include "base/attributes.h"
#include "os/os.h" // os_now_ms

#include <stdbool.h>
#include <stdint.h>

#define REFRESH_NEVER UINT64_MAX

/* In the time of os_now_ms. Read and written atomically. */
extern HIDDEN uint64_t refresh_at_ms;

/* The caller holds no lock. */
static inline void refresh_if_due(uint64_t now_ms)
{
    if (UNLIKELY(now_ms >= __atomic_load_n(&refresh_at_ms, __ATOMIC_RELAXED)))
        profile_hooks.refresh();
}

/* The same for a caller that does not know the time. */
static inline void refresh_check(void)
{
    if (UNLIKELY(__atomic_load_n(&refresh_at_ms, __ATOMIC_RELAXED) != REFRESH_NEVER))
        refresh_if_due(os_now_ms());
}

#endif
