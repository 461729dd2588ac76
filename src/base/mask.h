/* mask.h: keeping signal handlers out of a piece of work. */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include <stdbool.h>
#include <stdint.h>

/* The calling thread's signal mask before all signals were blocked. */
struct mask {
    uint64_t blocked; /* as the kernel has it: a bit for each signal */
    bool is_replaced; /* false: the kernel has refused, as a sandbox may have it do */
};

/* Block all signals; and restore what was before, if that was done. errno is kept. */
void mask_all(struct mask *mask);
void mask_restore(const struct mask *mask);

#endif
