/* A plugin opened with RTLD_DEEPBIND uses the same allocator as the program.
 *
 * DEEPBIND makes the plugin find libc's malloc before the preloaded one; a block that crosses the
 * border then goes to the wrong free (php's and apache's modules, all known preloads crash). The
 * way out, a dlopen of the allocator's own that clears the flag, must not lose what dlopen takes
 * from its caller: the RUNPATH of the library that calls it, and dlopen(NULL).
 */
#include "case.h"

struct plugin {
    void *handle;
    void *(*allocate)(size_t);
    void *(*resize)(void *, size_t);
    void (*release)(void *);
    char *(*duplicate)(const char *);
    void *(*open_sibling)(const char *, int);
};

static void *symbol_of(void *handle, const char *name)
{
    void *symbol = dlsym(handle, name);
    REQUIRE(symbol);
    return symbol;
}

static struct plugin open_plugin(int flags)
{
    char path[PATH_MAX];
    struct plugin plugin;
    plugin.handle = dlopen(beside_program("libdeepbind.so", path), flags);
    if (!plugin.handle)
        case_say("%s", dlerror());
    REQUIRE(plugin.handle);
    plugin.allocate = (void *(*)(size_t))symbol_of(plugin.handle, "plugin_allocate");
    plugin.resize = (void *(*)(void *, size_t))symbol_of(plugin.handle, "plugin_resize");
    plugin.release = (void (*)(void *))symbol_of(plugin.handle, "plugin_release");
    plugin.duplicate = (char *(*)(const char *))symbol_of(plugin.handle, "plugin_duplicate");
    plugin.open_sibling =
        (void *(*)(const char *, int))symbol_of(plugin.handle, "plugin_open_sibling");
    return plugin;
}

static void blocks_cross_the_border(const struct plugin *plugin)
{
    for (size_t size = 1; size < 20 * MIB; size = size * 3 + 5) {
        free(plugin->allocate(size));
        plugin->release(malloc(size));
        unsigned char *block = malloc(size);
        REQUIRE(block);
        fill_bytes(block, size, 3);
        block = plugin->resize(block, size * 2);
        REQUIRE(block);
        CHECK(has_bytes(block, size, 3));
        block = realloc(block, size / 2 + 1);
        plugin->release(block);
        block = realloc(plugin->allocate(size), size * 2);
        REQUIRE(block);
        free(block);
    }
    char *copy = plugin->duplicate("text");
    REQUIRE(copy);
    CHECK(strcmp(copy, "text") == 0);
    free(copy);
    plugin->release(strdup("text"));
}

static void with_deepbind(void)
{
    struct plugin plugin = open_plugin(RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    blocks_cross_the_border(&plugin);
}

static void without_deepbind(void)
{
    struct plugin plugin = open_plugin(RTLD_LAZY | RTLD_LOCAL);
    blocks_cross_the_border(&plugin);
}

/* libdeepbind_sibling.so lies where only the RUNPATH of libdeepbind.so looks. */
static void runpath_of_the_caller(void)
{
    struct plugin plugin = open_plugin(RTLD_NOW | RTLD_LOCAL);
    CHECK(dlopen("libdeepbind_sibling.so", RTLD_NOW) == NULL);
    CHECK(dlerror() != NULL);
    CHECK(plugin.open_sibling("libdeepbind_sibling.so", RTLD_NOW | RTLD_LOCAL) != NULL);
    CHECK(plugin.open_sibling("libdeepbind_sibling.so", RTLD_NOW | RTLD_DEEPBIND) != NULL);
}

static void dlopen_itself(void)
{
    void *program = dlopen(NULL, RTLD_NOW);
    CHECK(program != NULL && dlsym(program, "malloc") != NULL);
    CHECK(dlopen("/no/such/library.so", RTLD_NOW | RTLD_DEEPBIND) == NULL);
    const char *error = dlerror();
    CHECK_MSG(error && strstr(error, "/no/such/library.so"), "dlerror: %s", error ? error : "-");
}

int main(void)
{
    case_watchdog(60);
    expect_success(without_deepbind);
    expect_success(with_deepbind);
    expect_success(runpath_of_the_caller);
    expect_success(dlopen_itself);
    return case_end();
}
