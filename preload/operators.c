/* operators.c: which of the names that operators go on to lead to other definitions than ours. */
#include "operators.h"

#include "alloc/init.h" // init_done
#include "alloc/thread.h"
#include "base/options.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/* Only the addresses matter here, so each name is declared as the same untyped thing. */
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

/* Whether the address is that of a stub. If a program that is no PIE takes the address of a
 * function, that address, for all libraries, is a stub's in the program. The stub's symbol is
 * undefined and leads to the next definition. */
static bool is_stub(const void *address)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
           symbol->st_shndx == SHN_UNDEF;
}

/* Opens the operators' fast paths. Until this has run, operators that other libraries' constructors
 * call go by the table. Where sized deletes are checked the fast paths stay closed: the slow ones
 * look at the sizes. */
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
