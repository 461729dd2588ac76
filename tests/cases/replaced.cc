/* Operators new and delete that the program replaces, any subset of them, and malloc's family.
 *
 * By [new.delete] the forms that a program does not define call those that it does. Each form
 * stands in a library of its own; the case starts itself with some of them preloaded, which the
 * loader sees before the library under test as it sees a program's. Under the system's malloc, too,
 * all must come out as forms.h says: then it is libstdc++ that is measured.
 */
// preload: no
#include "forms.h"

extern "C" {
int form_calls[FUNCTIONS];
}

namespace
{

/* What programs do, and some that nobody does. */
const unsigned usual[] = {
    0,
    1u << NEW | 1u << DELETE,
    1u << NEW | 1u << DELETE | 1u << DELETE_SIZED,
    1u << NEW | 1u << NEW_ARRAY | 1u << DELETE | 1u << DELETE_ARRAY,
    1u << NEW_ARRAY | 1u << DELETE_ARRAY,
    1u << NEW_ALIGNED | 1u << DELETE_ALIGNED,
    1u << NEW | 1u << DELETE | 1u << NEW_ALIGNED | 1u << DELETE_ALIGNED,
    /* plain, nothrow and array forms without the sized ones */
    1u << NEW | 1u << NEW_ARRAY | 1u << NEW_NOTHROW | 1u << NEW_ARRAY_NOTHROW | 1u << DELETE |
        1u << DELETE_ARRAY | 1u << DELETE_NOTHROW | 1u << DELETE_ARRAY_NOTHROW,
    1u << MALLOC | 1u << FREE,
    1u << MALLOC | 1u << FREE | 1u << ALIGNED_ALLOC,
    (1u << FORMS) - 1,
    (1u << FUNCTIONS) - 1,
};

enum { RANDOM_MASKS = 60 };

/* The libraries of the forms in the mask, then the one under test. */
void write_preload(unsigned mask, char *out, std::size_t size)
{
    char path[PATH_MAX];
    std::size_t length = std::size_t(snprintf(out, size, "LD_PRELOAD="));
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        char name[32];
        snprintf(name, sizeof name, "libform%u.so", i);
        if (form_in(mask, i))
            length += std::size_t(
                snprintf(out + length, size - length, "%s:", beside_program(name, path)));
    }
    snprintf(out + length, size - length, "%s", case_library() ? case_library() : "");
}

unsigned child_mask;

/* Starts the case anew. */
void run_with_mask()
{
    static char preload[FUNCTIONS * PATH_MAX], mask[16];
    char self[] = "/proc/self/exe";
    char *const arguments[] = {self, mask, nullptr};
    char *const environment[] = {preload, nullptr};
    snprintf(mask, sizeof mask, "%u", child_mask);
    write_preload(child_mask, preload, sizeof preload);
    execve(self, arguments, environment);
    _exit(3);
}

void check_mask(unsigned mask)
{
    child_mask = mask;
    struct child_end end;
    run_child(run_with_mask, &end);
    CHECK_MSG(ended_well(&end), "definitions %06x: status 0x%x, stderr: %s", mask,
              unsigned(end.status), end.error);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc > 1) {
        check_forms(unsigned(strtoul(argv[1], nullptr, 10)));
        check_forms_without_memory();
        return case_end();
    }
    for (unsigned mask : usual)
        check_mask(mask);
    for (unsigned i = 0; i < FUNCTIONS; i++)
        check_mask(1u << i);
    uint64_t random = 1;
    for (unsigned i = 0; i < RANDOM_MASKS; i++)
        check_mask(unsigned(random_next(&random) >> 40) & ((1u << FUNCTIONS) - 1));
    return case_end();
}
