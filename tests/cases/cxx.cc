/* operator new and delete in all their forms, and what happens when there is no memory.
 *
 * The allocator is C and cannot throw: at exhaustion the new-handler must run as often as it
 * likes, bad_alloc must arrive in the caller, nothrow must give null. Aligned and sized forms, and
 * blocks that cross between new and malloc's family as libraries let them.
 */
// run: ulimit -v 400000
#include "case.h"
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

const std::size_t absurd = std::size_t(1) << 62;

void plain_forms()
{
    for (std::size_t size = 0; size < 10 * MIB; size = size * 3 + 1) {
        void *one = opaque(::operator new(size));
        void *array = opaque(::operator new[](size));
        CHECK(one && array && one != array);
        CHECK(is_aligned(one, size >= 16 ? 16 : 8) && is_aligned(array, size >= 16 ? 16 : 8));
        fill_bytes(one, size, 1);
        fill_bytes(array, size, 2);
        CHECK(has_bytes(one, size, 1));
        ::operator delete(one);
        ::operator delete[](array, size);
        one = opaque(::operator new(size, std::nothrow));
        array = opaque(::operator new[](size, std::nothrow));
        CHECK(one && array);
        ::operator delete(one, std::nothrow);
        ::operator delete[](array, std::nothrow);
        ::operator delete(opaque(::operator new(size)), size);
        ::operator delete[](opaque(::operator new[](size)));
    }
    ::operator delete(opaque(nullptr));
    ::operator delete[](opaque(nullptr));
    ::operator delete(opaque(nullptr), std::size_t(10));
}

void aligned_forms()
{
    for (std::size_t alignment = 1; alignment <= MIB; alignment *= 2) {
        std::align_val_t wanted = std::align_val_t(alignment);
        for (std::size_t size = 0; size < 5 * MIB; size = size * 7 + 1) {
            void *blocks[] = {
                opaque(::operator new(size, wanted)),
                opaque(::operator new[](size, wanted)),
                opaque(::operator new(size, wanted, std::nothrow)),
                opaque(::operator new[](size, wanted, std::nothrow)),
                opaque(::operator new(size, wanted)),
                opaque(::operator new[](size, wanted)),
            };
            for (unsigned i = 0; i < 6; i++) {
                CHECK(blocks[i] && is_aligned(blocks[i], alignment));
                fill_bytes(blocks[i], size, i);
            }
            for (unsigned i = 0; i < 6; i++)
                CHECK(has_bytes(blocks[i], size, i));
            ::operator delete(blocks[0], wanted);
            ::operator delete[](blocks[1], wanted);
            ::operator delete(blocks[2], wanted, std::nothrow);
            ::operator delete[](blocks[3], wanted, std::nothrow);
            ::operator delete(blocks[4], size, wanted);
            ::operator delete[](blocks[5], size, wanted);
        }
    }
}

