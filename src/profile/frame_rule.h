/* frame_rule.h: how to get from a function's frame to its caller's, by the unwind tables.
 *
 * The tables say it in a small language (DWARF's call frame information): from the function's start
 * on, instruction by instruction, by which register the canonical frame address (CFA: the stack
 * pointer before the call) is found, and where registers are saved relative to it.
 *
 *        |               |
 *        +---------------+ <- CFA: the caller's stack pointer
 *        | return address|    x86-64: always here
 *        | frame pointer |    if the function has saved it
 *        | ...           |
 *        +---------------+ <- stack pointer
 *
 * Of that a walk over frames needs little, which fits into one word: so it can be kept in a cache
 * that no lock protects. The rest, and what no compiler makes, is no rule. */
#ifndef PROFILE_FRAME_RULE_H
#define PROFILE_FRAME_RULE_H

#include <stdint.h>

enum frame_rule_kind {
    FRAME_UNKNOWN, /* the tables say nothing, or what is not understood */
    FRAME_BY_SP,   /* CFA = stack pointer + cfa */
    FRAME_BY_FP,   /* CFA = frame pointer + cfa */
    FRAME_ALIGNED, /* CFA = the word at frame pointer + cfa: the function has aligned its stack */
    FRAME_SIGNAL,  /* the kernel has called a signal handler */
    FRAME_LAST,    /* there is no caller */
};

enum { FP_SAME = 0, FP_LOST = INT16_MIN }; /* the function has not saved it; nobody can tell */

struct frame_rule {
    uint8_t kind;
    int8_t return_address; /* where it is, in words from the CFA; 0: in its register (arm64) */
    int16_t fp;            /* the same of the caller's frame pointer; FRAME_ALIGNED: from the frame
                            * pointer, and always saved */
    int32_t cfa;           /* bytes */
};

/* Returns the rule for an address by the entry that may be its function's (image.h). */
struct frame_rule frame_rule_read(const uint8_t *entry, uintptr_t address);

#endif
