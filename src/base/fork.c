/* fork.c: noticing a fork, and having all layers repair. */
#include "fork.h"

#include "lock.h" // lock_self
#include "mask.h"
#include "syscall.h"

#include <linux/futex.h> // struct robust_list_head
#include <stdbool.h>
#include <stddef.h>

/* Stands for the page until that exists, and for good where the kernel has none to offer. */
static volatile uint32_t plain_page = FORK_REPAIRED;
volatile uint32_t *fork_page = &plain_page;

uintptr_t fork_survivor;

static void (*repairs[FORK_LAYERS])(void);

void fork_begin(uint32_t *page)
{
    if (page == NULL || fork_page != &plain_page)
        return;
    *page = FORK_REPAIRED;
    fork_page = page;
}

bool fork_is_noticed(void)
{
    return fork_page != &plain_page;
}

void fork_set_repair(enum fork_layer layer, void (*repair)(void))
{
    __atomic_store_n(&repairs[layer], repair, __ATOMIC_RELEASE);
}

void fork_in_child(void)
{
    if (fork_page == &plain_page)
        plain_page = 0;
    fork_check();
}

/* Returns the address at which a thread of this process has told the kernel its list of robust
 * mutexes, 0 if it has told none. The C library keeps the list at the same place of each thread's
 * record, so the difference of two threads' addresses is that of their thread pointers. */
static uintptr_t robust_list(long thread)
{
    struct robust_list_head *head = NULL;
    size_t size;
    return SYSCALL(get_robust_list, thread, &head, &size) == 0 ? (uintptr_t)head : 0;
}

/* The thread that forked is the process's first one. Nearly always it is also the one that repairs.
 */
static uintptr_t find_survivor(void)
{
    long process = SYSCALL(getpid);
    if (SYSCALL(gettid) == process)
        return lock_self();
    uintptr_t first = robust_list(process), own = robust_list(0);
    return first != 0 && own != 0 ? first - own + lock_self() : lock_self();
}

void *fork_survivors(void *variable)
{
    return (void *)((uintptr_t)variable - lock_self() + fork_survivor);
}

static void repair_all(void)
{
    fork_survivor = find_survivor();
    for (unsigned layer = 0; layer < FORK_LAYERS; layer++) {
        void (*repair)(void) = __atomic_load_n(&repairs[layer], __ATOMIC_ACQUIRE);
        if (repair != NULL)
            repair();
    }
}

/* One thread repairs; others, which the child has started by then, wait. Signals are blocked
 * meanwhile: their handlers shall find everything repaired. */
COLD void fork_repair(void)
{
    struct mask signals;
    uint32_t wiped = 0;
    mask_all(&signals);
    if (__atomic_compare_exchange_n(fork_page, &wiped, FORK_REPAIRING, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        repair_all();
        __atomic_store_n(fork_page, FORK_REPAIRED, __ATOMIC_RELEASE);
    }
    mask_restore(&signals);
    while (*fork_page == FORK_REPAIRING)
        SYSCALL(sched_yield);
}
