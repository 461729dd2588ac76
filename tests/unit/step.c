/* step.c: the trap flag. */
#include "step.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define TRAP_FLAG 0x100
#else
#define TRAP_FLAG 0
#endif

static void (*called_after)(void);
static atomic_bool stepping;

bool step_is_possible(const char *test)
{
    bool can = TRAP_FLAG != 0 && !unit_is_sanitized();
    if (!can)
        printf("skipped %s: single steps on x86-64 alone, and without sanitizers\n", test);
    return can;
}

extern char __executable_start[], etext[];

static bool is_own_code(uintptr_t address)
{
    return address >= (uintptr_t)__executable_start && address < (uintptr_t)etext;
}

static void on_trap(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)info, (void)context;
#if defined(__x86_64__)
    int saved = errno;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (!atomic_load(&stepping)) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        return;
    }
    registers[REG_EFL] |= TRAP_FLAG;
    if (is_own_code((uintptr_t)registers[REG_RIP]))
        called_after();
    errno = saved;
#endif
}

void step_begin(void (*after)(void))
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    called_after = after;
    atomic_store(&stepping, true);
    raise(SIGTRAP);
}

void step_end(void)
{
    atomic_store(&stepping, false);
}