template <class Function> bool throws_bad_alloc(Function function)
{
    try {
        function();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void absurd_sizes()
{
    std::size_t size = opaque_size(absurd);
    std::align_val_t wanted = std::align_val_t(256);
    CHECK(throws_bad_alloc([=] { opaque(::operator new(size)); }));
    CHECK(throws_bad_alloc([=] { opaque(::operator new[](size)); }));
    CHECK(throws_bad_alloc([=] { opaque(::operator new(size, wanted)); }));
    CHECK(throws_bad_alloc([=] { opaque(::operator new[](size, wanted)); }));
    CHECK(throws_bad_alloc([] { opaque(::operator new(opaque_size(SIZE_MAX))); }));
    CHECK(opaque(::operator new(size, std::nothrow)) == nullptr);
    CHECK(opaque(::operator new[](size, std::nothrow)) == nullptr);
    CHECK(opaque(::operator new(size, wanted, std::nothrow)) == nullptr);
    CHECK(opaque(::operator new[](size, wanted, std::nothrow)) == nullptr);
    CHECK(opaque(::operator new(opaque_size(SIZE_MAX), std::nothrow)) == nullptr);
}

int handler_runs;

void give_up_after_three()
{
    if (++handler_runs == 3)
        throw std::runtime_error("handler gave up");
}

void resign_after_five()
{
    if (++handler_runs == 5)
        std::set_new_handler(nullptr);
}

void new_handlers()
{
    std::size_t size = opaque_size(absurd);
    bool caught = false;
    handler_runs = 0;
    std::set_new_handler(give_up_after_three);
    try {
        opaque(::operator new(size));
    } catch (const std::runtime_error &) {
        caught = true;
    }
    CHECK(caught && handler_runs == 3);

    handler_runs = 0;
    std::set_new_handler(resign_after_five);
    CHECK(throws_bad_alloc([=] { opaque(::operator new[](size)); }));
    CHECK(handler_runs == 5);

    handler_runs = 0;
    std::set_new_handler(resign_after_five);
    CHECK(opaque(::operator new(size, std::nothrow)) == nullptr);
    CHECK(handler_runs == 5);

    handler_runs = 0;
    std::set_new_handler(resign_after_five);
    CHECK(throws_bad_alloc([=] { opaque(::operator new(size, std::align_val_t(64))); }));
    CHECK(handler_runs == 5);
    std::set_new_handler(nullptr);
}

std::vector<std::unique_ptr<char[]>> *reserve;

void release_reserve()
{
    handler_runs++;
    if (reserve->empty())
        std::set_new_handler(nullptr);
    else
        reserve->pop_back();
}

/* Real exhaustion under the address-space limit; the handler frees 16 MiB at a time. */
void exhaustion()
{
    std::vector<std::unique_ptr<char[]>> spare, taken;
    taken.reserve(10000);
    for (int i = 0; i < 3; i++)
        spare.emplace_back(new char[16 * MIB]);
    reserve = &spare;
    handler_runs = 0;
    std::set_new_handler(release_reserve);
    bool thrown = throws_bad_alloc([&] {
        while (taken.size() < 10000)
            taken.emplace_back(new char[MIB]);
    });
    CHECK(thrown);
    CHECK_MSG(handler_runs == 4, "the handler ran %d times", handler_runs);
    CHECK_MSG(taken.size() > 100, "only %zu MiB were there", taken.size());
    CHECK(new (std::nothrow) char[opaque_size(300 * MIB)] == nullptr);
    taken.clear();
    std::unique_ptr<char[]> again(new char[64 * MIB]);
    CHECK(again != nullptr);
}

void in_containers()
{
    std::vector<std::string> strings;
    for (int i = 0; i < 20000; i++)
        strings.push_back(std::string(std::size_t(i % 300), char('a' + i % 26)));
    std::vector<std::string> moved;
    std::thread other([&] {
        moved = std::move(strings);
        moved.resize(moved.size() / 2);
        moved.shrink_to_fit();
    });
    other.join();
    for (std::size_t i = 0; i < moved.size(); i++)
        CHECK(moved[i].size() == i % 300);
    CHECK(throws_bad_alloc([] {
        std::vector<char> vector;
        vector.reserve(absurd);
    }));
}

struct alignas(128) over_aligned {
    char bytes[200];
};

void over_aligned_objects()
{
    for (int i = 0; i < 100; i++) {
        auto one = std::make_unique<over_aligned>();
        std::unique_ptr<over_aligned[]> many(new over_aligned[7]);
        CHECK(is_aligned(opaque(one.get()), 128) && is_aligned(opaque(many.get()), 128));
    }
}

/* Undefined, but common in old libraries: new with free, malloc with delete. */
void mixed_families()
{
    for (std::size_t size = 1; size < 5 * MIB; size *= 6) {
        std::free(opaque(::operator new(size)));
        ::operator delete(opaque(std::malloc(size)));
    }
}

} // namespace

int main()
{
    case_watchdog(60);
    plain_forms();
    aligned_forms();
    absurd_sizes();
    new_handlers();
    in_containers();
    over_aligned_objects();
    mixed_families();
    exhaustion();
    return case_end();
}
