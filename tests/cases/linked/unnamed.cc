/* A C++ program that uses little of the C++ library: it does not name bad_alloc, and catches it all
 * the same. */
#include "../case.h"

#include <exception>
#include <new>

int main()
{
    bool caught = false;
    CHECK(opaque(new (std::nothrow) char[opaque_size(std::size_t(1) << 62)]) == nullptr);
    try {
        opaque(new char[opaque_size(std::size_t(1) << 62)]);
    } catch (const std::exception &error) {
        caught = strcmp(error.what(), "std::bad_alloc") == 0;
    }
    CHECK(caught);
    return case_end();
}
