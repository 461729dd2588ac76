/* error_stacks.h: the stacks that follow the line of an error (base/report.h):
 *
 *   molt: error: double free of 0x7f6a40010040 (64 bytes)
 *   molt: the error is at:                                        MOLT=backtrace=1
 *       /usr/bin/program+0x3686
 *   molt: the block of 60 bytes at 0x7f6a40010040 was allocated by thread 71 at:
 *       …                                                         if it was recorded
 *   molt: it was freed by thread 72 at:
 *       …
 *
 * The process is in a bad state, and its other threads run on: nothing waits for a lock, nothing is
 * allocated, and the work is bounded. What is said is proved by records of the address, and true of
 * the block that it was given out for last. */
#ifndef PROFILE_ERROR_STACKS_H
#define PROFILE_ERROR_STACKS_H
#endif
