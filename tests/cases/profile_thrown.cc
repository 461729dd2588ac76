/* Exceptions under a profile and a trace: thrown through frames that allocate and free, thrown
 * again, carried from thread to thread, and thrown where memory runs out, while profiles are
 * written.
 *
 * Each child is this program again, preloaded and profiled.
 */
// preload: no
#include "case.h"

#include <atomic>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static const char *options;

/* ---- The program that is profiled ---- */

/* Larger than an exception for which libstdc++ keeps memory back. */
struct large_exception : std::runtime_error {
    using std::runtime_error::runtime_error;
    char bytes[3000] = {};
    std::vector<int> numbers = std::vector<int>(1000, 7);
};

/* Frees blocks and allocates others while frames are unwound. */
struct guard {
    std::unique_ptr<char[]> block;
    explicit guard(size_t size) : block(new char[size])
    {
    }
    ~guard()
    {
        std::string text(200, 'x');
        block = std::make_unique<char[]>(text.size());
    }
};

__attribute__((noinline)) static int go_down(int depth, bool is_large)
{
    guard here(static_cast<size_t>(depth + 1) * 100);
    if (depth > 0)
        return go_down(depth - 1, is_large) + static_cast<int>(here.block[0] = 1);
    if (is_large)
        throw large_exception("a text that is long enough for a block of its own, to be kept");
    throw std::string(500, 'y');
}

static void throw_and_catch()
{
    int caught = 0;
    for (int i = 0; i < 60; i++) {
        try {
            go_down(i % 20, i % 2 == 0);
        } catch (const large_exception &error) {
            caught += error.numbers[999] == 7 && error.what()[0] == 'a';
        } catch (const std::string &text) {
            caught += text.size() == 500;
        }
    }
    REQUIRE(caught == 60);
}

/* Each level catches the exception of the next, and throws one with it inside, or itself again. */
static void throw_nested(int depth)
{
    try {
        if (depth == 0)
            throw large_exception("the innermost one");
        throw_nested(depth - 1);
    } catch (const std::exception &) {
        guard here(64);
        if (depth % 2 == 0)
            std::throw_with_nested(large_exception("around it"));
        throw;
    }
}

static int depth_of(const std::exception &error)
{
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception &inner) {
        return 1 + depth_of(inner);
    }
    return 1;
}

static void throw_again()
{
    for (int i = 0; i < 10; i++) {
        try {
            throw_nested(10);
            REQUIRE(false);
        } catch (const std::exception &error) {
            REQUIRE(depth_of(error) == 7);
        }
    }
}

static void *throw_in_thread(void *argument)
{
    throw_and_catch();
    throw_again();
    auto &carried = *static_cast<std::exception_ptr *>(argument);
    try {
        go_down(5, true);
    } catch (...) {
        carried = std::current_exception();
    }
    return nullptr;
}

static void throw_in_threads()
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    std::exception_ptr carried[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(throw_in_thread, &carried[i]);
    for (int i = 0; i < 20; i++) {
        raise(SIGUSR2);
        sleep_ms(1);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        try {
            std::rethrow_exception(carried[i]);
        } catch (const large_exception &error) {
            REQUIRE(error.numbers.size() == 1000);
        }
    }
}

/* ---- No memory ---- */

static int handled;

static void give_up()
{
    handled++;
    if (handled % 2 == 0)
        throw large_exception("thrown by the handler");
    throw std::bad_alloc();
}

static size_t fill(std::vector<std::unique_ptr<char[]>> &blocks, size_t size)
{
    for (;;)
        blocks.emplace_back(new char[size]);
}

static void *run_out(void *argument)
{
    for (size_t size : {100 * MIB, 1 * MIB, 3 * KIB}) {
        std::vector<std::unique_ptr<char[]>> blocks;
        try {
            fill(blocks, size);
        } catch (const std::bad_alloc &) {
            continue;
        } catch (const std::runtime_error &) {
            continue;
        }
        REQUIRE(false);
    }
    return argument;
}

static void run_out_of_memory()
{
    run_out(nullptr);
    std::set_new_handler(give_up);
    run_out(nullptr);
    REQUIRE(handled > 0);
    std::set_new_handler(nullptr);
    pthread_t threads[2];
    for (pthread_t &thread : threads)
        thread = thread_start(run_out, nullptr);
    for (pthread_t thread : threads)
        thread_join(thread);
    throw_and_catch();
}

static int act()
{
    alarm(patience(20));
    throw_and_catch();
    throw_again();
    throw_in_threads();
    run_out_of_memory();
    return 7;
}

/* ---- What comes of it ---- */

static char folder[] = "/tmp/molt-case.XXXXXX";

static void start_program()
{
    char name[] = "profile_thrown", argument[] = "act";
    char *arguments[] = {name, argument, nullptr};
    REQUIRE(chdir(folder) == 0);
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options, 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static void check(const char *with)
{
    struct child_end end;
    options = with;
    run_child(start_program, &end);
    CHECK_MSG(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7, "%s: status 0x%x, %s", with,
              static_cast<unsigned>(end.status), end.error);
    CHECK_MSG(access("profile", R_OK) == 0 && unlink("profile") == 0, "%s: no profile", with);
    CHECK_MSG(lines_with(&end, "molt: warning: ") == 1 && strstr(end.error, "hard_limit"), "%s: %s",
              with, end.error);
}

#define COMMON "hard_limit=40M,prof_final=0,prof_signal=USR2,prof_out=profile"

int main(int count, char **)
{
    if (count > 1)
        return act();
    case_watchdog(70);
    case_needs_library();
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    check("prof=512," COMMON);
    check("trace," COMMON);
    check("prof=512,prof_stack=fp," COMMON);
    check("trace,prof_stack=libgcc," COMMON);
    rmdir(folder);
    return case_end();
}
