/* A heap profile and a leak report tell plugins by their names, also those that have been unloaded,
 * and those that lie where another one has been.
 *
 * Each child is this program again, preloaded and profiled.
 */
// preload: no
#include "case.h"
#include <stdatomic.h>
#include <sys/mman.h>

static const char *options;

/* ---- The program that is profiled ---- */

struct plugin {
    void *handle;
    uintptr_t base, function; /* where the plugin is, and plugin_allocate */
    void *(*allocate)(size_t size);
};

static struct plugin open_plugin(const char *name)
{
    char path[PATH_MAX];
    Dl_info info;
    struct plugin plugin = {.handle = dlopen(beside_program(name, path), RTLD_NOW)};
    REQUIRE(plugin.handle);
    *(void **)&plugin.allocate = dlsym(plugin.handle, "plugin_allocate");
    REQUIRE(dladdr((void *)(uintptr_t)plugin.allocate, &info));
    plugin.base = (uintptr_t)info.dli_fbase;
    plugin.function = (uintptr_t)plugin.allocate;
    return plugin;
}

/* Pointers are kept where the search for leaks does not look. */
static uintptr_t *kept;
static size_t kept_count;

static __attribute__((noinline)) void allocate_in(const struct plugin *plugin, size_t count)
{
    while (count-- > 0)
        kept[kept_count++] = (uintptr_t)plugin->allocate(1000);
}

/* ---- What is told ---- */

static char text[1 << 20];

static const char *read_profile(void)
{
    int (*dump)(const char *path);
    char path[] = "/tmp/molt-case.XXXXXX";
    int fd = mkstemp(path);
    *(void **)&dump = dlsym(RTLD_DEFAULT, "molt_profile_dump");
    REQUIRE(fd >= 0 && dump && dump(path) == 0);
    REQUIRE(read_file(path, text, sizeof text) > 0);
    close(fd);
    unlink(path);
    return text;
}

/* The place in a file that an address stands for, by the mappings; NULL: it is in none. */
static const char *find_file(const char *mappings, unsigned long address, unsigned long *offset)
{
    static char path[PATH_MAX];
    for (const char *line = mappings; line; line = strchr(line, '\n')) {
        unsigned long start, end, from;
        line += *line == '\n';
        int fields = sscanf(line, "%lx-%lx r-xp %lx %*s %*s %4095s", &start, &end, &from, path);
        *offset = address - start + from;
        if (fields == 4 && address >= start && address < end)
            return path;
    }
    return NULL;
}

/* The blocks in use of all rows whose innermost frame is the plugin's function. */
static unsigned count_blocks(const char *name, unsigned long function)
{
    const char *profile = read_profile(), *mappings = strstr(profile, "MAPPED_LIBRARIES:");
    unsigned found = 0;
    REQUIRE(mappings);
    for (const char *line = profile; line && line < mappings; line = strchr(line, '\n')) {
        unsigned long address, offset;
        unsigned count;
        line += *line == '\n';
        if (sscanf(line, "%u: %*u [%*u: %*u] @ 0x%lx", &count, &address) != 2)
            continue;
        const char *path = find_file(mappings, address, &offset);
        const char *end = path ? strrchr(path, '/') : NULL;
        if (end && strcmp(end + 1, name) == 0) {
            CHECK_MSG(offset > function && offset < function + 200, "%s: 0x%lx, not 0x%lx", name,
                      offset, function);
            found += count;
        }
    }
    return found;
}

static unsigned long function_of_a, function_of_b; /* in their files */

#define CHECK_PLUGINS(of_a, of_b)                                                                  \
    do {                                                                                           \
        unsigned a_ = count_blocks("libprofiled_a.so", function_of_a);                             \
        unsigned b_ = count_blocks("libprofiled_b.so", function_of_b);                             \
        CHECK_MSG(a_ == (of_a) && b_ == (of_b), "%s: %u blocks of a, %u of b", getenv("MOLT"), a_, \
                  b_);                                                                             \
    } while (0)

static void check_leaks(void)
{
    long (*check)(int fd);
    char path[] = "/tmp/molt-case.XXXXXX";
    int fd = mkstemp(path);
    unsigned a = 0, b = 0;
    *(void **)&check = dlsym(RTLD_DEFAULT, "molt_leaks_check");
    REQUIRE(fd >= 0 && check && check(fd) == (long)kept_count);
    REQUIRE(read_file(path, text, sizeof text) > 0);
    close(fd);
    unlink(path);
    for (const char *at = text; (at = strstr(at, "/libprofiled_")) != NULL; at++) {
        a += strncmp(at, "/libprofiled_a.so+0x", 20) == 0;
        b += strncmp(at, "/libprofiled_b.so+0x", 20) == 0;
    }
    CHECK_MSG(a >= 1 && b >= 1 && strstr(text, "libprofiled_"), "%s: %s", getenv("MOLT"), text);
}

/* ---- Unloaded while a profile is written ---- */

enum { TURNS = 400 };

static atomic_bool is_over;

static void *open_and_close(void *unused)
{
    static const char *const names[] = {"libprofiled_a.so", "libprofiled_b.so"};
    for (size_t i = 0; i < TURNS; i++) {
        struct plugin plugin = open_plugin(names[i % 2]);
        free(plugin.allocate(10));
        REQUIRE(dlclose(plugin.handle) == 0);
    }
    is_over = true;
    return unused;
}

static void write_meanwhile(void)
{
    pthread_t thread = thread_start(open_and_close, NULL);
    while (!is_over)
        read_profile();
    thread_join(thread);
}

static int act(void)
{
    struct plugin a, b;
    alarm(patience(20));
    kept = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(kept != MAP_FAILED);
    a = open_plugin("libprofiled_a.so");
    function_of_a = a.function - a.base;
    allocate_in(&a, 3);
    CHECK_PLUGINS(3, 0);
    REQUIRE(dlclose(a.handle) == 0);
    CHECK_PLUGINS(3, 0);
    b = open_plugin("libprofiled_b.so");
    function_of_b = b.function - b.base;
    if (b.base != a.base)
        case_say("the second plugin does not lie where the first one was");
    allocate_in(&b, 5);
    CHECK_PLUGINS(3, 5);
    REQUIRE(dlclose(b.handle) == 0);
    CHECK_PLUGINS(3, 5);
    a = open_plugin("libprofiled_a.so");
    allocate_in(&a, 2);
    CHECK_PLUGINS(5, 5);
    b = open_plugin("libprofiled_b.so");
    allocate_in(&b, 1);
    CHECK_PLUGINS(5, 6);
    REQUIRE(dlclose(b.handle) == 0 && dlclose(a.handle) == 0);
    CHECK_PLUGINS(5, 6);
    check_leaks();
    write_meanwhile();
    return case_end();
}

/* ---- What comes of it ---- */

static void start_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "profile_plugins", (char *)(uintptr_t) "act", NULL};
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options, 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

int main(int count, char **arguments)
{
    static const char *const ways[] = {"trace,prof_final=0", "prof=1,prof_final=0",
                                       "trace,prof_final=0,prof_stack=fp",
                                       "trace,prof_final=0,prof_stack=libgcc"};
    (void)arguments;
    if (count > 1)
        return act();
    case_watchdog(60);
    case_needs_library();
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        options = ways[way];
        expect_success(start_program);
    }
    return case_end();
}
