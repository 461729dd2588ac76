/* assert.h: checks of the library's own invariants, in debug builds only. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "report.h"

#define ASSERT_TEXT(x) #x
#define ASSERT_LINE(x) ASSERT_TEXT(x)

/* Whether checks are made: for `if (IN_DEBUG)`, so that what only they need is compiled in every
 * build. */
#ifdef MOLT_DEBUG
#define IN_DEBUG 1
#else
#define IN_DEBUG 0
#endif

/* Ends a debug build with a line if the condition is false: then molt has a bug, or the program has
 * written over its tables. Other builds compile the condition and do not evaluate it. */
#ifdef MOLT_DEBUG
#define DEBUG_ASSERT(condition)                                                                 \
    ((condition) ? (void)0                                                                      \
                 : report_fatal("%s does not hold: molt has a bug, or the program has written " \
                                "over its tables",                                              \
                                __FILE__ ":" ASSERT_LINE(__LINE__) ": " #condition))
#else
#define DEBUG_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
