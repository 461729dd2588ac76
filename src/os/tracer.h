/* tracer.h: stops all other threads of the process, and reads their registers.
 *
 *   caller  --clone-->  tracer: a process of its own in the same memory
 *      |                   |  PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GETREGSET of every thread
 *      |  waits            |  until no new one appears in /proc/self/task
 *      |<------------------|  all stand still
 *      |  reads memory     |  waits
 *      |------------------>|  lets them go, and exits
 *
 * A signal, sent to each thread, does not reach those that block all signals, as many libraries'
 * threads do; it breaks off calls that wait, and the program may have a handler of its own for it.
 * ptrace stops any thread wherever it is, and the thread never knows. It needs another process,
 * which may be given the thread's memory, so nothing is copied. What the kernel refuses the tracer
 * (a seccomp filter may even kill it) leaves the caller unharmed: then the threads go on.
 *
 * A thread cannot be stopped that is being traced already, by a debugger or strace; nor one that
 * does not come out of the kernel, as after vfork(). A process that has said by prctl that it is
 * not to be dumped is not to be traced, either. Where only ancestors may trace (Yama), the tracer
 * is named by PR_SET_PTRACER for that time: a tracer that the program has named itself is
 * forgotten.
 *
 * The tracer has no thread-local storage of its own and calls nothing of libc. All signals are
 * blocked in it. It dies with the caller. */
#ifndef OS_TRACER_H
#define OS_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for what general, floating-point and vector registers hold. */
#define TRACER_REGISTERS 480

struct traced {
    int id;          /* as the kernel numbers it */
    bool is_stopped; /* false: the thread has ended meanwhile */
    int signal;      /* that the thread was about to receive; 0: none */
    unsigned register_count;
    uintptr_t stack;  /* its stack pointer … */
    uintptr_t thread; /* … and thread pointer */
    uintptr_t registers[TRACER_REGISTERS];
};

struct tracer {
    bool has_stopped;       /* all other threads stand still */
    unsigned count;         /* of `threads` */
    struct traced *threads; /* all but the caller */

    /* The tracer's own. */
    int caller, parent;     /* the thread that called, and its process */
    int tasks;              /* descriptor of /proc/self/task */
    unsigned capacity;      /* of `threads` */
    _Atomic uint32_t state; /* what the two wait for */
    int process;            /* the tracer's id; 0: none runs */
    void *memory;           /* its stack, then `threads` */
    size_t memory_bytes;
};

/* Stops all other threads. Whether they were stopped or not, tracer_release is due. The caller has
 * blocked all signals. Until then it must wait for no lock that another thread may hold. */
bool tracer_stop(struct tracer *tracer);
void tracer_release(struct tracer *tracer);

#endif
