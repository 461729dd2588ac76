/* A pointer that is no live block, given to free or realloc, ends the program with one clear line.
 *
 * `molt: error: double free of 0x… (64 bytes…)`, `molt: error: invalid free of 0x…`,
 * `molt: error: invalid realloc of 0x…`, then SIGABRT. Found always, with no option set: freed
 * twice (at once, much later, by another thread), inside a block, on the stack, in static data, in
 * a mapping of the program's own, in memory that was never given out, after the exit of the thread
 * that owned the block. No other allocator reports all of them; several crash or go on.
 */
#include "case.h"
#include <malloc.h>
#include <sys/mman.h>

#define DOUBLE "double free of"
#define INVALID "invalid free of"
#define INVALID_REALLOC "invalid realloc of"

/* In memory shared with the children: the pointer that the child is about to misuse. */
static void **misused;
static char static_data[256];

static void bad_free(void *pointer)
{
    *misused = opaque(pointer);
    free(*misused);
}

static void bad_realloc(void *pointer)
{
    *misused = opaque(pointer);
    *misused = realloc(*misused, 200);
}

static void *allocate(size_t size)
{
    unsigned char *block = malloc(size);
    REQUIRE(block);
    block[0] = block[size - 1] = 1;
    return block;
}

static void *allocate_thread(void *size)
{
    return allocate((size_t)(uintptr_t)size);
}

static void *free_thread(void *block)
{
    free(block);
    return NULL;
}

static void *bad_free_thread(void *block)
{
    bad_free(block);
    return NULL;
}

/* One misuse. `says`: what the error line must hold before the pointer, alternatives by '|'. */
struct misuse {
    const char *name;
    void (*run)(size_t size);
    size_t size;
    const char *says;
};

/* ---- Freed twice ------------------------------------------------------------------------ */

static void at_once(size_t size)
{
    void *block = allocate(size);
    free(block);
    bad_free(block);
}

static void with_others_between(size_t size)
{
    void *block = allocate(size);
    void *others[8];
    for (int i = 0; i < 8; i++)
        others[i] = allocate(size);
    free(block);
    for (int i = 0; i < 8; i++)
        free(others[i]);
    bad_free(block);
}

/* The neighbours on both sides go too, the rest of the pool stays. */
static void after_neighbours(size_t size)
{
    enum { COUNT = 40 };
    void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = allocate(size);
    for (int i = 15; i < 25; i++)
        free(blocks[i]);
    bad_free(blocks[20]);
}

/* All of its pool is free, perhaps given back or used for another size. */
static void after_whole_pool(size_t size)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = allocate(size);
    for (int i = 0; i < COUNT; i++)
        free(blocks[i]);
    bad_free(blocks[COUNT / 2]);
}

static void after_trim(size_t size)
{
    void *block = allocate(size);
    free(block);
    malloc_trim(0);
    bad_free(block);
}

static void remote_then_own(size_t size)
{
    void *block = allocate(size);
    in_thread(free_thread, block);
    bad_free(block);
}

/* A thread that is there before the first free: starting one allocates, perhaps the freed block. */
struct late_thread {
    void *block;
    bool go;
};

static void *bad_free_when_told(void *argument)
{
    struct late_thread *late = argument;
    while (!__atomic_load_n(&late->go, __ATOMIC_ACQUIRE))
        sched_yield();
    bad_free(late->block);
    return NULL;
}

static void own_then_remote(size_t size)
{
    struct late_thread late = {allocate(size), false};
    pthread_t thread = thread_start(bad_free_when_told, &late);
    free(late.block);
    __atomic_store_n(&late.go, true, __ATOMIC_RELEASE);
    thread_join(thread);
}

static void remote_twice(size_t size)
{
    struct late_thread late = {allocate(size), false};
    pthread_t thread = thread_start(bad_free_when_told, &late);
    in_thread(free_thread, late.block);
    __atomic_store_n(&late.go, true, __ATOMIC_RELEASE);
    thread_join(thread);
}

static void owner_gone(size_t size)
{
    void *block = in_thread(allocate_thread, (void *)(uintptr_t)size);
    free(block);
    bad_free(block);
}

static void *allocate_and_free_thread(void *size)
{
    void *block = allocate((size_t)(uintptr_t)size);
    free(block);
    return block;
}

