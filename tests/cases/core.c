/* A core file holds the heap, and is not much larger than that.
 *
 * A debugger's gcore writes all mappings, as zeroes where nothing is: a reservation of the address
 * space for the heap, or tables for it, must be marked as not to be dumped, and what is used of it
 * as to be. So here by the kernel's marks, and by a core that the kernel itself writes; also where
 * memory has been given back and taken again, and where address space is limited.
 */
#include "case.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { WORDS = 64, OVERHEAD = 24 << 20 };

/* The bytes of mappings that a debugger writes, and whether p lies in one of them. */
static size_t dumped_bytes(const void *p, bool *is_in)
{
    char line[1024];
    size_t total = 0;
    unsigned long start = 0, end = 0, from, to;
    *is_in = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    REQUIRE(maps);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            end = to;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && !strstr(line, " dd")) {
            total += end - start;
            *is_in |= (uintptr_t)p >= start && (uintptr_t)p < end;
        }
    }
    fclose(maps);
    return total;
}

static void check_size(size_t used)
{
    bool is_in;
    size_t bytes = dumped_bytes(NULL, &is_in);
    CHECK_MSG(bytes <= used + OVERHEAD, "%zu bytes would be dumped", bytes);
}

static void check_dumped(const void *block, const char *what)
{
    bool is_in;
    dumped_bytes(block, &is_in);
    CHECK_MSG(is_in, "%s is not dumped", what);
}

/* ---- Blocks that can be recognized ---- */

/* A pool's, a run, a huge one. */
static const size_t sizes[] = {512, 200 * KIB, 5 * MIB};
enum { KINDS = sizeof sizes / sizeof *sizes };

static uint64_t word(unsigned round, size_t kind, size_t i)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15) * (round * KINDS + kind + 1) + i;
    random_next(&state);
    return random_next(&state);
}

/* Fills blocks of all kinds and leaves no other copy of what is in them. */
static void fill_blocks(uint64_t *blocks[KINDS], unsigned round)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        blocks[kind] = malloc(sizes[kind]);
        REQUIRE(blocks[kind]);
        memset(blocks[kind], 0, sizes[kind]);
        for (size_t i = 0; i < WORDS; i++)
            blocks[kind][i] = word(round, kind, i);
        check_dumped(blocks[kind], kind == 0 ? "a pool" : kind == 1 ? "a run" : "a huge block");
    }
}

static void free_blocks(uint64_t *blocks[KINDS])
{
    for (size_t kind = 0; kind < KINDS; kind++)
        free(blocks[kind]);
}

/* Has empty arenas given up: where no memory can be had, all is tried. */
static void exhaust(void)
{
    struct rlimit old, none;
    REQUIRE(getrlimit(RLIMIT_DATA, &old) == 0);
    none = (struct rlimit){MIB, old.rlim_max};
    REQUIRE(setrlimit(RLIMIT_DATA, &none) == 0);
    free(opaque(malloc(64 * MIB)));
    REQUIRE(setrlimit(RLIMIT_DATA, &old) == 0);
}

/* Runs fill some arenas, and all of them go. */
static void use_and_give_back(void)
{
    char *runs[64];
    for (size_t i = 0; i < 64; i++) {
        runs[i] = malloc(MIB);
        REQUIRE(runs[i]);
        runs[i][0] = 1;
    }
    check_dumped(runs[63], "a run among many");
    check_size(64 * MIB);
    for (size_t i = 0; i < 64; i++)
        free(runs[i]);
    exhaust();
    check_size(0);
}

/* ---- The kernel's own core ---- */

static char folder[] = "/tmp/molt-core.XXXXXX";

static void leave_a_core(void)
{
    struct rlimit limit;
    uint64_t *blocks[KINDS];
    REQUIRE(getrlimit(RLIMIT_CORE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    if (chdir(folder) != 0 || setrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur < 64 * MIB)
        _exit(77);
    fill_blocks(blocks, 0);
    free_blocks(blocks);
    use_and_give_back();
    fill_blocks(blocks, 1);
    abort();
}

/* Whether the words are in the file, in a row. */
static bool file_has(const uint64_t *file, size_t count, unsigned round, size_t kind)
{
    for (size_t at = 0; at + WORDS <= count; at++) {
        size_t i = 0;
        while (i < WORDS && file[at + i] == word(round, kind, i))
            i++;
        if (i == WORDS)
            return true;
    }
    return false;
}

static void check_core(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    REQUIRE(fd >= 0 && fstat(fd, &status) == 0);
    CHECK_MSG((size_t)status.st_size <= 5 * MIB + OVERHEAD, "a core of %jd bytes",
              (intmax_t)status.st_size);
    if (case_failures == 0) {
        const uint64_t *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        REQUIRE(file != MAP_FAILED);
        for (size_t kind = 0; kind < KINDS; kind++)
            CHECK_MSG(file_has(file, (size_t)status.st_size / 8, 1, kind),
                      "a block of %zu bytes is not in the core", sizes[kind]);
    }
    close(fd);
}

/* Looks at the core in the folder, and removes it: whether there was one. */
static bool check_folder(void)
{
    bool found = false;
    char path[sizeof folder + sizeof(struct dirent)];
    DIR *entries = opendir(folder);
    REQUIRE(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strncmp(entry->d_name, "core", 4) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        check_core(path);
        unlink(path);
        found = true;
    }
    closedir(entries);
    return found;
}

static bool kernel_writes_here(void)
{
    char pattern[256];
    read_file("/proc/sys/kernel/core_pattern", pattern, sizeof pattern);
    return strncmp(pattern, "core", 4) == 0;
}

static bool check_kernels_core(void)
{
    struct child_end end;
    if (!kernel_writes_here() || !mkdtemp(folder))
        return false;
    run_child(leave_a_core, &end);
    bool was_allowed = !WIFEXITED(end.status) || WEXITSTATUS(end.status) != 77;
    CHECK_MSG(!was_allowed || ended_by(&end, SIGABRT), "status 0x%x", (unsigned)end.status);
    bool found = check_folder();
    rmdir(folder);
    return found;
}

/* ---- Marks ---- */

static void check_marks(void)
{
    uint64_t *blocks[KINDS];
    check_size(0);
    fill_blocks(blocks, 2);
    check_size(5 * MIB);
    free_blocks(blocks);
    use_and_give_back();
    fill_blocks(blocks, 3);
    free_blocks(blocks);
}

static void check_under_limit(void)
{
    struct rlimit limit = {2 * GIB, 2 * GIB};
    char path[PATH_MAX];
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    check_marks();
    execl(beside_program("core", path), "core", "limited", NULL);
    REQUIRE(false);
}

int main(int argc, char **argv)
{
    (void)argv;
    case_watchdog(60);
    if (argc > 1) { /* after execl: limited from the start */
        check_marks();
        return case_end();
    }
    expect_success(check_marks);
    expect_success(check_under_limit);
    bool kernel = check_kernels_core();
    if (case_failures == 0 && !kernel)
        CASE_SKIP("the kernel writes no core here; the marks are right");
    return case_end();
}
