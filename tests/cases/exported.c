/* Every name of the family comes from one library: the one that owns malloc.
 *
 * A name that is left out resolves to libc's and returns blocks that the other half cannot free
 * (jemalloc lacks pvalloc and crashes; __libc_malloc is called by old code and other preloads).
 * Also here, for molt alone: it needs nothing but libc, and it can never be unloaded.
 */
#include "case.h"
#include <elf.h>
#include <link.h>

static const char *const c_names[] = {
    "malloc",        "free",           "calloc",          "realloc",
    "reallocarray",  "memalign",       "aligned_alloc",   "posix_memalign",
    "valloc",        "pvalloc",        "mallinfo",        "mallinfo2",
    "mallopt",       "malloc_trim",    "malloc_stats",    "malloc_info",
    "__libc_malloc", "__libc_calloc",  "__libc_free",     "__libc_realloc",
    "__libc_valloc", "__libc_pvalloc", "__libc_memalign", "malloc_usable_size",
};

/* Not in glibc 2.36, or in libstdc++ only: wanted of the library under test. */
static const char *const more_names[] = {
    "cfree",
    "free_sized",
    "free_aligned_sized",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

static const char *const molt_names[] = {
    "molt_version",     "molt_malloc",        "molt_calloc",      "molt_realloc",     "molt_free",
    "molt_free_sized",  "molt_aligned_alloc", "molt_usable_size", "molt_good_size",   "molt_owns",
    "molt_is_malloc",   "molt_trim",          "molt_stats_get",   "molt_stats_write", "molt_ctl",
    "molt_account_get", "molt_account_write", "molt_classes_get",
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The library that the name resolves to, and its link map. */
static Dl_info owner_of(const char *name, struct link_map **map)
{
    Dl_info info = {0};
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol && !dladdr1(symbol, &info, (void **)map, RTLD_DL_LINKMAP))
        info.dli_fname = NULL;
    return info;
}

static void check_names(const char *const *names, size_t count, const Dl_info *owner)
{
    for (size_t i = 0; i < count; i++) {
        struct link_map *map = NULL;
        Dl_info info = owner_of(names[i], &map);
        CHECK_MSG(info.dli_fbase == owner->dli_fbase, "%s is in %s, malloc in %s", names[i],
                  info.dli_fname ? info.dli_fname : "no library", owner->dli_fname);
    }
}

static void check_dynamic_section(const struct link_map *map)
{
    const char *strings = NULL;
    unsigned long flags = 0;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        if (entry->d_tag == DT_FLAGS_1)
            flags = entry->d_un.d_val;
    }
    REQUIRE(strings);
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const char *needed = strings + entry->d_un.d_val;
        if (entry->d_tag == DT_NEEDED)
            CHECK_MSG(strcmp(needed, "libc.so.6") == 0, "it needs %s", needed);
    }
    CHECK_MSG(flags & DF_1_NODELETE, "linked without -z nodelete");
}

/* The aliases of libc work on the same blocks. */
static void check_aliases(void)
{
    void *(*libc_malloc)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "__libc_malloc");
    void *(*libc_memalign)(size_t, size_t) =
        (void *(*)(size_t, size_t))dlsym(RTLD_DEFAULT, "__libc_memalign");
    void (*libc_free)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "__libc_free");
    REQUIRE(libc_malloc && libc_memalign && libc_free);
    for (size_t size = 0; size < 4 * MIB; size = size * 3 + 1) {
        free(libc_malloc(size));
        libc_free(malloc(size));
        void *block = libc_memalign(256, size);
        CHECK(block && is_aligned(block, 256));
        free(block);
    }
}

int main(void)
{
    struct link_map *map = NULL;
    Dl_info owner = owner_of("malloc", &map);
    REQUIRE(owner.dli_fname && map);
    check_names(c_names, COUNT_OF(c_names), &owner);
    if (case_library()) {
        check_names(more_names, COUNT_OF(more_names), &owner);
        check_names(molt_names, COUNT_OF(molt_names), &owner);
        check_dynamic_section(map);
    }
    check_aliases();
    return case_end();
}