static void freed_by_owner_gone(size_t size)
{
    bad_free(in_thread(allocate_and_free_thread, (void *)(uintptr_t)size));
}

static void calloc_and_aligned(size_t size)
{
    void *block = aligned_alloc(64, size);
    REQUIRE(block);
    free(block);
    bad_free(block);
}

static void realloc_of_freed(size_t size)
{
    void *block = allocate(size);
    free(block);
    bad_realloc(block);
}

static void free_after_realloc_moved(size_t size)
{
    char *block = allocate(size);
    void *guard = allocate(size);
    char *moved = realloc(block, size * 100);
    REQUIRE(moved && guard && moved != block);
    bad_free(block);
}

/* ---- Never a block ---------------------------------------------------------------------- */

static void inside(size_t size, size_t offset, void (*use)(void *))
{
    use((char *)allocate(size) + offset);
}

static void inside_8(size_t size)
{
    inside(size, 8, bad_free);
}

static void inside_16(size_t size)
{
    inside(size, 16, bad_free);
}

static void inside_1(size_t size)
{
    inside(size, 1, bad_free);
}

static void inside_page(size_t size)
{
    inside(size, page_bytes(), bad_free);
}

static void inside_end(size_t size)
{
    inside(size, size / 16 * 16 - 16, bad_free);
}

static void inside_realloc_16(size_t size)
{
    inside(size, 16, bad_realloc);
}

static void inside_realloc_page(size_t size)
{
    inside(size, page_bytes(), bad_realloc);
}

static void inside_thread(size_t size)
{
    in_thread(bad_free_thread, (char *)allocate(size) + 16);
}

static void inside_owner_gone(size_t size)
{
    bad_free((char *)in_thread(allocate_thread, (void *)(uintptr_t)size) + 16);
}

static void on_stack(size_t size)
{
    char local[256] __attribute__((aligned(64)));
    fill_bytes(local, sizeof local, (unsigned)size);
    bad_free(opaque(local));
}

static void on_stack_realloc(size_t size)
{
    char local[256] __attribute__((aligned(64)));
    fill_bytes(local, sizeof local, (unsigned)size);
    bad_realloc(opaque(local));
}

static void on_stack_thread(size_t size)
{
    char local[256] __attribute__((aligned(64)));
    fill_bytes(local, sizeof local, (unsigned)size);
    in_thread(bad_free_thread, opaque(local));
}

static void in_static_data(size_t size)
{
    bad_free(static_data + size);
}

static void in_static_data_realloc(size_t size)
{
    bad_realloc(static_data + size);
}

static void in_code(size_t size)
{
    bad_free((char *)(uintptr_t)in_code + size);
}

static char *foreign_mapping(size_t size, int protection)
{
    char *mapping = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapping != MAP_FAILED);
    return mapping;
}

static void in_foreign_mapping(size_t size)
{
    bad_free(foreign_mapping(size, PROT_READ | PROT_WRITE) + 64);
}

static void foreign_mapping_start(size_t size)
{
    bad_free(foreign_mapping(size, PROT_READ | PROT_WRITE));
}

static void in_unreadable_mapping(size_t size)
{
    bad_free(foreign_mapping(size, PROT_NONE));
}

static void in_foreign_mapping_realloc(size_t size)
{
    bad_realloc(foreign_mapping(size, PROT_READ | PROT_WRITE) + 64);
}

/* The place of the next block of its size: described perhaps, but never given out. */
static void never_given_out(size_t size)
{
    char *block = allocate(size);
    bad_free(block + malloc_usable_size(block));
}

static void address(size_t value)
{
    bad_free((void *)value);
}

static void address_realloc(size_t value)
{
    bad_realloc((void *)value);
}

#define HUGE_BLOCK (10 * MIB)

