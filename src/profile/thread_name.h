/* thread_name.h: what threads are called in heap profiles: as the kernel has it
 * (pthread_setname_np, PR_SET_NAME). */
#ifndef PROFILE_THREAD_NAME_H
#define PROFILE_THREAD_NAME_H

#include <stdint.h>

/* Each name has counts of its own (site.h), so a program that gives each thread another one has no
 * more names than this: what comes later goes by no name. */
enum { THREAD_NAMES_MAX = 64 };

/* Returns the calling thread's name, which stays for good (name.h); NULL: it has none, or there are
 * too many, or there is no memory for it. A thread that is renamed is seen to be so within a tenth
 * of a second. Any thread, signal handlers too; no lock. `now_ns`: os_now_ns. */
const char *thread_name(uint64_t now_ns);

#endif
