/* A C program opens a C++ plugin that defines some forms of operator new and delete. The plugin
 * brings the C++ library along, which only it can see: out of memory, bad_alloc must come from
 * there. */
#include "case.h"

static int open_flags;

static void check_plugin(void)
{
    char path[PATH_MAX];
    void *plugin = dlopen(beside_program("liboperators.so", path), RTLD_NOW | open_flags);
    REQUIRE(plugin);
    int (*check)(void) = (int (*)(void))dlsym(plugin, "operators_check");
    REQUIRE(check);
    CHECK(check() == 0);
}

int main(void)
{
    open_flags = RTLD_LOCAL;
    expect_success(check_plugin);
    open_flags = RTLD_GLOBAL;
    expect_success(check_plugin);
    return case_end();
}
