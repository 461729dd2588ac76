/* A plugin that is linked with libmolt.so, in a program that is not and in one that has it
 * preloaded, however the plugin is opened: molt_is_malloc() tells whose blocks the program's are,
 * and a block of the other allocator ends in one line. (family.c and own.c of linked/ ask in
 * programs that molt is linked into.) */
// preload: no
#include "case.h"

static bool (*is_malloc)(void);
static void *(*allocate)(size_t size);
static void *(*allocate_plainly)(size_t size);
static void (*release)(void *block);
static size_t (*size_of)(const void *block);
static bool (*owns)(const void *block);

static void *foreign;

static void open_plugin(int flags)
{
    char path[PATH_MAX];
    void *plugin = dlopen(beside_program("libmolt_plugin.so", path), flags);
    if (!plugin)
        case_say("%s", dlerror());
    REQUIRE(plugin);
    is_malloc = (bool (*)(void))dlsym(plugin, "plugin_is_malloc");
    allocate = (void *(*)(size_t))dlsym(plugin, "plugin_allocate");
    allocate_plainly = (void *(*)(size_t))dlsym(plugin, "plugin_allocate_plainly");
    release = (void (*)(void *))dlsym(plugin, "plugin_release");
    size_of = (size_t(*)(const void *))dlsym(plugin, "plugin_size");
    owns = (bool (*)(const void *))dlsym(plugin, "plugin_owns");
    REQUIRE(is_malloc && allocate && allocate_plainly && release && size_of && owns);
}

static void release_foreign(void)
{
    release(foreign);
}

static void size_of_foreign(void)
{
    size_of(foreign);
}

/* The program's blocks are libc's, molt's are molt's. */
static void check_apart(void)
{
    errno = 1234;
    CHECK(!is_malloc() && !is_malloc() && errno == 1234);
    for (size_t size = 1; size < 5 * MIB; size = size * 5 + 3) {
        foreign = malloc(size);
        void *block = allocate(size);
        REQUIRE(foreign && block);
        CHECK(!owns(foreign) && owns(block) && size_of(block) >= size);
        expect_abort(release_foreign, "not memory that molt gave out");
        expect_abort(size_of_foreign, "not memory that molt gave out");
        free(foreign);
        release(block);
    }
}

static void opened_locally(void)
{
    open_plugin(RTLD_NOW | RTLD_LOCAL);
    void *block = allocate_plainly(100);
    CHECK(block && !owns(block));
    free(block);
    check_apart();
}

/* The plugin's own malloc is molt's now, the program's is not. */
static void opened_deeply(void)
{
    open_plugin(RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void *block = allocate_plainly(100);
    CHECK(block && owns(block));
    release(block);
    check_apart();
}

static void opened_globally(void)
{
    open_plugin(RTLD_LAZY | RTLD_GLOBAL);
    check_apart();
}

static const int all_flags[] = {RTLD_NOW | RTLD_LOCAL, RTLD_LAZY | RTLD_GLOBAL,
                                RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND};

static void opened_preloaded(void)
{
    for (size_t i = 0; i < sizeof all_flags / sizeof *all_flags; i++) {
        open_plugin(all_flags[i]);
        void *block = malloc(100), *plain = allocate_plainly(100);
        CHECK(is_malloc() && owns(block) && owns(plain));
        release(block);
        free(plain);
        free(allocate(100));
    }
}

static void run_preloaded(void)
{
    char *arguments[] = {(char *)(uintptr_t) "is_malloc", (char *)(uintptr_t) "preloaded", NULL};
    dup2(STDERR_FILENO, STDOUT_FILENO);
    setenv("LD_PRELOAD", case_library(), 1);
    execv("/proc/self/exe", arguments);
    _exit(3);
}

/* Many threads ask at the same time. */
static void *ask(void *answer)
{
    return is_malloc() ? answer : NULL;
}

static void asked_by_many(void)
{
    pthread_t threads[8];
    open_plugin(RTLD_NOW | RTLD_LOCAL);
    for (int i = 0; i < 8; i++)
        threads[i] = thread_start(ask, threads);
    for (int i = 0; i < 8; i++)
        CHECK(thread_join(threads[i]) == NULL);
}

int main(int count, char **arguments)
{
    (void)arguments;
    case_watchdog(60);
    case_needs_library();
    if (count > 1) {
        opened_preloaded();
        return case_end();
    }
    expect_success(opened_locally);
    expect_success(opened_deeply);
    expect_success(opened_globally);
    expect_success(asked_by_many);
    expect_success(run_preloaded);
    return case_end();
}
