/* Large blocks that grow page by page are moved few times, and few mappings come of it.
 *
 * An allocator that resizes mappings by mremap alone moves a block at each step as soon as
 * something lies behind it; two places that are one step too small take turns. One block and four
 * in turns, with strangers' mappings coming and going; under limits on address space and data,
 * where room behind a block must cost nothing; where mremap is refused, so that a move is a copy;
 * and in a forked child. What was written stays.
 */
#include "case.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { BLOCKS = 4, MOVES_MAX = 12, MAPPINGS_MAX = 40 };

/* Something of the kernel's choice, now here and now there. */
static void move_stranger(void)
{
    static void *strangers[16];
    static unsigned next;
    void **stranger = &strangers[next++ % 16];
    if (*stranger)
        munmap(*stranger, 256 * KIB);
    *stranger = mmap(NULL, 256 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(*stranger != MAP_FAILED);
}

static void grow(size_t count, size_t from, size_t to)
{
    uint64_t *blocks[BLOCKS] = {0};
    int moves[BLOCKS] = {0};
    size_t step = page_bytes(), before = mapping_count();
    for (size_t size = from; size <= to; size += step) {
        if (size % (64 * step) == 0)
            move_stranger();
        for (size_t i = 0; i < count; i++) {
            uint64_t *grown = realloc(blocks[i], size);
            REQUIRE(grown);
            moves[i] += blocks[i] && grown != blocks[i];
            blocks[i] = grown;
            grown[(size - step) / sizeof *grown] = size + i;
        }
    }
    size_t added = growth(before, mapping_count());
    CHECK_MSG(added <= MAPPINGS_MAX, "%zu blocks: %zu mappings more", count, added);
    for (size_t i = 0; i < count; i++) {
        CHECK_MSG(moves[i] <= MOVES_MAX, "block %zu of %zu was moved %d times", i, count, moves[i]);
        for (size_t size = from; size <= to; size += step)
            REQUIRE(blocks[i][(size - step) / sizeof *blocks[i]] == size + i);
        free(blocks[i]);
    }
}

static void grow_all(void)
{
    grow(1, MIB, 96 * MIB);
    grow(BLOCKS, MIB, 24 * MIB);
}

static void under_limit(int resource)
{
    struct rlimit limit = {GIB, GIB};
    REQUIRE(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
    grow_all();
}

static void with_little_address_space(void)
{
    under_limit(RLIMIT_AS);
}

static void with_little_data(void)
{
    under_limit(RLIMIT_DATA);
}

static void without_mremap(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mremap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        grow_all();
}

int main(void)
{
    case_watchdog(60);
    expect_success(with_little_address_space);
    expect_success(with_little_data);
    expect_success(without_mremap);
    grow_all();
    expect_success(grow_all);
    return case_end();
}
