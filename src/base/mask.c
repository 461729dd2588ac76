/* mask.c: the system call. */
#include "mask.h"

#include "syscall.h"

#include <signal.h> // SIG_SETMASK
#include <stddef.h>

void mask_all(struct mask *mask)
{
    uint64_t all = ~UINT64_C(0);
    mask->blocked = 0;
    mask->is_replaced = SYSCALL(rt_sigprocmask, SIG_SETMASK, &all, &mask->blocked, sizeof all) == 0;
}

void mask_restore(const struct mask *mask)
{
    if (mask->is_replaced)
        SYSCALL(rt_sigprocmask, SIG_SETMASK, &mask->blocked, NULL, sizeof mask->blocked);
}
