// MOLT=soft_limit and hard_limit. At the hard one malloc's family fails with ENOMEM, operator new
// calls the new-handler and throws, nothing that lives is harmed, one line says why, and what is
// freed can be had again. Above the soft one free memory goes back at once. Percentages are those
// of the cgroup's limit: /sys/fs/cgroup is replaced, in a namespace of the case's own, by folders
// with files as the kernel has them. The case starts itself again, with the options and the name of
// what to do.
#include "case.h"

#include <initializer_list>
#include <new>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace
{

std::size_t expected_bytes; // that the limit leaves to the program

// Blocks are kept in a list through themselves.
struct link {
    link *next;
};

link *exhaust(std::size_t size, std::size_t *got)
{
    link *list = nullptr;
    for (*got = 0; *got < 4 * expected_bytes; *got += size) {
        errno = 0;
        link *block = static_cast<link *>(malloc(size));
        if (block == nullptr) {
            CHECK(errno == ENOMEM);
            break;
        }
        fill_bytes(block, size, 0x6d);
        block->next = list;
        list = block;
    }
    return list;
}

void free_list(link *list, std::size_t size)
{
    while (list != nullptr) {
        link *next = list->next;
        CHECK(has_bytes(list + 1, size - sizeof *list, 0x6d));
        free(list);
        list = next;
    }
}

// Most of what the limit allows can be had, and no more; then again.
void exhaust_twice(std::size_t size)
{
    for (int round = 0; round < 2; round++) {
        std::size_t got;
        link *list = exhaust(size, &got);
        CHECK_MSG(got <= expected_bytes && got >= expected_bytes / 4 * 3,
                  "%zu bytes in blocks of %zu, of %zu", got, size, expected_bytes);
        free_list(list, size);
    }
}

void *reserve;

void free_reserve()
{
    free(reserve);
    reserve = nullptr;
    std::set_new_handler(nullptr);
}

// With so little left that `size` bytes cannot be had.
void fail_in_cxx(std::size_t size)
{
    bool caught = false;
    try {
        free(::operator new(opaque_size(size)));
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    CHECK(caught);
    CHECK(::operator new(opaque_size(size), std::nothrow) == nullptr);
    CHECK(::operator new[](opaque_size(size), std::align_val_t{64}, std::nothrow) == nullptr);
    std::set_new_handler(free_reserve);
    void *block = ::operator new(opaque_size(size), std::nothrow);
    CHECK(block != nullptr && reserve == nullptr);
    ::operator delete(block);
}

void fail_in_every_way()
{
    const std::size_t size = expected_bytes / 4, most = expected_bytes / 8 * 7;
    char *text = static_cast<char *>(malloc(1000));
    reserve = malloc(expected_bytes / 2);
    REQUIRE(text != nullptr && reserve != nullptr);
    fill_bytes(text, 1000, 3);
    std::size_t got;
    link *list = exhaust(100000, &got);
    errno = 0;
    CHECK(calloc(size, 1) == nullptr && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(opaque(text), opaque_size(size)) == nullptr && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(opaque(reserve), opaque_size(most)) == nullptr && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(4096, size) == nullptr && errno == ENOMEM);
    void *pointer = text;
    CHECK(posix_memalign(&pointer, 65536, size) == ENOMEM && pointer == text);
    fail_in_cxx(size);
    CHECK(has_bytes(text, 1000, 3));
    free_list(list, 100000);
    free(text);
}

void exhaust_in_child()
{
    exhaust_twice(MIB);
}

void hard()
{
    for (std::size_t size : {std::size_t{64}, std::size_t{5000}, 100 * KIB, MIB, 5 * MIB})
        exhaust_twice(size);
    fail_in_every_way();
    expect_success(exhaust_in_child);
}

void no_limit()
{
    void *block = malloc(opaque_size(512 * MIB));
    CHECK(block != nullptr);
    free(block);
}

// The options say that free pages may stay for a thousand seconds.
void soft()
{
    for (std::size_t size : {std::size_t{64}, std::size_t{5000}, 100 * KIB, 5 * MIB}) {
        std::size_t got;
        expected_bytes = 16 * MIB;
        link *list = exhaust(size, &got); // 64 MiB
        CHECK(got >= 64 * MIB);
        free_list(list, size);
        CHECK_MSG(rss_bytes() <= 40 * MIB, "%zu after blocks of %zu", rss_bytes(), size);
    }
}

struct scenario {
    const char *name;
    void (*run)();
    const char *options;
    std::size_t bytes;
    const char *line; // on standard error; nullptr: none
    const char *tree; // what the group's limit is; nullptr: the tree is the system's
};

const char *const line_64 = "molt: warning: hard_limit of 67108864 bytes reached: ";

const scenario scenarios[] = {
    {"hard", hard, "hard_limit=64M", 64 * MIB, line_64, nullptr},
    {"soft", soft, "soft_limit=32M,decay=1000s", 0, nullptr, nullptr},
    {"above all", no_limit, "hard_limit=1T", 0, nullptr, nullptr},
    {"half of the group's", hard, "hard_limit=50%", 64 * MIB, line_64, "134217728\n"},
    {"a group without", no_limit, "hard_limit=1%", 0, nullptr, "max\n"},
    {"soft half", soft, "soft_limit=50%,decay=1000s", 0, nullptr, "67108864\n"},
};

const scenario *chosen;

// The group has the limit in both versions' ways, wherever /proc says that the process is.
bool replace_tree(const char *limit)
{
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", "/sys/fs/cgroup", "tmpfs", 0, nullptr) != 0)
        return false;
    mkdir("/sys/fs/cgroup/memory", 0755);
    for (const char *path :
         {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        int fd = open(path, O_WRONLY | O_CREAT, 0644);
        REQUIRE(fd >= 0 && write(fd, limit, strlen(limit)) > 0);
        close(fd);
    }
    return true;
}

void start_chosen()
{
    if (chosen->tree != nullptr && !replace_tree(chosen->tree))
        _exit(77);
    setenv("MOLT", chosen->options, 1);
    execl("/proc/self/exe", "limits", chosen->name, nullptr);
}

void run_chosen()
{
    expected_bytes = chosen->bytes;
    chosen->run();
}

void check(const scenario &scenario)
{
    child_end end;
    chosen = &scenario;
    run_child(start_chosen, &end);
    if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == 77) {
        case_say("skip: %s: no namespace of one's own", scenario.name);
        return;
    }
    CHECK_MSG(ended_well(&end), "%s: status 0x%x: %s", scenario.name,
              static_cast<unsigned>(end.status), end.error);
    int lines = lines_with(&end, "molt: "), expected = scenario.line != nullptr;
    CHECK_MSG(lines == expected &&
                  (scenario.line == nullptr || lines_with(&end, scenario.line) == 1),
              "%s: %s", scenario.name, end.error);
}

} // namespace

int main(int argc, char **argv)
{
    case_needs_library();
    case_watchdog(60);
    for (const scenario &scenario : scenarios) {
        if (argc < 2)
            check(scenario);
        else if (strcmp(argv[1], scenario.name) == 0)
            chosen = &scenario;
    }
    if (argc > 1)
        run_chosen();
    return case_end();
}
