/* walk.h: from frame to frame, by the unwind tables and a cache of what they say.
 *
 * A walk takes no lock, allocates nothing and calls nothing that does, and needs less than a KiB of
 * stack. It reads no memory that is not there, so a wrong table, or code that keeps no frames as
 * compilers do, ends it early at worst.
 *
 * Code that is in no image, such as that of a JIT compiler, and code without an entry are taken to
 * keep a chain of frame pointers. */
#ifndef PROFILE_WALK_H
#define PROFILE_WALK_H

#include "image.h"
#include "thread_stack.h"

#include <stdbool.h>
#include <stdint.h>

/* The words on the stack by which a step has found the caller's frame. */
struct walk_reads {
    const uintptr_t *address; /* NULL: the step has found it in another way */
    const uintptr_t *fp;      /* NULL: not read */
    const uintptr_t *cfa;     /* NULL: not read */
    bool by_fp;               /* the frame pointer has led to them */
    bool is_fp_lost;          /* the caller's frame pointer is not known */
};

/* A frame: the registers as they are when its function goes on. */
struct walk {
    uintptr_t address; /* of the next instruction; a return address unless is_exact */
    uintptr_t sp, fp;
    uintptr_t return_address; /* arm64: the register's, if is_exact */
    bool is_exact;            /* the function has been interrupted there by a signal */
    bool is_outermost;        /* the function has no caller, as its table says */
    struct thread_stack stack;
    struct image image;      /* where the last address was found */
    struct walk_reads reads; /* of the last step */
};

/* Begins at a frame of which these registers are known. */
void walk_begin(struct walk *walk, uintptr_t address, uintptr_t sp, uintptr_t fp);

/* Go to the caller's frame: by the tables, or by the chain of frame pointers alone, as long as that
 * leads to code. False if that is the end. */
bool walk_step(struct walk *walk);
bool walk_step_by_fp(struct walk *walk);

#endif
