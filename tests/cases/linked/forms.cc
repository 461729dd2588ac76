/* A C++ program that defines the forms in OWN_FORMS itself, none at all in the plain build: each
 * call must reach the form that [new.delete] names, and the heap must be the archive's. */
#include "../own_forms.h"
#include "../use_forms.h"

#include <molt.h>
#include <stdexcept>

extern "C" {
int form_calls[FUNCTIONS];
}

static int handler_runs;

static void resign_after_five()
{
    if (++handler_runs == 5)
        std::set_new_handler(nullptr);
}

static void give_up_at_once()
{
    throw std::runtime_error("handler gave up");
}

/* The library's handler, where operator new is not the program's. */
static void new_handlers()
{
    std::size_t size = opaque_size(std::size_t(1) << 62);
    std::set_new_handler(resign_after_five);
    CHECK(opaque(::operator new(size, std::nothrow)) == nullptr);
    CHECK(handler_runs == 5);
    bool caught = false;
    std::set_new_handler(give_up_at_once);
    try {
        opaque(::operator new[](size));
    } catch (const std::runtime_error &) {
        caught = true;
    }
    CHECK(caught);
    std::set_new_handler(nullptr);
}

int main()
{
    int *number = new int(3);
    CHECK(molt_owns(opaque(number)));
    delete number;
    check_forms(OWN_FORMS);
    check_forms_without_memory();
    if (!form_in(OWN_FORMS, NEW) && !form_in(OWN_FORMS, NEW_ARRAY) &&
        !form_in(OWN_FORMS, NEW_NOTHROW))
        new_handlers();
    use_containers();
    return case_end();
}
