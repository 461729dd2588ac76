/* The library opened at run time, by a program that has the system's malloc.
 *
 * By then glibc has little static TLS left: another library takes 1000 bytes of it first, so an
 * allocator with much initial-exec TLS cannot be loaded. Its own names work, in threads that were
 * there before it too; and dlclose must not take the memory away, nor the code that a thread's
 * destructors will still call.
 */
// preload: no
#include "case.h"

static void *(*lib_malloc)(size_t);
static void *(*lib_realloc)(void *, size_t);
static void (*lib_free)(void *);
static bool loaded, closed;

/* The molt name, or the plain one of another allocator. */
static void *name_in(void *handle, const char *name)
{
    char molt_name[64];
    snprintf(molt_name, sizeof molt_name, "molt_%s", name);
    void *symbol = dlsym(handle, molt_name);
    symbol = symbol ? symbol : dlsym(handle, name);
    REQUIRE(symbol);
    return symbol;
}

static void use(uint64_t seed)
{
    enum { SLOTS = 200 };
    static __thread unsigned char *slots[SLOTS];
    static __thread size_t sizes[SLOTS];
    for (int n = 0; n < 20000; n++) {
        size_t i = random_between(&seed, 0, SLOTS - 1);
        if (slots[i])
            CHECK(has_bytes(slots[i], sizes[i], (unsigned)i));
        sizes[i] = random_between(&seed, 1, n % 100 ? 2000 : 300000);
        if (n % 2) {
            slots[i] = lib_realloc(slots[i], sizes[i]);
        } else {
            lib_free(slots[i]);
            slots[i] = lib_malloc(sizes[i]);
        }
        REQUIRE(slots[i]);
        fill_bytes(slots[i], sizes[i], (unsigned)i);
    }
    for (int i = 0; i < SLOTS; i++) {
        lib_free(slots[i]);
        slots[i] = NULL;
    }
}

static void wait_for(const bool *flag)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
        sleep_ms(1);
}

static void on_thread_exit(void *block)
{
    lib_free(block);
    lib_free(lib_malloc(64));
}

static pthread_key_t key;

/* Runs from before the dlopen to after the dlclose. */
static void *older_thread(void *seed)
{
    wait_for(&loaded);
    use((uint64_t)(uintptr_t)seed);
    pthread_setspecific(key, lib_malloc(100));
    wait_for(&closed);
    use((uint64_t)(uintptr_t)seed + 1);
    return NULL;
}

static void *newer_thread(void *seed)
{
    use((uint64_t)(uintptr_t)seed);
    return lib_malloc(1000);
}

static void *open_library(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        case_say("dlopen: %s", dlerror());
    REQUIRE(handle);
    return handle;
}

static void call_hog(void *hog)
{
    char *(*tls_hog)(void) = (char *(*)(void))dlsym(hog, "tls_hog");
    REQUIRE(tls_hog);
    char before = *tls_hog();
    CHECK(*tls_hog() == before + 1);
}

int main(void)
{
    case_watchdog(60);
    case_needs_library();
    char path[PATH_MAX];
    REQUIRE(pthread_key_create(&key, on_thread_exit) == 0);
    pthread_t older[] = {thread_start(older_thread, (void *)1),
                         thread_start(older_thread, (void *)5)};
    void *hog = open_library(beside_program("libtls_hog.so", path));
    call_hog(hog);
    void *library = open_library(case_library());
    lib_malloc = (void *(*)(size_t))name_in(library, "malloc");
    lib_realloc = (void *(*)(void *, size_t))name_in(library, "realloc");
    lib_free = (void (*)(void *))name_in(library, "free");
    __atomic_store_n(&loaded, true, __ATOMIC_RELEASE);
    use(9);
    unsigned char *kept = lib_malloc(5000);
    REQUIRE(kept);
    fill_bytes(kept, 5000, 9);
    lib_free(in_thread(newer_thread, (void *)7));
    call_hog(hog);
    free(malloc(100)); /* the system's, as before */

    CHECK(dlclose(library) == 0);
    CHECK(has_bytes(kept, 5000, 9));
    lib_free(kept);
    use(11);
    __atomic_store_n(&closed, true, __ATOMIC_RELEASE);
    thread_join(older[0]);
    thread_join(older[1]);
    lib_free(in_thread(newer_thread, (void *)13));
    return case_end();
}
