/* fail.h: how replay ends when it cannot go on. */
#ifndef BENCH_TRACE_FAIL_H
#define BENCH_TRACE_FAIL_H

enum {
    FAIL_RUN = 1,  /* the allocator is wrong, or a thread waits for too long */
    FAIL_FILE = 2, /* the trace is damaged or none */
};

/* Writes one line to standard error and ends the program with that status. Of threads that fail at
 * the same time, one does. */
_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
