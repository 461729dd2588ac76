/* record.c: libtrace.so, to be preloaded: records what a program does with malloc and its family.
 *
 * MOLT_TRACE=PREFIX has every process write PREFIX.PID, in the format of trace.h; when a process
 * executes another program, that one's trace replaces it. PREFIX should be absolute, for programs
 * that change their directory. Without MOLT_TRACE all calls pass through to glibc. A child of fork
 * records nothing unless it executes a program, which then does.
 *
 * One lock is held from before the call to glibc until the event is in its stream. That makes the
 * total order: between glibc's return and the event, nobody can be given the same address.
 *
 * The calls go to glibc by its own names for them, so that there is nothing to look up and no time
 * before which it does not work. */
#include "slots.h"
#include "stream.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h> // LIBC_SO
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static _Atomic enum { UNDECIDED, RECORDING, OVER } phase;
static pid_t process; /* once the constructor has run */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t live; /* bytes in all slots */

/* True in the process that started the recording and in its threads; a child of fork finds zeros in
 * this page. Its copy of the lock may be held, so it must not even look at that. */
static bool *original;

/* Its value is the thread's stream, of which it tells the end. */
static pthread_key_t ending;
static bool ending_exists;

static _Thread_local struct {
    struct stream *stream;
    bool inside; /* holds the lock: a call from a signal's handler passes through */
} self __attribute__((tls_model("initial-exec")));

/* ---- Beginning and end ---- */

/* The program's first call decides, when there is one thread. Before libc has set the environment
 * it is too early. */
static void start(void)
{
    const char *prefix = environ ? getenv("MOLT_TRACE") : NULL;

    if (!environ)
        return;
    phase = OVER;
    if (!prefix || !*prefix)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    original = stream_map(page);
    if (!original || !slots_start())
        return;
    if (madvise(original, page, MADV_WIPEONFORK)) {
        stream_complain("MADV_WIPEONFORK", errno);
        return;
    }
    *original = true;
    if (stream_start(prefix))
        phase = RECORDING;
}

/* Takes the lock if calls are to be recorded. */
static bool enter(void)
{
    if (phase == UNDECIDED)
        start();
    if (phase == OVER || !original || !*original || self.inside)
        return false;
    self.inside = true;
    pthread_mutex_lock(&lock);
    if (phase == RECORDING)
        return true;
    pthread_mutex_unlock(&lock);
    self.inside = false;
    return false;
}

static void leave(void)
{
    pthread_mutex_unlock(&lock);
    self.inside = false;
}

/* In a child of vfork, which shares everything with its parent, the number of the process differs.
 */
static void finish(void)
{
    if (process != getpid() || !enter())
        return;
    stream_finish();
    phase = OVER;
    leave();
}

static void thread_ends(void *stream)
{
    if (!enter())
        return;
    slots_abandon(stream);
    leave();
}

__attribute__((constructor)) static void constructor(void)
{
    process = getpid();
    ending_exists = !pthread_key_create(&ending, thread_ends);
    at_quick_exit(finish);
}

__attribute__((destructor)) static void destructor(void)
{
    finish();
}

/* exit does not come by here: it calls glibc's own. */
EXPORT _Noreturn void _exit(int status)
{
    finish();
    for (;;)
        syscall(SYS_exit_group, status);
}

EXPORT _Noreturn void _Exit(int status)
{
    _exit(status);
}

/* ---- Events: with the lock held ---- */

static struct stream *own_stream(void)
{
    if (!self.stream) {
        self.stream = stream_new();
        if (self.stream && ending_exists)
            pthread_setspecific(ending, self.stream);
    }
    return self.stream;
}

/* Adds an event of the slot, whose size becomes `size`. */
static void add(enum trace_kind kind, uint32_t slot, size_t size, uint32_t alignment_log2)
{
    struct slot *at = slots_at(slot);
    struct event event = {
        .kind = kind,
        .handover = at->sequence && at->latest != self.stream,
        .sequence = at->sequence,
        .slot = slot,
        .alignment_log2 = alignment_log2,
        .size = size,
    };

    live += size - at->size;
    at->size = size;
    at->sequence++;
    at->latest = self.stream;
    if (!stream_add(self.stream, &event, live, slots_limit()))
        phase = OVER;
}

