/* Transparent huge pages must not bloat the heap.
 *
 * Where they are set to always, the first touch of a 2 MiB range costs all of it, and a heap that
 * is touched here and there grows many times (jemalloc #1127). Whatever the machine's setting, the
 * mapping that small blocks lie in must carry the flag against them ("nh" in smaps), also when the
 * heap has begun to fill whole huge pages by itself; then it is a little larger than its blocks.
 */
#include "case.h"

#include <inttypes.h>

/* The flags of the mapping that holds p, from /proc/self/smaps. */
static bool mapping_has_flag(const void *p, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    REQUIRE(smaps);
    char line[512];
    bool inside = false, found = false;
    while (fgets(line, sizeof line, smaps)) {
        uintptr_t start, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            inside = (uintptr_t)p >= start && (uintptr_t)p < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(smaps);
    return found;
}

int main(void)
{
    case_watchdog(20);
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0)
        CASE_SKIP("the kernel has no transparent huge pages");
    void *small = malloc(100), *run = malloc(100000);
    CHECK(mapping_has_flag(small, " nh"));
    CHECK(mapping_has_flag(run, " nh"));
    enum { SIZE = 1000, BLOCKS = 40 << 10 };
    for (int i = 0; i < BLOCKS; i++) /* kept */
        REQUIRE(small = calloc(1, SIZE));
    CHECK(mapping_has_flag(small, " nh"));
    CHECK(rss_bytes() < (size_t)BLOCKS * SIZE * 23 / 20);
    free(small);
    free(run);
    return case_end();
}
