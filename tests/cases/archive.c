/* The programs of linked/, each linked with libmolt.a in several ways (cases.mk), or with
 * libmolt.so where the C++ library is static: every one must come to its end without a failure. */
// preload: no
#include "case.h"

#include <dirent.h>

static char program[PATH_MAX];

static void run_program(void)
{
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execl(program, program, (char *)NULL);
    _exit(3);
}

int main(void)
{
    char directory[PATH_MAX];
    int programs = 0;
    case_needs_library();
    DIR *entries = opendir(beside_program("linked", directory));
    REQUIRE(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(program, sizeof program, "%s/%s", directory, entry->d_name);
        REQUIRE(length > 0 && (size_t)length < sizeof program);
        struct child_end end;
        run_child(run_program, &end);
        CHECK_MSG(ended_well(&end), "%s: status 0x%x, output: %s", entry->d_name,
                  (unsigned)end.status, end.error);
        programs++;
    }
    closedir(entries);
    CHECK(programs > 10);
    return case_end();
}