static const struct misuse misuses[] = {
    {"at once, 8", at_once, 8, DOUBLE},
    {"at once, 64", at_once, 64, DOUBLE},
    {"at once, 1000", at_once, 1000, DOUBLE},
    {"at once, 20000", at_once, 20000, DOUBLE},
    {"at once, large", at_once, 100 * KIB, DOUBLE "|" INVALID},
    {"at once, huge", at_once, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"others between, 8", with_others_between, 8, DOUBLE},
    {"others between, 64", with_others_between, 64, DOUBLE},
    {"others between, large", with_others_between, 100 * KIB, DOUBLE "|" INVALID},
    {"others between, huge", with_others_between, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"neighbours, 8", after_neighbours, 8, DOUBLE},
    {"neighbours, 64", after_neighbours, 64, DOUBLE},
    {"neighbours, large", after_neighbours, 100 * KIB, DOUBLE "|" INVALID},
    {"neighbours, huge", after_neighbours, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"whole pool, 64", after_whole_pool, 64, DOUBLE "|" INVALID},
    {"whole pool, 1000", after_whole_pool, 1000, DOUBLE "|" INVALID},
    {"after trim, 64", after_trim, 64, DOUBLE "|" INVALID},
    {"after trim, huge", after_trim, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"remote then own, 8", remote_then_own, 8, DOUBLE},
    {"remote then own, 64", remote_then_own, 64, DOUBLE},
    {"remote then own, large", remote_then_own, 100 * KIB, DOUBLE "|" INVALID},
    {"remote then own, huge", remote_then_own, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"own then remote, 8", own_then_remote, 8, DOUBLE},
    {"own then remote, 64", own_then_remote, 64, DOUBLE},
    {"own then remote, large", own_then_remote, 100 * KIB, DOUBLE "|" INVALID},
    {"own then remote, huge", own_then_remote, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"remote twice, 8", remote_twice, 8, DOUBLE},
    {"remote twice, 64", remote_twice, 64, DOUBLE},
    {"remote twice, large", remote_twice, 100 * KIB, DOUBLE "|" INVALID},
    {"owner gone, 64", owner_gone, 64, DOUBLE "|" INVALID},
    {"owner gone, large", owner_gone, 100 * KIB, DOUBLE "|" INVALID},
    {"owner gone, huge", owner_gone, HUGE_BLOCK, DOUBLE "|" INVALID},
    {"freed by owner gone, 64", freed_by_owner_gone, 64, DOUBLE "|" INVALID},
    {"freed by owner gone, large", freed_by_owner_gone, 100 * KIB, DOUBLE "|" INVALID},
    {"aligned, 64", calloc_and_aligned, 64, DOUBLE},
    {"aligned, 5000", calloc_and_aligned, 5000, DOUBLE},
    {"realloc of freed, 64", realloc_of_freed, 64, INVALID_REALLOC "|" DOUBLE},
    {"realloc of freed, large", realloc_of_freed, 100 * KIB, INVALID_REALLOC "|" DOUBLE},
    {"realloc of freed, huge", realloc_of_freed, HUGE_BLOCK, INVALID_REALLOC "|" DOUBLE},
    {"realloc moved, 64", free_after_realloc_moved, 64, DOUBLE},

    {"inside +1, 64", inside_1, 64, INVALID},
    {"inside +8, 64", inside_8, 64, INVALID},
    {"inside +16, 64", inside_16, 64, INVALID},
    {"inside +16, 1000", inside_16, 1000, INVALID},
    {"inside +page, 20000", inside_page, 20000, INVALID},
    {"inside +16, large", inside_16, 100 * KIB, INVALID},
    {"inside +page, large", inside_page, 100 * KIB, INVALID},
    {"inside end, large", inside_end, 100 * KIB, INVALID},
    {"inside +16, huge", inside_16, HUGE_BLOCK, INVALID},
    {"inside +page, huge", inside_page, HUGE_BLOCK, INVALID},
    {"inside end, huge", inside_end, HUGE_BLOCK, INVALID},
    {"realloc inside +16, 64", inside_realloc_16, 64, INVALID_REALLOC},
    {"realloc inside +page, large", inside_realloc_page, 100 * KIB, INVALID_REALLOC},
    {"realloc inside +page, huge", inside_realloc_page, HUGE_BLOCK, INVALID_REALLOC},
    {"inside, other thread, 64", inside_thread, 64, INVALID},
    {"inside, other thread, huge", inside_thread, HUGE_BLOCK, INVALID},
    {"inside, owner gone, 64", inside_owner_gone, 64, INVALID},
    {"inside, owner gone, large", inside_owner_gone, 100 * KIB, INVALID},
    {"stack", on_stack, 1, INVALID},
    {"stack, realloc", on_stack_realloc, 1, INVALID_REALLOC},
    {"stack, other thread", on_stack_thread, 1, INVALID},
    {"static data", in_static_data, 64, INVALID},
    {"static data, realloc", in_static_data_realloc, 64, INVALID_REALLOC},
    {"code", in_code, 0, INVALID},
    {"foreign mapping", in_foreign_mapping, 64 * KIB, INVALID},
    {"foreign mapping, start", foreign_mapping_start, 8 * MIB, INVALID},
    {"foreign mapping, unreadable", in_unreadable_mapping, 4 * MIB, INVALID},
    {"foreign mapping, realloc", in_foreign_mapping_realloc, 64 * KIB, INVALID_REALLOC},
    {"never given out, 64", never_given_out, 64, INVALID "|" DOUBLE},
    {"never given out, 20000", never_given_out, 20000, INVALID "|" DOUBLE},
    {"never given out, large", never_given_out, 100 * KIB, INVALID "|" DOUBLE},
    {"never given out, huge", never_given_out, HUGE_BLOCK, INVALID "|" DOUBLE},
    {"address 1", address, 1, INVALID},
    {"address 16", address, 16, INVALID},
    {"address 4096", address, 4096, INVALID},
    {"address 2^47", address, (size_t)1 << 47, INVALID},
    {"address 2^63", address, (size_t)1 << 63, INVALID},
    {"address -16", address, SIZE_MAX - 15, INVALID},
    {"address -1, realloc", address_realloc, SIZE_MAX, INVALID_REALLOC},
};

