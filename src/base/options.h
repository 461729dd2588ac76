/* options.h: what a user can set, and the one table that says it.
 *
 * An option's value comes from the table's default, /etc/molt.conf, $MOLT and molt_ctl, in this
 * order: the later one wins. File and variable are lists of key=value, separated by commas, blanks
 * or new lines; blanks may stand around the = too, and # begins a comment. A setuid program reads
 * neither. The parser and molt_ctl follow the table; doc/options.md describes it. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_SWITCH, /* 0 1 no yes off on false true */
    OPTION_BYTES,  /* a number with K, M, G or T behind it, powers of 1024 */
    OPTION_TIME,   /* a number with ms or s behind it; kept in milliseconds */
    OPTION_COUNT,  /* a plain number */
    OPTION_GC,     /* enum gc_mode, by name */
    OPTION_STACK,  /* enum stack_mode, by name */
    OPTION_SIGNAL, /* a signal's name or number; 0: none */
    OPTION_TEXT,   /* up to OPTION_TEXT_SIZE - 1 bytes, without a NUL */
    OPTION_LIMIT,  /* as OPTION_BYTES; or 1% to 100%, kept with OPTION_PERCENT */
    OPTION_FILL,   /* 0; 1% to 100%; or memory.high: OPTION_FILL_HIGH */
};

#define OPTION_TEXT_SIZE 4096 /* of a path, its NUL counted */

/* In a value of OPTION_LIMIT: the rest is a percentage. */
#define OPTION_PERCENT ((uint64_t)1 << 63)

static inline size_t option_part(size_t whole, size_t percent)
{
    return whole / 100 * percent + whole % 100 * percent / 100;
}

#define OPTION_FILL_HIGH 101

enum gc_mode { GC_GENERATIONAL, GC_INCREMENTAL };
enum stack_mode { STACK_AUTO, STACK_TABLES, STACK_LIBUNWIND, STACK_LIBGCC, STACK_FP };

#ifdef MOLT_VALIDATE
#define OPTION_TABLE_DEBUG(X)            \
    X(validate, OPTION_SWITCH, 1, false, \
      "check between the phases of a collection what the collector relies on")
#else
#define OPTION_TABLE_DEBUG(X)
#endif

/* X(name, type, default, fixed, description). A fixed option cannot change once memory has been
 * allocated. */
