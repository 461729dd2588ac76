/* pressure.c: when to look, and what has been seen. */
#include "pressure.h"

#include "base/attributes.h"
#include "base/lock.h"
#include "base/options.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stddef.h>

enum { REST_MS = 100, LEAST_BYTES = 1 << 20, MOST_BYTES = 32 << 20, ROOM_SHARE = 8 };

/* Held while a thread looks; the others do not wait. */
static struct lock pressure_lock = LOCK_INIT(RANK_DUMP);

static struct {
    _Atomic(uint64_t) look_at_ms;   /* again, at the latest */
    _Atomic(int64_t) bytes_to_look; /* that may be allocated until then */
    bool is_high;                   /* the mark has been passed */
    struct os_cgroup_walk walk;
} pressure;

static bool is_time_to_look(uint64_t bytes, uint64_t now_ms)
{
    int64_t left =
        atomic_fetch_sub_explicit(&pressure.bytes_to_look, (int64_t)bytes, memory_order_relaxed);
    return left <= (int64_t)bytes ||
           now_ms >= atomic_load_explicit(&pressure.look_at_ms, memory_order_relaxed);
}

static void set_next_look(const struct os_cgroup_fill *fill, uint64_t now_ms)
{
    size_t room = fill->mark > fill->used ? (fill->mark - fill->used) / ROOM_SHARE : 0;
    size_t bytes = room < LEAST_BYTES ? LEAST_BYTES : room > MOST_BYTES ? MOST_BYTES : room;
    atomic_store_explicit(&pressure.bytes_to_look, (int64_t)bytes, memory_order_relaxed);
    atomic_store_explicit(&pressure.look_at_ms, now_ms + REST_MS, memory_order_relaxed);
}

/* Whether the mark is passed now, and was not before. */
static COLD bool look_locked(uint64_t now_ms)
{
    bool of_high = options.prof_dump_at == OPTION_FILL_HIGH, was_high = pressure.is_high;
    pressure.walk.groups = "/proc/self/cgroup";
    pressure.walk.tree = "/sys/fs/cgroup";
    struct os_cgroup_fill fill =
        os_cgroup_fullest(&pressure.walk, of_high, of_high ? 100 : (unsigned)options.prof_dump_at);
    set_next_look(&fill, now_ms);
    if (fill.used >= fill.mark)
        pressure.is_high = true;
    else if (fill.used < fill.mark / 8 * 7)
        pressure.is_high = false;
    return pressure.is_high && !was_high;
}

bool pressure_has_come(uint64_t bytes)
{
    uint64_t now_ms = os_now_ms();
    if (!is_time_to_look(bytes, now_ms) || !lock_try(&pressure_lock))
        return false;
    bool has_come = look_locked(now_ms);
    lock_release(&pressure_lock);
    return has_come;
}

void pressure_repair(void)
{
    lock_free_left(&pressure_lock);
}
