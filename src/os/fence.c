/* fence.c: barriers that the calling thread has the kernel raise in all others. */
#include "os.h"

#include "base/syscall.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>

/* Interrupts every other thread that runs. A process registers for it once, on first use. */
static bool interrupt_threads(void)
{
    long result = SYSCALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
    if (result == -EPERM && SYSCALL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) == 0)
        result = SYSCALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
    return result == 0;
}

/* ThreadSanitizer does not know of membarrier(2): what it orders looks like a race. */
#if defined(__SANITIZE_THREAD__)
enum { IS_WATCHED = true };
#else
enum { IS_WATCHED = false };
#endif

bool os_fence_threads(void)
{
    return !IS_WATCHED && interrupt_threads();
}

bool os_order_threads(void)
{
#if defined(__x86_64__)
    atomic_signal_fence(memory_order_seq_cst); /* stores become visible in order, loads see so */
    return true;
#else
    return interrupt_threads();
#endif
}