#define OPTION_TABLE(X)                                                                            \
    X(decay, OPTION_TIME, 500, false,                                                              \
      "free pages go back to the OS when unused for one to two times this long")                   \
    X(dirty, OPTION_BYTES, (uint64_t)256 << 20, false,                                             \
      "free pages above this go back without waiting for their decay")                             \
    X(huge_cache, OPTION_BYTES, (uint64_t)64 << 20, false,                                         \
      "memory of freed huge blocks that is kept for the next ones, at most this many bytes")       \
    X(reserve, OPTION_BYTES, 0, true,                                                              \
      "address space set aside at the start (no memory), halved until the OS grants it; 0: eight " \
      "times the machine's memory")                                                                \
    X(soft_limit, OPTION_LIMIT, 0, false,                                                          \
      "above so much memory free memory goes back at once; in bytes, or in percent of the "        \
      "cgroup's limit (0: none)")                                                                  \
    X(hard_limit, OPTION_LIMIT, 0, false,                                                          \
      "no more memory than this: further requests fail; in bytes, or in percent of the cgroup's "  \
      "limit (0: none)")                                                                           \
    X(thp, OPTION_SWITCH, 1, true,                                                                 \
      "use transparent huge pages: where much memory is about to be filled, and for large blocks") \
    X(gc, OPTION_GC, GC_GENERATIONAL, false,                                                       \
      "how old objects are collected: generational (all at once) or incremental (in slices)")      \
    X(gc_slice, OPTION_COUNT, 1000, false,                                                         \
      "microseconds that a slice of an incremental collection may take")                           \
    X(sized, OPTION_SWITCH, 0, true,                                                               \
      "check the sizes that free_sized and sized operator delete are told; C++'s new and delete "  \
      "take longer")                                                                               \
    X(prof, OPTION_BYTES, 0, false,                                                                \
      "profile the heap: sample one byte in so many, 512K say; 0: none")                           \
    X(trace, OPTION_SWITCH, 0, false, "record every block in the heap profile")                    \
    X(prof_memory, OPTION_BYTES, (uint64_t)32 << 20, false,                                        \
      "memory of the heap profiler's own, at most this many bytes")                                \
    X(prof_stack, OPTION_STACK, STACK_AUTO, false,                                                 \
      "how the heap profiler finds who allocates: auto, tables, libunwind, libgcc or fp")          \
    X(prof_out, OPTION_TEXT, "molt.%e.%p.%n.heap", false,                                          \
      "where heap profiles are written: %p is the process, %e its program, %n counts its "         \
      "profiles")                                                                                  \
    X(prof_file, OPTION_TEXT, "", false,                                                           \
      "a file that has the heap profile at any time, also when the process is killed; named as "   \
      "those of prof_out")                                                                         \
    X(prof_final, OPTION_SWITCH, 1, false, "write a heap profile at exit")                         \
    X(prof_peak, OPTION_SWITCH, 0, false,                                                          \
      "write at exit also what was in use at the peak, to a file that ends in .peak")              \
    X(prof_signal, OPTION_SIGNAL, 0, false, "write a heap profile on this signal")                 \
    X(prof_interval, OPTION_BYTES, 0, false,                                                       \
      "write a heap profile whenever what is in use has grown by this much; 0: never")             \
    X(prof_oom, OPTION_SWITCH, 0, false,                                                           \
      "write a heap profile before the first allocation that fails")                               \
    X(backtrace, OPTION_SWITCH, 0, false,                                                          \
      "say after the line of an error where it is: the calling functions")                         \
    X(share, OPTION_SWITCH, 0, false,                                                              \
      "keep statistics in a file that other programs of the user can read at any time")            \
    X(prof_dump_at, OPTION_FILL, 0, false,                                                         \
      "write a heap profile when the cgroup's memory has come so near to its limit: 90%, say, or " \
      "memory.high; 0: never")                                                                     \
    X(background, OPTION_SWITCH, 0, false,                                                         \
      "a thread returns free memory to the OS while the program sleeps")                           \
    X(stats, OPTION_SWITCH, 0, false, "write the statistics to standard error at exit")            \
    X(objects, OPTION_SWITCH, 0, false,                                                            \
      "write the live objects by type to standard error at exit, after a last collection")         \
    X(leaks, OPTION_SWITCH, 0, true,                                                               \
      "record every block, and write those that were never freed to standard error at exit")       \
    X(leaks_fail, OPTION_SWITCH, 0, false,                                                         \
      "the program ends with status 23 if any of them are unreachable")                            \
    X(leaks_reachable, OPTION_SWITCH, 0, false, "list those that are still reachable, too")        \
    X(leaks_signal, OPTION_SIGNAL, 0, false,                                                       \
      "write what has leaked to standard error on this signal")                                    \
    X(leaks_suppressions, OPTION_TEXT, "", false,                                                  \
      "a file of lines leak:pattern: leaks that are not to be reported")                           \
    X(strict, OPTION_SWITCH, 0, true, "an unknown option or a bad value ends the program")         \
    X(verbose, OPTION_SWITCH, 0, true, "say on standard error that molt is loaded, and how")       \
    X(fail_os, OPTION_COUNT, 0, true,                                                              \
      "for tests: the n-th and later requests for memory to the OS fail (0: none)")                \
    OPTION_TABLE_DEBUG(X)

/* The C type of an option's value: a number, or a NUL-terminated text. */
#define OPTION_VALUE(type) \
    __typeof__(__builtin_choose_expr((type) == OPTION_TEXT, (const char *)NULL, (uint64_t)0))

/* The values, in bytes or milliseconds. A text stays as it is while it is set once; whoever reads
 * it copies it. */
struct options {
#define X(name, type, preset, fixed, description) OPTION_VALUE(type) name;
    OPTION_TABLE(X)
#undef X
};

extern HIDDEN struct options options;

/* Returns the time before which memory must have become idle to be decayed at `now_ms`, that is to
 * have been idle for `decay`; 0: none is. */
static inline uint64_t options_decayed_ms(uint64_t now_ms)
{
    return now_ms > options.decay ? now_ms - options.decay : 0;
}

enum option_result {
    OPTION_DONE,
    OPTION_UNKNOWN,
    OPTION_BAD_VALUE,
    OPTION_FIXED,
};

/* Sets one option from text. `started`: memory has been allocated already, so fixed options stay.
 */
enum option_result options_set(const char *name, size_t name_length, const char *value,
                               size_t value_length, bool started);

/* Writes the present value as text that options_set takes, if there is room for it and its NUL.
 * Returns its length, or -1: no such option. */
long options_get(const char *name, size_t name_length, char *buffer, size_t size);

/* Takes a list of settings from `source`, a name for messages. For each wrong one a warning says
 * what would be valid; then `strict` ends the program. */
void options_parse(const char *text, const char *source);

#endif
