/* M_PERTURB, MALLOC_PERTURB_ and GLIBC_TUNABLES=glibc.malloc.perturb: what malloc gives is filled
 * with the complement of the byte, what is freed with the byte, and calloc's blocks are zero.
 * (glibc from 2.26 on forgets it where its thread caches serve.) Other variables of glibc's malloc
 * are taken without a word.
 *
 * The case starts itself again with each environment and what it has to find.
 */
#include "case.h"
#include <malloc.h>

enum { BYTE = 0x5a };

static const size_t sizes[] = {1, 8, 24, 100, 1000, 5000, 30000, 100000, 3 * MIB};
static void *(*operator_new)(size_t);
static void (*operator_delete)(void *);

static void *take_aligned(size_t size)
{
    return aligned_alloc(64, size);
}

static void *take_resized(size_t size)
{
    return realloc(opaque(NULL), size);
}

static void *take_moved(size_t size)
{
    char *block = realloc(malloc(8), size);
    if (block && size > 8)
        memset(block, BYTE ^ 0xff, 8);
    return block;
}

/* The freed block must be full of the byte, but for the link at its start; a huge one is gone. */
static void check_freed(const char *block, size_t size)
{
    if (size > 8 && size <= 100000)
        CHECK_MSG(has_bytes(opaque((void *)(uintptr_t)(block + 8)), size - 8, BYTE),
                  "%zu bytes are not filled by free", size);
}

static void check_fills(void)
{
    void *(*const takers[])(size_t) = {malloc, take_aligned, take_resized, take_moved,
                                       operator_new};
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            size_t size = sizes[k];
            void *keeper = malloc(size); /* so that the memory stays */
            for (int turn = 0; turn < 3; turn++) {
                char *block = takers[i] ? takers[i](size) : malloc(size);
                REQUIRE(block);
                CHECK_MSG(has_bytes(block, size, BYTE ^ 0xff), "taker %zu, %zu bytes, turn %d", i,
                          size, turn);
                memset(block, 'x', size);
                if (takers[i] == operator_new && operator_delete)
                    operator_delete(block);
                else
                    free(block);
                check_freed(block, size);
                block = calloc(1, size);
                REQUIRE(block);
                CHECK_MSG(is_zero(block, size), "calloc of %zu bytes", size);
                free(block);
            }
            free(keeper);
        }
    }
}

static void *check_in_thread(void *unused)
{
    check_fills();
    return unused;
}

static void *free_many(void *blocks)
{
    for (char **block = blocks; *block; block++)
        free(*block);
    return NULL;
}

/* Another thread's blocks, more than go home in one batch. */
static void check_freed_by_another(void)
{
    enum { COUNT = 300 };
    static char *blocks[COUNT + 1];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE((blocks[i] = malloc(100)) != NULL);
        memset(blocks[i], 'x', 100);
    }
    in_thread(free_many, blocks);
    for (int i = 0; i < COUNT; i++)
        check_freed(blocks[i], 100);
}

/* What was there stays. */
static void check_fills_nothing(void)
{
    for (size_t k = 2; k < sizeof sizes / sizeof *sizes - 1; k++) {
        char *block = malloc(sizes[k]);
        REQUIRE(block);
        memset(block, 'x', sizes[k]);
        free(block);
        CHECK(has_bytes(opaque(block + 8), sizes[k] - 8, 'x'));
    }
}

static void check_value(int value, unsigned given, unsigned freed)
{
    CHECK(mallopt(M_PERTURB, value) == 1);
    char *block = malloc(100);
    REQUIRE(block);
    CHECK_MSG(has_bytes(block, 100, given), "%d gives %02x", value, (unsigned char)*block);
    memset(block, 'x', 100);
    free(block);
    CHECK_MSG(has_bytes(opaque(block + 8), 92, freed), "%d frees %02x", value,
              (unsigned char)block[50]);
}

static void by_mallopt(void)
{
    check_fills_nothing();
    check_value(BYTE, BYTE ^ 0xff, BYTE);
    check_fills();
    in_thread(check_in_thread, NULL);
    check_freed_by_another();
    check_value(-1, 0, 0xff);
    check_value(256, 0xff, 0); /* the lowest byte counts */
    CHECK(mallopt(M_PERTURB, 0) == 1);
    check_fills_nothing();
}

static void by_environment(void)
{
    check_fills();
    in_thread(check_in_thread, NULL);
    check_freed_by_another();
}

static const char *environment; /* NAME=VALUE NAME=VALUE */
static const char *task;

static void start_again(void)
{
    unsetenv("MALLOC_PERTURB_");
    unsetenv("GLIBC_TUNABLES");
    char *setting = strdup(environment);
    for (setting = strtok(setting, " "); setting; setting = strtok(NULL, " "))
        putenv(setting);
    execl("/proc/self/exe", "perturb", task, (char *)NULL);
    _exit(3);
}

static void check_with(const char *settings, const char *what)
{
    struct child_end end;
    environment = settings;
    task = what;
    run_child(start_again, &end);
    CHECK_MSG(ended_well(&end) && end.length == 0, "%s: status 0x%x, stderr: %s", settings,
              (unsigned)end.status, end.error);
}

int main(int count, char **arguments)
{
    case_watchdog(60);
    case_needs_library();
    operator_new = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    operator_delete = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");
    if (count > 1) {
        if (strcmp(arguments[1], "filled") == 0)
            by_environment();
        else if (strcmp(arguments[1], "mallopt") == 0)
            by_mallopt();
        else
            check_fills_nothing();
        return case_end();
    }
    check_with("MALLOC_PERTURB_=90", "filled");
    check_with("MALLOC_PERTURB_=0x5A", "filled");
    check_with("MALLOC_PERTURB_=0132", "filled");
    check_with("MALLOC_PERTURB_=7 GLIBC_TUNABLES=glibc.malloc.check=0:glibc.malloc.perturb=90:x",
               "filled");
    check_with("MALLOC_PERTURB_=0", "plain");
    check_with("MALLOC_PERTURB_=256", "plain");
    check_with("MALLOC_PERTURB_=-1", "plain");
    check_with("MALLOC_PERTURB_=much", "plain");
    check_with("MALLOC_PERTURB_=", "plain");
    check_with("GLIBC_TUNABLES=glibc.malloc.perturb", "plain");
    check_with("MALLOC_ARENA_MAX=1 MALLOC_ARENA_TEST=1 MALLOC_CHECK_=3 MALLOC_MMAP_MAX_=0 "
               "MALLOC_MMAP_THRESHOLD_=4096 MALLOC_TOP_PAD_=1 MALLOC_TRIM_THRESHOLD_=0 "
               "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1",
               "plain");
    check_with("", "mallopt");
    return case_end();
}
