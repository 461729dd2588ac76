/* A write into a free block ends in one line that names the block, when it would be given out
 * again.
 *
 * A free block begins with a link to the next one. Whatever a program writes over it is no link but
 * in rare cases, and must be caught before it is followed: else malloc itself crashes, or gives out
 * memory that is not its own. A block that is written to behind its first bytes is not damaged.
 */
#include "case.h"

/* What is written: to `count` bytes from the start of the block, one of the words. */
static const uint64_t words[] = {
    0,
    1,
    UINT64_MAX,
    UINT64_C(0x4141414141414141),
    UINT64_C(0x00007f1234567890), /* an address */
    UINT64_C(0xdeadbeefdeadbeef),
    UINT64_C(0x3ff0000000000000), /* 1.0 */
    UINT64_C(0x7ff0000000000000), /* infinity */
};

enum { WORDS = sizeof words / sizeof *words };

static size_t size = 100;
static uint64_t word = UINT64_C(0x4141414141414141);
static void *(*take)(size_t size);

static void *take_zeroed(size_t bytes)
{
    return calloc(1, bytes);
}

static void *take_aligned(size_t bytes)
{
    return aligned_alloc(16, bytes);
}

static void *take_resized(size_t bytes)
{
    return realloc(malloc(1), bytes);
}

static void write_to(char *block)
{
    for (size_t at = 0; at + sizeof word <= size; at += sizeof word)
        memcpy(block + at, &word, sizeof word);
}

/* The line has to begin so. It is written to standard error by who knows it, and looked for by who
 * has run this: in a child, whose memory is not the parent's, at the same address. */
static void announce(const void *block)
{
    char line[128];
    int length = snprintf(line, sizeof line, "expected: the free block %p\n", block);
    REQUIRE(write(STDERR_FILENO, line, (size_t)length) == length);
}

/* Takes blocks until the damaged one would be given out. */
static void take_many(void)
{
    for (int i = 0; i < 20000; i++)
        opaque(take(size));
}

static void written(void)
{
    char *block = take(size);
    char *other = take(size);
    REQUIRE(block && other);
    free(other);
    free(block);
    announce(block);
    write_to(block);
    take_many();
}

static void overrun(void)
{
    char *blocks[64];
    for (int i = 0; i < 64; i++)
        REQUIRE((blocks[i] = take(size)) != NULL);
    for (int i = 0; i < 63; i++) {
        size_t distance = (size_t)(blocks[i + 1] - blocks[i]);
        if (distance < size || distance > 2 * size)
            continue; /* no neighbours */
        free(blocks[i + 1]);
        announce(blocks[i + 1]);
        memset(opaque(blocks[i]), 'x', distance + 8);
        take_many();
    }
}

static void *free_both(void *blocks)
{
    free(((void **)blocks)[0]);
    free(((void **)blocks)[1]);
    return NULL;
}

/* Its owner finds it in the chain that another thread has left. */
static void freed_by_another_thread(void)
{
    char *blocks[] = {take(size), take(size)};
    REQUIRE(blocks[0] && blocks[1]);
    in_thread(free_both, blocks);
    char *block = blocks[1];
    announce(block);
    write_to(block);
    take_many();
}

/* All of a pool's blocks and more, so that it is not the present one. */
static void in_another_pool(void)
{
    enum { COUNT = 20000 };
    static char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        REQUIRE((blocks[i] = take(size)) != NULL);
    for (int i = 1; i < COUNT / 2; i += 2)
        free(blocks[i]);
    char *block = blocks[101];
    announce(block);
    write_to(block);
    take_many();
}

/* fn, in a child, must be stopped by one line about the block that it has announced. */
static void check_stopped(void (*fn)(void), const char *name)
{
    struct child_end end;
    run_child(fn, &end);
    const char *begin = strstr(end.error, "expected: ");
    const char *line = strstr(end.error, "molt: error: write after free: ");
    size_t length = begin ? strcspn(begin + 10, "\n") : 0;
    CHECK_MSG(ended_by(&end, SIGABRT) && line && length > 0 &&
                  memcmp(line + 31, begin + 10, length) == 0 && lines_with(&end, "molt: ") == 1,
              "%s, %zu bytes, %#jx: status 0x%x, stderr: %s", name, size, (uintmax_t)word,
              (unsigned)end.status, end.error);
}

#define CHECK_STOPPED(fn) check_stopped(fn, #fn)

/* Neither of these damages a link. */
static void harmless(void)
{
    for (size_t bytes = 16; bytes < 20000; bytes = bytes * 3 / 2) {
        char *block = malloc(bytes);
        REQUIRE(block);
        free(block);
        memset(block + 8, 'x', bytes - 8);
        uint64_t link;
        memcpy(&link, opaque(block), sizeof link);
        memcpy(opaque(block), &link, sizeof link);
        CHECK(malloc(bytes) == block);
        fill_bytes(block, bytes, 1);
        free(block);
    }
}

int main(void)
{
    case_watchdog(60);
    case_needs_library();
    void *(*operator_new)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    void *(*const takers[])(size_t) = {malloc, take_zeroed, take_aligned, take_resized,
                                       operator_new};
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) {
        take = takers[i];
        CHECK_STOPPED(written);
    }
    take = malloc;
    for (int i = 0; i < WORDS; i++) {
        word = words[i];
        CHECK_STOPPED(written);
    }
    static const size_t sizes[] = {8, 16, 64, 500, 1024, 1025, 5000, 30000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size = sizes[i];
        CHECK_STOPPED(written);
        CHECK_STOPPED(freed_by_another_thread);
    }
    size = 64;
    CHECK_STOPPED(overrun);
    CHECK_STOPPED(in_another_pool);
    expect_success(harmless);
    return case_end();
}
