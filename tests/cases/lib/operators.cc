/* The library of replaced_library.c and replaced_plugin.c: the forms of replaced_exe.cc, in a
 * library. Whether they are the ones that it sees is the loader's choice; they must not be mixed
 * with others in any case. */
#define HEADER 1
#define OWN_FORMS 0x330f
#include "../own_forms.h"
#include "../use_forms.h"

extern "C" {
int form_calls[FUNCTIONS];
int operators_check(void);
}

/* Whether operator new, as seen here, is this library's. */
static bool sees_its_own()
{
    void *(*plain)(std::size_t) = &::operator new;
    Dl_info seen, own;
    REQUIRE(dladdr(reinterpret_cast<void *>(plain), &seen) != 0);
    REQUIRE(dladdr(&form_calls, &own) != 0);
    return seen.dli_fbase == own.dli_fbase;
}

int operators_check(void)
{
    check_forms(sees_its_own() ? OWN_FORMS : 0);
    check_forms_without_memory();
    use_containers();
    return case_failures;
}
