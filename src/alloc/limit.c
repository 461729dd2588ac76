/* limit.c: the sum, and the line that is written when it comes to the hard limit. */
#include "limit.h"

#include "arena.h"
#include "span_cache.h" // span_totals

#include "base/options.h"
#include "base/report.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stdint.h>

struct limits limits;

/* The limit has refused memory to a call that may fail by that. */
static _Atomic bool has_refused;

/* 0 where an option asks for a part of no limit. */
static size_t in_bytes(uint64_t option, size_t whole)
{
    if (option < OPTION_PERCENT)
        return option;
    return whole == SIZE_MAX ? 0 : option_part(whole, option & ~OPTION_PERCENT);
}

void limit_set(void)
{
    bool is_relative = ((options.soft_limit | options.hard_limit) & OPTION_PERCENT) != 0;
    size_t whole = is_relative ? os_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup") : SIZE_MAX;
    __atomic_store_n(&limits.soft, in_bytes(options.soft_limit, whole), __ATOMIC_RELAXED);
    __atomic_store_n(&limits.hard, in_bytes(options.hard_limit, whole), __ATOMIC_RELAXED);
}

size_t limit_resident(void)
{
    size_t pages = __atomic_load_n(&arena_totals.used_pages, __ATOMIC_RELAXED) +
                   __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED);
    return (pages << os_page_shift) -
           atomic_load_explicit(&arena_gone_bytes, memory_order_relaxed) +
           __atomic_load_n(&span_totals.mapped_bytes, __ATOMIC_RELAXED);
}

bool limit_has_room_slow(size_t bytes)
{
    size_t hard = __atomic_load_n(&limits.hard, __ATOMIC_RELAXED), now = limit_resident();
    return bytes == 0 || hard == 0 || (now <= hard && bytes <= hard - now);
}

bool limit_admits_slow(size_t bytes)
{
    bool has_room = limit_has_room_slow(bytes);
    if (!has_room)
        atomic_store_explicit(&has_refused, true, memory_order_relaxed);
    return has_room;
}

void limit_forget_refusal(void)
{
    atomic_store_explicit(&has_refused, false, memory_order_relaxed);
}

bool limit_tell(size_t size)
{
    static _Atomic bool was_told;
    if (!atomic_exchange_explicit(&has_refused, false, memory_order_relaxed))
        return false;
    if (!atomic_exchange_explicit(&was_told, true, memory_order_relaxed))
        report_warning("hard_limit of %zu bytes reached: %zu are in use, and %zu were asked for",
                       __atomic_load_n(&limits.hard, __ATOMIC_RELAXED), limit_resident(), size);
    return true;
}
