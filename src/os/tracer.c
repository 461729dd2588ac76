/* tracer.c: the tracing process, and the calls that it makes. */
#include "tracer.h"

#include "os.h"

#include "base/report.h" // report_append
#include "base/syscall.h"

#include <elf.h> // NT_PRSTATUS
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h> // clone
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#define STACK_BYTES ((size_t)64 << 10)
#define THREADS_SPARE 64 /* room for threads that begin meanwhile */

enum state { STARTING, STOPPED, FAILED, RELEASED };

enum {
    WAIT_STEP_MS = 10, /* between two looks whether the tracer still lives */
    WAIT_STEPS = 1000, /* looks, before a thread that cannot be stopped is given up */
};

/* ---- What both sides wait for ---- */

static void set_state(struct tracer *tracer, enum state state)
{
    atomic_store_explicit(&tracer->state, state, memory_order_release);
    SYSCALL(futex, &tracer->state, FUTEX_WAKE, 1, NULL);
}

static enum state get_state(struct tracer *tracer)
{
    return (enum state)atomic_load_explicit(&tracer->state, memory_order_acquire);
}

/* Waits for another state than that, some milliseconds or for ever. */
static void wait_while(struct tracer *tracer, enum state state, long milliseconds)
{
    struct timespec time = {.tv_nsec = milliseconds * 1000000};
    SYSCALL(futex, &tracer->state, FUTEX_WAIT, state, milliseconds != 0 ? &time : NULL);
}

/* ---- Threads of the process ---- */

/* The thread's id; 0 for "." and "..". */
static int task_id(const char *name)
{
    int id = 0;
    for (const char *at = name; *at >= '0' && *at <= '9'; at++)
        id = id * 10 + (*at - '0');
    return id;
}

/* Calls `visit` for each name in the directory of threads; false as os_each_name. */
static bool visit_tasks(struct tracer *tracer, bool (*visit)(const char *name, void *tracer))
{
    return !syscall_failed(SYSCALL(lseek, tracer->tasks, 0, SEEK_SET)) &&
           os_each_name(tracer->tasks, visit, tracer);
}

/* ---- The tracer ---- */

static bool is_known(const struct tracer *tracer, int id)
{
    bool known = id == tracer->caller;
    for (unsigned n = 0; n < tracer->count && !known; n++)
        known = tracer->threads[n].id == id;
    return known;
}

/* Adds the words of a register set to those of the thread; returns where they stand. */
static const uintptr_t *read_set(struct traced *thread, unsigned long set)
{
    uintptr_t *words = thread->registers + thread->register_count;
    struct iovec room = {words,
                         sizeof thread->registers - thread->register_count * sizeof(uintptr_t)};
    if (syscall_failed(SYSCALL(ptrace, PTRACE_GETREGSET, thread->id, set, &room)))
        return NULL;
    thread->register_count += (unsigned)(room.iov_len / sizeof(uintptr_t));
    return words;
}

static bool read_registers(struct traced *thread)
{
    const void *general = read_set(thread, NT_PRSTATUS);
    if (general == NULL)
        return false;
#if defined(__x86_64__)
    const struct user_regs_struct *registers = general;
    thread->stack = registers->rsp;
    thread->thread = registers->fs_base;
    if (read_set(thread, NT_X86_XSTATE) == NULL)
        read_set(thread, NT_PRFPREG);
#else
    const struct user_regs_struct *registers = general;
    const uintptr_t *thread_pointer = read_set(thread, NT_ARM_TLS);
    thread->stack = registers->sp;
    thread->thread = thread_pointer != NULL ? *thread_pointer : 0;
    read_set(thread, NT_PRFPREG);
#endif
    return true;
}

/* Waits until the thread stands still; false: it has ended. */
static bool wait_for_stop(struct traced *thread)
{
    int status = 0;
    long result;
    do {
        result = SYSCALL(wait4, thread->id, &status, __WALL, NULL);
    } while (result == -EINTR);
    if (result != thread->id || !WIFSTOPPED(status))
        return false;
    bool is_signal = status >> 16 == 0;
    thread->signal = is_signal ? WSTOPSIG(status) : 0;
    return true;
}

/* Whether the thread that cannot be traced need not be: it has ended, or is the first thread, which
 * stays as a zombie until the last one ends. */
static bool has_ended(int id)
{
    struct report_line path = {.length = 0};
    char text[512];
    report_append(&path, "/proc/%d/stat", id);
    path.text[path.length] = '\0';
    if (os_read_file(path.text, text, sizeof text) <= 0)
        return true;
    const char *state = NULL;
    for (const char *at = text; *at != '\0'; at++)
        if (*at == ')')
            state = at + 2;
    return state != NULL && (*state == 'Z' || *state == 'X');
}

