/* A C program linked with a C++ library that defines some forms of operator new and delete. */
#include "case.h"

int operators_check(void);

int main(void)
{
    CHECK(operators_check() == 0);
    return case_end();
}
