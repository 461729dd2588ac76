/* While all blocks are traced a walk takes the way of an earlier one (trail.h). So each block must
 * have the stack that has allocated it also where the walk before came to the same frames by
 * another way: through code that has no table, whose frames are no part of a trail.
 */
// env: MOLT=trace,prof_final=0
#include "case.h"

enum { SHIFTS = 600, DIRECT = 101, SHIFTED = 1001 };

#if defined(__x86_64__)

/* Calls malloc with so many more bytes on the stack. It keeps a frame pointer, and no table tells
 * of it. */
void *shifted_malloc(size_t size, size_t shift);
extern const char shifted_end[];
__asm__(".text\n"
        "shifted_malloc:\n\t"
        "push %rbp\n\t"
        "mov %rsp, %rbp\n\t"
        "sub %rsi, %rsp\n\t"
        "call *real_malloc(%rip)\n\t"
        "leave\n\t"
        "ret\n"
        "shifted_end:\n");

typedef void *allocator(size_t size, size_t shift);
__attribute__((used)) static void *(*real_malloc)(size_t size) = malloc;

static allocator *direct(void)
{
    allocator *function;
    memcpy(&function, &real_malloc, sizeof function);
    return function;
}

/* By turns, and by one call, so that both return to the same place. Two walks that begin at
 * different depths meet a trail together for one shift in 64. */
static void allocate_in_turns(void)
{
    allocator *volatile from[] = {shifted_malloc, direct()};
    size_t sizes[] = {SHIFTED, DIRECT};
    for (size_t i = 0; i < SHIFTS * 2; i++)
        opaque(from[i % 2](sizes[i % 2], i / 2 * 16)); /* is kept: so it is in the profile */
}

/* How many blocks of the size a row has; `address`: where its stack begins. */
static unsigned long blocks_of(const char *line, size_t size, uintptr_t *address)
{
    unsigned long blocks, bytes;
    if (sscanf(line, "%lu: %lu [%*u: %*u] @ 0x%lx", &blocks, &bytes, address) != 3)
        return 0;
    return bytes == blocks * size ? blocks : 0;
}

static void count_rows(FILE *profile, unsigned long *shifted, unsigned long *plain)
{
    char line[8192];
    uintptr_t address = 0, start = (uintptr_t)shifted_malloc, end = (uintptr_t)shifted_end;
    while (fgets(line, sizeof line, profile)) {
        unsigned long of_shifted = blocks_of(line, SHIFTED, &address);
        unsigned long of_plain = blocks_of(line, DIRECT, &address);
        bool is_in_shifted = address >= start && address < end;
        *shifted += is_in_shifted ? of_shifted : 0;
        *plain += is_in_shifted ? 0 : of_plain;
    }
}

int main(void)
{
    char path[] = "/tmp/molt-case.XXXXXX";
    unsigned long shifted = 0, plain = 0;
    int (*dump)(const char *path);
    case_watchdog(30);
    case_needs_library();
    *(void **)&dump = dlsym(RTLD_DEFAULT, "molt_profile_dump");
    int fd = mkstemp(path);
    REQUIRE(dump && fd >= 0);
    allocate_in_turns();
    REQUIRE(dump(path) == 0);
    FILE *profile = fopen(path, "r");
    REQUIRE(profile);
    count_rows(profile, &shifted, &plain);
    unlink(path);
    CHECK_MSG(shifted == SHIFTS, "%lu blocks have the stack of shifted_malloc", shifted);
    CHECK_MSG(plain == SHIFTS, "%lu blocks have the stack without it", plain);
    return case_end();
}

#else

int main(void)
{
    CASE_SKIP("the code without a table is that of x86-64");
}

#endif
