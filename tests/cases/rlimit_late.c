/* RLIMIT_AS that is set while the program runs, as by `ulimit -v` in a shell.
 *
 * A reservation of address space that was fine before is far above such a limit: then nothing can
 * be mapped any more, no thread be started, and the stack cannot grow. glibc goes on; so must we,
 * until the limit is really used up: NULL and ENOMEM, and what was given back can be had again. A
 * limit that is lowered again must not give up address space a second time: it is others' by then.
 */
#include "case.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { MAX_BLOCKS = 100000 };

static void *blocks[MAX_BLOCKS];

static size_t exhaust(size_t size)
{
    size_t count = 0;
    errno = 0;
    while (count < MAX_BLOCKS && (blocks[count] = malloc(size)) != NULL)
        fill_bytes(blocks[count++], size, 7);
    CHECK(count < MAX_BLOCKS && errno == ENOMEM);
    for (size_t i = 0; i < count; i++) {
        CHECK(has_bytes(blocks[i], size, 7));
        free(blocks[i]);
    }
    return count * size;
}

static unsigned deep(unsigned depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == 0 ? 0 : deep(depth - 1) + (unsigned)(frame[0] != (char)depth);
}

static void *allocate(void *arg)
{
    char *block = malloc(3000);
    REQUIRE(block);
    free(block);
    return arg;
}

/* The start of the largest anonymous mapping that may only be read. */
static void *largest_table(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps);
    char line[512];
    uintptr_t best = 0, largest = 0;
    while (fgets(line, sizeof line, maps)) {
        uintptr_t start, end;
        char flags[8];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &start, &end, flags) == 3 &&
            strcmp(flags, "r--p") == 0 && !strchr(line, '/') && end - start > largest) {
            best = start;
            largest = end - start;
        }
    }
    fclose(maps);
    return (void *)best;
}

int main(void)
{
    case_watchdog(60);
    char *before = malloc(100), *large = malloc(300 * KIB), *huge = malloc(5 * MIB);
    fill_bytes(before, 100, 1);
    void *tables = largest_table();
    struct rlimit limit = {2 * GIB, 2 * GIB};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    /* Stays out where the tables' start is still needed. */
    unsigned char *ours = mmap(tables, 64 * KIB, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    limit = (struct rlimit){256 * MIB, 256 * MIB};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    unsigned char resident;
    CHECK(ours == MAP_FAILED || mincore(ours, 4096, &resident) == 0);
    CHECK(deep(1500) == 0);
    CHECK(in_thread(allocate, blocks) == blocks);
    CHECK(has_bytes(before, 100, 1));
    free(before);
    free(large);
    free(huge);
    CHECK(exhaust(3 * MIB) > 150 * MIB);
    CHECK(exhaust(5000) > 120 * MIB);
    CHECK(exhaust(100 * KIB) > 120 * MIB);
    CHECK(exhaust(3 * MIB) > 120 * MIB);
    return case_end();
}