static void record_free(const void *block)
{
    uint32_t slot = slots_find(block);

    if (slot == NO_SLOT || !own_stream())
        return;
    add(TRACE_FREE, slot, 0, 0);
    slots_release(self.stream, slot);
}

/* An address that is in a slot already must have been freed unseen, by a signal's handler say. */
static void record_new(enum trace_kind kind, const void *block, size_t size, size_t alignment)
{
    uint32_t slot = NO_SLOT;

    record_free(block);
    if (phase == RECORDING && own_stream())
        slot = slots_take(self.stream, block);
    if (slot == NO_SLOT)
        phase = OVER;
    else
        add(kind, slot, size, (uint32_t)__builtin_ctzl(alignment));
}

/* Ends a call that has made a block: records that, if it succeeded, and leaves errno alone. */
static void *made(enum trace_kind kind, void *block, size_t size, size_t alignment)
{
    int saved = errno;

    if (block)
        record_new(kind, block, size, alignment);
    leave();
    errno = saved;
    return block;
}

/* ---- The standard functions ---- */

EXPORT void *malloc(size_t size)
{
    if (!enter())
        return __libc_malloc(size);
    return made(TRACE_MALLOC, __libc_malloc(size), size, 1);
}

EXPORT void free(void *block)
{
    int saved = errno;

    if (!block || !enter()) {
        __libc_free(block);
        return;
    }
    record_free(block);
    __libc_free(block);
    leave();
    errno = saved;
}

EXPORT void *calloc(size_t count, size_t size)
{
    if (!enter())
        return __libc_calloc(count, size);
    return made(TRACE_CALLOC, __libc_calloc(count, size), count * size, 1);
}

/* Ends a realloc of a live block. */
static void *resized(uint32_t slot, void *block, size_t size)
{
    int saved = errno;

    if (block && own_stream()) {
        if (block != slots_at(slot)->block)
            record_free(block);
        slots_move(slot, block);
        add(TRACE_REALLOC, slot, size, 0);
    }
    leave();
    errno = saved;
    return block;
}

EXPORT void *realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    if (!size) {
        free(block);
        return NULL;
    }
    if (!enter())
        return __libc_realloc(block, size);
    uint32_t slot = slots_find(block);
    void *result = __libc_realloc(block, size);
    if (slot == NO_SLOT)
        return made(TRACE_MALLOC, result, size, 1);
    return resized(slot, result, size);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, bytes);
}

/* ---- Alignment ---- */

/* An alignment that is no power of two counts as the next one, as in glibc. */
EXPORT void *memalign(size_t alignment, size_t size)
{
    size_t power = sizeof(void *);

    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    while (power < alignment)
        power *= 2;
    if (!enter())
        return __libc_memalign(alignment, size);
    return made(TRACE_ALIGNED, __libc_memalign(alignment, size), size, power);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    int saved = errno;

    if (!alignment || alignment & (alignment - 1) || alignment % sizeof(void *))
        return EINVAL;
    void *block = memalign(alignment, size);
    errno = saved;
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > SIZE_MAX - page + 1) {
        errno = ENOMEM;
        return NULL;
    }
    return memalign(page, (size + page - 1) / page * page);
}

/* Looks glibc's function up; what dlopen allocates is none of the program's. */
static void *find_usable_size(void)
{
    bool inside = self.inside;

    self.inside = true;
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);
    void *function = libc ? dlsym(libc, "malloc_usable_size") : NULL;
    self.inside = inside;
    return function;
}

/* A program that is linked to another malloc would ask that one about glibc's blocks; the next in
 * line is that other one, too. */
EXPORT size_t malloc_usable_size(void *block)
{
    static size_t (*usable_size)(void *block);

    if (!usable_size) {
        void *function = find_usable_size();
        memcpy(&usable_size, &function, sizeof function);
    }
    return usable_size ? usable_size(block) : 0;
}
