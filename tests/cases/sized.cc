// MOLT=sized: free_sized, free_aligned_sized and the sized forms of operator delete stop the
// program where the size cannot be the block's, and take all that is right. Without it no size is
// looked at. The case starts itself again, with the option and the name of what to do.
#include "case.h"

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

extern "C" void free_sized(void *, std::size_t);
extern "C" void free_aligned_sized(void *, std::size_t, std::size_t);
#pragma weak free_sized
#pragma weak free_aligned_sized

namespace
{

constexpr std::align_val_t alignment{64};

struct form {
    const char *name;
    void *(*take)(std::size_t size);
    void (*release)(void *block, std::size_t size);
};

const form forms[] = {
    {"free_sized", malloc, [](void *p, std::size_t size) { free_sized(p, size); }},
    {"free_aligned_sized", [](std::size_t size) { return aligned_alloc(64, size); },
     [](void *p, std::size_t size) { free_aligned_sized(p, 64, size); }},
    {"delete", [](std::size_t size) { return ::operator new(size); },
     [](void *p, std::size_t size) { ::operator delete(p, size); }},
    {"delete[]", [](std::size_t size) { return ::operator new[](size); },
     [](void *p, std::size_t size) { ::operator delete[](p, size); }},
    {"delete, aligned", [](std::size_t size) { return ::operator new(size, alignment); },
     [](void *p, std::size_t size) { ::operator delete(p, size, alignment); }},
    {"delete[], aligned", [](std::size_t size) { return ::operator new[](size, alignment); },
     [](void *p, std::size_t size) { ::operator delete[](p, size, alignment); }},
};

const std::size_t sizes[] = {0, 1, 8, 16, 100, 1024, 5000, 100000, 5 << 20};

const form *chosen;
std::size_t taken, said;
const char *options;

void right()
{
    for (const form &form : forms) {
        for (std::size_t size : sizes) {
            form.release(opaque(form.take(size)), size);
            form.release(nullptr, size);
        }
    }
    ::operator delete (::operator new(100, std::nothrow), std::size_t{100});
    ::operator delete(::operator new(100), std::nothrow); /* no size in the second argument */
    ::operator delete[](::operator new[](100), std::nothrow);
    ::operator delete(::operator new(100, alignment), alignment);
    struct base {
        virtual ~base() = default;
        int a[5];
    };
    struct derived : base {
        int b[50];
    };
    std::unique_ptr<base>{new derived};
    std::vector<std::string> strings;
    for (int i = 0; i < 1000; i++)
        strings.push_back(std::string(static_cast<std::size_t>(i), 'x'));
    strings.shrink_to_fit();
}

void wrong()
{
    chosen->release(opaque(chosen->take(taken)), said);
}

/* Each form and size, with one that is too large and, where that can be told, one too small. */
template <typename Visit> void each_wrong_size(Visit visit)
{
    for (const form &form : forms) {
        chosen = &form;
        for (std::size_t size : sizes) {
            taken = size;
            said = size * 2 + 100;
            visit();
            said = size / 4;
            if (size >= 100 && !strstr(form.name, "aligned"))
                visit();
        }
    }
}

void all_wrong_ones()
{
    each_wrong_size([] {
        struct child_end end;
        run_child(wrong, &end);
        CHECK_MSG(ended_by(&end, SIGABRT) && lines_with(&end, "molt: error: invalid ") == 1 &&
                      strstr(end.error, " bytes said, the block has "),
                  "%s of %zu bytes, said %zu: status 0x%x, stderr: %s", chosen->name, taken, said,
                  static_cast<unsigned>(end.status), end.error);
    });
}

void unchecked()
{
    right();
    each_wrong_size(wrong);
}

void start_again()
{
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (options)
        setenv("MOLT", options, 1);
    execl("/proc/self/exe", "sized", options ? "checked" : "unchecked", nullptr);
    _exit(3);
}

} // namespace

int main(int count, char **arguments)
{
    case_watchdog(60);
    case_needs_library();
    if (count > 1 && strcmp(arguments[1], "checked") == 0) {
        right();
        all_wrong_ones();
        return case_end();
    }
    if (count > 1) {
        unchecked();
        return case_end();
    }
    expect_success(start_again);
    options = "sized";
    expect_success(start_again);
    return case_end();
}
