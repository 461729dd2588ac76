/* known.cc: allocates in known functions, for `bench/run profile-sites`.
 *
 * Standard output has a line for each site: the function, its calls, the bytes that they asked for,
 * and how much of that is not freed: blocks and bytes.
 *
 * Five sites allocate far more than the others, so that samples find these five. Blocks come from
 * all sides: C and C++, inlined functions and templates, libraries, deep recursion, a thread. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#define INLINED inline __attribute__((always_inline))
#define SITE __attribute__((noinline))

namespace
{

enum { KEPT = 10 }; /* blocks of each site that can keep some */

struct node {
    char bytes[200];
};

void *volatile sink;
void *kept[12][KEPT];
int sites;

void tell(const char *function, size_t calls, size_t bytes, size_t kept_calls, size_t kept_bytes)
{
    printf("%s %zu %zu %zu %zu\n", function, calls, bytes, kept_calls, kept_bytes);
}

/* Allocates `calls` blocks and keeps the last ones. */
template <class Take, class Drop>
INLINED void repeat(const char *function, size_t calls, size_t bytes, Take take, Drop drop)
{
    for (size_t i = 0; i < calls; i++) {
        auto block = take();
        sink = block;
        if (calls - i <= KEPT)
            kept[sites][calls - i - 1] = block;
        else
            drop(block);
    }
    sites++;
    tell(function, calls, calls * bytes, KEPT, KEPT * bytes);
}

} // namespace

extern "C" {

/* ---- The five ---- */

SITE void by_malloc()
{
    repeat(
        "by_malloc", 1000000, 120, [] { return malloc(120); }, free);
}

SITE void by_calloc()
{
    repeat(
        "by_calloc", 5000, 32000, [] { return calloc(4, 8000); }, free);
}

SITE void by_new()
{
    repeat(
        "by_new", 900000, sizeof(node), [] { return new node; }, [](node *p) { delete p; });
}

SITE void by_new_array()
{
    repeat(
        "by_new_array", 3000, 70000, [] { return new char[70000]; }, [](char *p) { delete[] p; });
}

SITE void by_vector()
{
    for (int i = 0; i < 1000; i++) {
        std::vector<int> numbers(35000);
        sink = numbers.data();
    }
    tell("by_vector", 1000, 1000 * 35000 * sizeof(int), 0, 0);
}

/* ---- The others ---- */

SITE void by_realloc()
{
    auto grown = [] { return realloc(malloc(1000), 5000); };
    for (int i = 0; i < 6000; i++)
        free(sink = grown());
    tell("by_realloc", 12000, 6000 * (1000 + 5000), 0, 0);
}

SITE void by_aligned_alloc()
{
    repeat(
        "by_aligned_alloc", 10000, 3072, [] { return aligned_alloc(64, 3072); }, free);
}

SITE void by_string()
{
    for (int i = 0; i < 50000; i++) {
        std::string text(400, 'x');
        sink = &text[0];
    }
    tell("by_string", 50000, 50000 * 401, 0, 0);
}

INLINED void inlined()
{
    repeat(
        "inlined", 20000, 500, [] { return malloc(500); }, free);
}

SITE void inlines()
{
    inlined();
}

SITE void recursion(int depth)
{
    if (depth > 0) {
        recursion(depth - 1);
        sink = nullptr; /* no tail call */
        return;
    }
    repeat(
        "recursion", 1000, 5000, [] { return malloc(5000); }, free);
}

SITE void by_strdup()
{
    static char text[1001];
    memset(text, 'x', sizeof text - 1);
    repeat(
        "by_strdup", 2000, sizeof text, [] { return strdup(text); }, free);
}

SITE void in_thread()
{
    repeat(
        "in_thread", 100, 10000, [] { return malloc(10000); }, free);
}
}

int main()
{
    by_malloc();
    by_calloc();
    by_new();
    by_new_array();
    by_vector();
    by_realloc();
    by_aligned_alloc();
    by_string();
    inlines();
    recursion(40);
    by_strdup();
    std::thread(in_thread).join();
}