/* ---- The verdict ------------------------------------------------------------------------ */

static const struct misuse *current;

static void run_current(void)
{
    current->run(current->size);
}

/* Whether the text holds one of the alternatives, followed by the misused pointer. */
static bool says_one_of(const char *text, const char *alternatives)
{
    char copy[128], wanted[256], *rest = copy;
    strcpy(copy, alternatives);
    for (char *part = strtok_r(copy, "|", &rest); part; part = strtok_r(NULL, "|", &rest)) {
        snprintf(wanted, sizeof wanted, "molt: error: %s 0x%lx", part, (unsigned long)*misused);
        if (strstr(text, wanted))
            return true;
    }
    return false;
}

static void check_misuse(const struct misuse *misuse)
{
    struct child_end end;
    current = misuse;
    *misused = NULL;
    run_child(run_current, &end);
    bool right = ended_by(&end, SIGABRT) && lines_with(&end, "molt: error: ") == 1 &&
                 says_one_of(end.error, misuse->says);
    if (right && strcmp(misuse->says, DOUBLE) == 0 && misuse->size == 64)
        right = strstr(end.error, "(64 bytes") != NULL;
    CHECK_MSG(right, "%s (%p): status 0x%x, stderr: %.200s", misuse->name, *misused,
              (unsigned)end.status, end.error);
}

/* malloc_usable_size of a bad pointer may end in an error line, never in a fault. */
static void usable_size_of_bad(void)
{
    void *block = *misused;
    size_t usable = malloc_usable_size(opaque(block));
    (void)opaque_size(usable);
}

static void check_usable_size_of(const char *name, void *pointer)
{
    struct child_end end;
    *misused = pointer;
    run_child(usable_size_of_bad, &end);
    bool right =
        ended_well(&end) || (ended_by(&end, SIGABRT) && lines_with(&end, "molt: error: ") == 1);
    CHECK_MSG(right, "malloc_usable_size of %s: status 0x%x, stderr: %.200s", name,
              (unsigned)end.status, end.error);
}

static void check_usable_sizes(void)
{
    char local[64] __attribute__((aligned(64))) = {0};
    char *block = allocate(64), *freed = allocate(300), *huge = allocate(HUGE_BLOCK);
    free(freed);
    check_usable_size_of("the inside of a block", block + 16);
    check_usable_size_of("a freed block", freed);
    check_usable_size_of("the inside of a huge block", huge + 4096);
    check_usable_size_of("the stack", local);
    check_usable_size_of("static data", static_data + 64);
    check_usable_size_of("an unreadable mapping", foreign_mapping(MIB, PROT_NONE));
    check_usable_size_of("address 4096", (void *)4096);
    check_usable_size_of("address -16", (void *)(SIZE_MAX - 15));
    free(block);
    free(huge);
}

int main(void)
{
    case_watchdog(60);
    misused = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(misused != MAP_FAILED);
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++)
        check_misuse(&misuses[i]);
    check_usable_sizes();
    return case_end();
}
