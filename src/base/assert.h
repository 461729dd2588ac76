/* assert.h: checks of our own invariants, in debug builds only. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "report.h"

#define ASSERT_TEXT(x) #x
#define ASSERT_LINE(x) ASSERT_TEXT(x)

/* For what only debug builds look at; compiled in every build. */
#ifdef MOLT_DEBUG
#define IN_DEBUG 1
#else
#define IN_DEBUG 0
#endif

/* The condition is compiled in every build and evaluated in debug builds. */
#ifdef MOLT_DEBUG
#define DEBUG_ASSERT(condition) \
    ((condition) ? (void)0 : report_fatal("%s", __FILE__ ":" ASSERT_LINE(__LINE__) ": " #condition))
#else
#define DEBUG_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
