/* operators.c: which of the names that operators go on to lead elsewhere. */
#include "operators.h"

#include "alloc/init.h" // init_done
#include "alloc/thread.h"
#include "base/options.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/* Only the addresses are of use here, so that each is the same untyped thing. */
#define DECLARE(target, name, next)                 \
    extern const char seen_##name[] __asm__(#name); \
    extern HIDDEN const char own_##name[];
OPERATOR_TARGETS(DECLARE)

#define DEFINITION(target, name, next) [target] = {seen_##name, own_##name, next},
const struct operator_definition operator_table[] = {OPERATOR_TARGETS(DEFINITION)};

bool operator_is_replaced(enum operator_target *target)
{
    while (thread_operators_open == 0) {
        const struct operator_definition *definition = &operator_table[*target];
        if (definition->seen != definition->own)
            return true;
        if (definition->next == *target)
            return false;
        *target = definition->next;
    }
    return false;
}

/* Where a program that is no PIE takes the address of a function, that is the address of a stub of
 * its own, for all libraries. The stub's symbol is undefined, and leads to the next definition. */
static bool is_stub(const void *address)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
           symbol->st_shndx == SHN_UNDEF;
}

/* Until this has run, operators called by other libraries' constructors go by the table. Where
 * sized deletes are checked they stay closed: the slow paths look at the sizes. */
__attribute__((constructor)) static void open_operators(void)
{
    if (!init_done() || options.sized)
        return;
    for (size_t i = 0; i < sizeof operator_table / sizeof operator_table[0]; i++) {
        const struct operator_definition *definition = &operator_table[i];
        if (definition->seen != definition->own && !is_stub(definition->seen))
            return;
    }
    thread_operators_open = UINTPTR_MAX;
}
