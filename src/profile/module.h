/* module.h: the programs and libraries that stacks lead through, those that are gone by now, too.
 *
 * A library may be unloaded, and another one may come to lie where it was: then the same address
 * stands for two places. So each module that a stack leads through is noted, and its addresses are
 * told, to whoever reads the profile, moved by a shift of its own: 0, unless a module that was
 * noted before it has been at the same place.
 *
 *     at first    plugin-a    0x7f5d2a1d6000    shift 0         told as 0x7f5d2a1d6d0a
 *     later       plugin-b    0x7f5d2a1d6000    shift 1 << 48   told as 0x17f5d2a1d6d0a
 *
 * Modules are found as image.h says; where images that are loaded later cannot be found nothing is
 * noted. Any thread, signal handlers too; no lock. */
#ifndef PROFILE_MODULE_H
#define PROFILE_MODULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct module {
    struct module *older;
    uint64_t identity;         /* by its contents and its path */
    _Atomic(uint64_t) checked; /* after so many unloads (image.h) it was there */
    uintptr_t start, end;      /* where it is, or was */
    uintptr_t base;            /* what its file's addresses are counted from */
    uintptr_t shift;           /* of what is told; what follows is as it is told */
    uintptr_t code_start, code_end, code_offset; /* its executable segment, and where in the file */
    char path[];                                 /* "": the program */
};

/* Notes the modules of the return addresses and makes these what is told. Returns whether any was
 * moved. */
bool module_tell(uintptr_t *frames, unsigned depth);

/* Whether the return addresses would be told so if they were told now. */
bool module_is_told(const uintptr_t *frames, const uintptr_t *told, unsigned depth);

/* The module of an address that was told; NULL: none that was noted. */
const struct module *module_of(uintptr_t told);

bool module_is_loaded(const struct module *module);

/* Calls `visit` for each module whose addresses are not, or no longer, those of a mapping. */
void module_each_moved(void (*visit)(const struct module *module, void *context), void *context);

/* Whether such a module was where the range is. */
bool module_was_at(uintptr_t start, uintptr_t end);

#endif
