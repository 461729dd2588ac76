/* trigger.h: when a heap profile is written, and to which file.
 *
 *   at exit            prof_final, prof_peak
 *   on a signal        prof_signal; its handler writes the profile itself
 *   what is in use     prof_interval: when that has grown by so many bytes beyond what it was the
 *   has grown          last time, so a program that breathes writes no profile with each breath
 *   the cgroup's       prof_dump_at: when memory has come near to its limit, and again when that
 *   memory runs out    happens again (pressure.h)
 *   allocation fails   prof_oom: once; and if it is the option hard_limit's fault, once
 *   the program asks   molt_profile_dump
 *
 * One thread writes at a time. What comes up meanwhile, perhaps in a signal handler that has
 * interrupted that thread, is noted, and that thread writes one more profile for it.
 *
 * The option prof_out names the files (place.h). */
#ifndef PROFILE_TRIGGER_H
#define PROFILE_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

/* Profiling begins, after record_restart; profiling ends. Before it has begun for the first time
 * there is nothing to write. */
void trigger_start(void);
void trigger_stop(void);

/* The process exits. */
void trigger_exit(void);

/* So many bytes are in use now. Cheap as long as nothing is to be written. */
void trigger_grown(uint64_t bytes);

/* Samples that stand for so many bytes have been allocated. */
void trigger_allocated(uint64_t bytes);

/* An allocation is about to fail; `by_limit`: due to the hard limit. */
void trigger_failing(bool by_limit);

/* In a forked child: forgets what the parent was to write, and frees the lock if a thread that is
 * gone was writing. */
void trigger_repair(void);

#endif
