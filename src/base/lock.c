/* lock.c: waiting for a lock: spinning a little, then sleeping in the kernel. After Drepper,
 * "Futexes Are Tricky" (2011), mutex 2, with the holder in the word. */
#include "lock.h"

#include "syscall.h"

#include <linux/futex.h>
#include <stddef.h>

enum { SPINS = 100 };

static inline void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The kernel compares 32 bits, the low half of the word. That differs between a free lock, a held
 * one and one that a thread waits for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");

static void lock_futex(struct lock *lock, int operation, uintptr_t value)
{
    SYSCALL(futex, &lock->word, operation | FUTEX_PRIVATE_FLAG, (uint32_t)value, NULL, NULL, 0);
}

/* Takes the lock if it is free. `waited` is LOCK_WAITED if others may be sleeping too. */
static bool lock_take(struct lock *lock, uintptr_t waited)
{
    uintptr_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, lock_self() | waited,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* In a forked child the holder may be a thread that is gone: fork_check frees its lock. */
NOINLINE void lock_wait(struct lock *lock)
{
    fork_check();
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && lock_take(lock, 0))
            return;
        spin_pause();
    }
    while (!lock_take(lock, LOCK_WAITED)) {
        uintptr_t held = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (held != 0 &&
            atomic_compare_exchange_strong_explicit(&lock->word, &held, held | LOCK_WAITED,
                                                    memory_order_relaxed, memory_order_relaxed))
            lock_futex(lock, FUTEX_WAIT, held | LOCK_WAITED);
    }
}

NOINLINE void lock_wake(struct lock *lock)
{
    lock_futex(lock, FUTEX_WAKE, 1);
}