static bool stop_thread(struct tracer *tracer, int id)
{
    if (is_known(tracer, id))
        return true;
    if (tracer->count == tracer->capacity)
        return false;
    struct traced *thread = &tracer->threads[tracer->count];
    *thread = (struct traced){.id = id};
    if (syscall_failed(SYSCALL(ptrace, PTRACE_SEIZE, id, 0, 0)))
        return has_ended(id);
    tracer->count++;
    if (syscall_failed(SYSCALL(ptrace, PTRACE_INTERRUPT, id, 0, 0)))
        return true;
    thread->is_stopped = wait_for_stop(thread);
    return !thread->is_stopped || read_registers(thread);
}

static bool stop_task(const char *name, void *tracer)
{
    int id = task_id(name);
    return id == 0 || stop_thread(tracer, id);
}

/* A thread that still ran may have made another, so the last look must find no new one. */
static bool stop_all(struct tracer *tracer)
{
    unsigned before;
    do {
        before = tracer->count;
        if (!visit_tasks(tracer, stop_task))
            return false;
    } while (tracer->count != before);
    return true;
}

static int trace(void *context)
{
    struct tracer *tracer = context;
    SYSCALL(prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (SYSCALL(getppid) != tracer->parent)
        SYSCALL(exit_group, 0); /* it died before */
    set_state(tracer, stop_all(tracer) ? STOPPED : FAILED);
    while (get_state(tracer) == STOPPED)
        wait_while(tracer, STOPPED, 0);
    for (unsigned n = 0; n < tracer->count; n++)
        if (tracer->threads[n].is_stopped)
            SYSCALL(ptrace, PTRACE_DETACH, tracer->threads[n].id, 0, tracer->threads[n].signal);
    return 0; /* the tracer's end */
}

/* ---- The caller ---- */

static bool count_task(const char *name, void *context)
{
    struct tracer *tracer = context;
    tracer->capacity += task_id(name) != 0;
    return true;
}

static bool map_memory(struct tracer *tracer)
{
    tracer->capacity = THREADS_SPARE;
    if (!visit_tasks(tracer, count_task))
        return false;
    tracer->memory_bytes =
        os_round_to_pages(STACK_BYTES + tracer->capacity * sizeof(struct traced));
    tracer->memory = os_map(tracer->memory_bytes);
    tracer->threads = (struct traced *)((char *)tracer->memory + STACK_BYTES);
    return tracer->memory != NULL;
}

static bool start_tracer(struct tracer *tracer)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED;
    int process = clone(trace, (char *)tracer->memory + STACK_BYTES, flags, tracer);
    if (process < 0)
        return false;
    tracer->process = process;
    /* Where only ancestors may trace, unless they are named (Yama). */
    SYSCALL(prctl, PR_SET_PTRACER, process, 0, 0, 0);
    return true;
}

/* Whether the tracer has ended by itself. */
static bool is_gone(struct tracer *tracer)
{
    if (SYSCALL(wait4, tracer->process, NULL, __WALL | WNOHANG, NULL) == 0)
        return false;
    tracer->process = 0;
    return true;
}

bool tracer_stop(struct tracer *tracer)
{
    *tracer = (struct tracer){.caller = (int)os_thread_id(), .parent = (int)os_process_id()};
    long tasks =
        SYSCALL(openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    tracer->tasks = (int)tasks;
    if (syscall_failed(tasks) || !map_memory(tracer) || !start_tracer(tracer))
        return false;
    for (unsigned n = 0; get_state(tracer) == STARTING && n < WAIT_STEPS && !is_gone(tracer); n++)
        wait_while(tracer, STARTING, WAIT_STEP_MS);
    tracer->has_stopped = get_state(tracer) == STOPPED;
    return tracer->has_stopped;
}

void tracer_release(struct tracer *tracer)
{
    if (tracer->process != 0) {
        if (get_state(tracer) == STARTING)
            SYSCALL(kill, tracer->process, SIGKILL);
        set_state(tracer, RELEASED);
        while (SYSCALL(wait4, tracer->process, NULL, __WALL, NULL) == -EINTR)
            ;
        SYSCALL(prctl, PR_SET_PTRACER, 0, 0, 0, 0);
    }
    if (tracer->memory != NULL)
        os_unmap(tracer->memory, tracer->memory_bytes);
    if (tracer->tasks >= 0)
        SYSCALL(close, tracer->tasks);
}
