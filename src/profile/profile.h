/* profile.h: the heap profiler: starting, stopping, and what the allocator calls.
 *
 * The allocator chooses what is sampled (alloc/sample.h) and calls profile_hooks. Each sampled
 * allocation is recorded with the stack that led to it (record.h). */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stddef.h>

/* Has the allocations sampled that the options `prof` and `trace` say, from now on. What is
 * recorded stays when sampling ends; it is forgotten when it begins with another mean. Any thread,
 * but not in malloc, nor in a signal handler. */
void profile_follow_options(void);

#endif
