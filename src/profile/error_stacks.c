/* error_stacks.c: what the records tell, as text. */
#include "error_stacks.h"

#include "frame.h"
#include "freed.h"
#include "record.h"
#include "stack.h"
#include "unwind.h"

#include "alloc/map.h"
#include "base/options.h"
#include "base/report.h"
#include "os/os.h" // os_process_id

#include <stdatomic.h>

/* Too large for the stack of a handler; one thread has it at a time. */
static struct {
    _Atomic(unsigned) process; /* the one of which a thread has it; a child has other threads */
    uintptr_t frames[STACK_DEPTH_MAX];
    char path[FRAME_PATH_SIZE];
    struct freed freed;
} work;

static void write_frames(int fd, struct report_line *line, const uintptr_t *frames, unsigned depth)
{
    report_append(line, depth > 0 ? " at:" : ", nobody knows where");
    report_write_line(fd, line);
    for (unsigned i = 0; i < depth; i++) {
        line->length = 0;
        report_append(line, "    ");
        frame_append_unlocked(line, frames[i], work.path);
        report_write_line(fd, line);
    }
}

static void write_error(int fd)
{
    struct report_line line = {.length = 0};
    unsigned depth = unwind_walk(work.frames, STACK_DEPTH_MAX);
    report_append(&line, "molt: the error is");
    write_frames(fd, &line, work.frames, depth);
}

static void write_allocated(int fd, const char *which, const void *block, const struct site *site,
                            size_t size, unsigned thread)
{
    struct report_line line = {.length = 0};
    report_append(&line, "molt: the %s of %zu bytes at %p", which, size, block);
    if (site->type != NULL)
        report_append(&line, " (%s)", site->type);
    report_append(&line, " was allocated by thread %u", thread);
    write_frames(fd, &line, site->stack->frames, site->stack->depth);
}

static void write_freed(int fd, unsigned thread)
{
    struct report_line line = {.length = 0};
    report_append(&line, "molt: it was freed by thread %u", thread);
    write_frames(fd, &line, work.freed.frames, work.freed.depth);
}

/* False: nothing is known of a block that starts there. */
static bool write_block(int fd, const char *which, const void *block)
{
    struct record record;
    if (record_find((void *)block, &record)) {
        write_allocated(fd, which, block, record.site, record.size, record.thread);
        return true;
    }
    if (!freed_find(block, &work.freed))
        return false;
    write_allocated(fd, which, block, work.freed.site, work.freed.size, work.freed.allocated_by);
    write_freed(fd, work.freed.freed_by);
    return true;
}

/* The block that p points into, as far as the records of pools tell: an object does not lie at the
 * start of its block. */
static const void *block_around(const void *p)
{
    const struct pool *pool = map_pool_around(p);
    if (pool == NULL)
        return p;
    return (const char *)p - ((uintptr_t)p - pool->start) % pool_block_bytes(pool);
}

static void write_all(int fd, const void *block, const void *before)
{
    if (options.backtrace)
        write_error(fd);
    if (block != NULL && !write_block(fd, "block", block) && block_around(block) != block)
        write_block(fd, "block", block_around(block));
    if (before != NULL)
        write_block(fd, "block before it", before);
}

/* An error of another thread meanwhile, or in here, has its line alone. A handler of SIGABRT may
 * have the thread go on. */
static void after_error(int fd, const void *block, const void *before)
{
    unsigned self = os_process_id(), user = atomic_load(&work.process);
    if (user == self || !atomic_compare_exchange_strong(&work.process, &user, self))
        return;
    write_all(fd, block, before);
    atomic_store(&work.process, 0);
}

static const struct report_hooks hooks_of_profile IN_SECTION("molt_report_hooks") = {
    .after_error = after_error,
};
