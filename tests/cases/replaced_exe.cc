/* A program that exports plain, nothrow and array forms, with a header in front of their blocks, as
 * browsers and memory trackers do, and no sized ones: what the compiler and libstdc++ call beside
 * those (sized deletes, stable_sort's buffer) must come to them. */
#include "case.h"
#define HEADER 1
#define OWN_FORMS 0x330f
#include "own_forms.h"
#include "use_forms.h"

extern "C" {
int form_calls[FUNCTIONS];
}

int main()
{
    check_forms(OWN_FORMS);
    check_forms_without_memory();
    use_containers();
    return case_end();
}
