/* A live block may hold any bytes, also those that a free block of its own pool holds: no call
 * takes it for freed, and its free does free it.
 *
 * Programs carry such bytes without knowing: they copy structures whose padding nobody has written,
 * move the unwritten part of a buffer to its front, read past the end of a string. Memory that
 * served smaller blocks before is full of their links.
 */
#include "case.h"
#include <malloc.h>

#define COUNT 32

static const size_t sizes[] = {8, 16, 24, 32, 48, 64, 80, 128, 336, 1000, 1024, 4096, 12000, 30000};

#define SIZES (sizeof sizes / sizeof *sizes)

static void *allocate(size_t size)
{
    void *block = malloc(size);
    REQUIRE(block);
    return block;
}

/* ---- Words of free blocks: what a dangling pointer reads --------------------------------- */

struct words {
    uintptr_t word[COUNT];
    size_t size; /* of the blocks that held them */
};

static void free_all(void **blocks)
{
    for (int i = 1; i < COUNT; i += 2)
        free(blocks[i]);
}

static void *free_all_thread(void *blocks)
{
    free_all(blocks);
    return NULL;
}

static void *allocate_and_free_thread(void *argument)
{
    void **blocks = argument;
    size_t size = (size_t)(uintptr_t)blocks[0];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = allocate(size);
    free_all(blocks);
    return NULL;
}

/* Every other one is freed, so that no page goes back to the system; then all are read. */
static void freed_by_owner(void **blocks, size_t size)
{
    for (int i = 0; i < COUNT; i++)
        blocks[i] = allocate(size);
    free_all(blocks);
}

static void freed_by_other(void **blocks, size_t size)
{
    for (int i = 0; i < COUNT; i++)
        blocks[i] = allocate(size);
    in_thread(free_all_thread, blocks);
}

static void owner_gone(void **blocks, size_t size)
{
    blocks[0] = (void *)(uintptr_t)size;
    in_thread(allocate_and_free_thread, blocks);
}

static void collect_words(void (*free_some)(void **, size_t), size_t size, struct words *words)
{
    void *blocks[COUNT];
    free_some(blocks, size);
    words->size = size;
    for (int i = 0; i < COUNT; i++)
        words->word[i] = *(volatile uintptr_t *)opaque(blocks[i]);
}

/* ---- Calls on a live block --------------------------------------------------------------- */

static void fill_words(void *block, size_t size, uintptr_t word)
{
    for (size_t i = 0; i < size / sizeof word; i++)
        ((uintptr_t *)block)[i] = word;
}

static bool has_words(const void *block, size_t size, uintptr_t word)
{
    for (size_t i = 0; i < size / sizeof word; i++)
        if (((const uintptr_t *)block)[i] != word)
            return false;
    return true;
}

static void free_it(void *block, size_t size, uintptr_t word)
{
    (void)size, (void)word;
    free(block);
}

static void *free_thread(void *block)
{
    free(block);
    return NULL;
}

static void free_elsewhere(void *block, size_t size, uintptr_t word)
{
    (void)size, (void)word;
    in_thread(free_thread, block);
}

static void ask_usable_size(void *block, size_t size, uintptr_t word)
{
    CHECK(malloc_usable_size(block) >= size);
    CHECK(has_words(block, size, word));
    free(block);
}

static void reallocate_to(void *block, size_t size, uintptr_t word, size_t new_size)
{
    void *moved = realloc(block, new_size);
    REQUIRE(moved);
    CHECK(has_words(moved, size < new_size ? size : new_size, word));
    free(moved);
}

static void grow(void *block, size_t size, uintptr_t word)
{
    reallocate_to(block, size, word, 3 * size + 100);
}

static void shrink(void *block, size_t size, uintptr_t word)
{
    reallocate_to(block, size, word, size / 2 + 1);
}

static void keep_size(void *block, size_t size, uintptr_t word)
{
    reallocate_to(block, size, word, size);
}

/* ---- Any word, any call ------------------------------------------------------------------ */

static struct {
    void (*free_some)(void **, size_t);
    void (*call)(void *, size_t, uintptr_t);
} current;

/* The blocks that come next are distinct: none was put on a list twice. */
static void check_distinct(size_t size)
{
    void **blocks[3 * COUNT];
    for (int i = 0; i < 3 * COUNT; i++) {
        blocks[i] = allocate(size);
        *blocks[i] = &blocks[i];
    }
    for (int i = 0; i < 3 * COUNT; i++) {
        CHECK(*blocks[i] == &blocks[i]);
        free(blocks[i]);
    }
}

/* In every word of the block the whole word, then one whose last byte the program has written. */
static void use_words(const struct words *words, size_t size)
{
    for (int i = 0; i < COUNT; i++) {
        for (unsigned byte = 0; byte <= 16; byte++) {
            uintptr_t word = words->word[i];
            if (byte > 0)
                word = (word & ~(uintptr_t)0xff) | byte;
            void *block = allocate(size);
            fill_words(block, size, word);
            current.call(block, size, word);
        }
    }
}

static void all_sizes(void)
{
    struct words words;
    for (size_t i = 0; i < SIZES; i++) {
        collect_words(current.free_some, sizes[i], &words);
        use_words(&words, sizes[i]);
        check_distinct(sizes[i]);
    }
}

static void runs_and_huge(void)
{
    struct words words;
    collect_words(current.free_some, 64, &words);
    for (int i = 0; i < COUNT; i++) {
        size_t size = i % 8 ? 100 * KIB : 5 * MIB;
        void *block = allocate(size);
        fill_words(block, size, words.word[i]);
        current.call(block, size, words.word[i]);
    }
}

/* ---- What is freed goes, whatever it holds ----------------------------------------------- */

static void memory_is_reused(void)
{
    struct words words;
    collect_words(freed_by_owner, 1024, &words);
    size_t before = rss_bytes();
    for (int i = 0; i < 100000; i++) {
        void *block = allocate(1024);
        fill_words(block, 1024, words.word[i % COUNT]);
        free(block);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 16 * MIB, "grew by %zu KiB",
              growth(before, rss_bytes()) / KIB);
}

/* ---- Bytes that nobody has written move to the front of their block ---------------------- */

static void move_to_front(size_t small, size_t large)
{
    enum { BLOCKS = 4096 };
    static void *blocks[BLOCKS];
    size_t smalls = BLOCKS, larges = smalls * small / large;
    for (size_t i = 0; i < smalls; i++)
        blocks[i] = allocate(small);
    for (size_t i = 0; i < smalls; i++)
        free(blocks[i]);
    for (size_t i = 0; i < larges; i++) {
        char *block = blocks[i] = allocate(large);
        size_t words = large / 8;
        memmove(block, block + 8 * (1 + i % (words - 1)), 8);
    }
    for (size_t i = 0; i < larges; i++)
        free(blocks[i]);
}

static void all_pairs(void)
{
    for (size_t i = 0; i < SIZES; i++)
        for (size_t k = i + 1; k < SIZES; k++)
            move_to_front(sizes[i], sizes[k]);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*free_some)(void **, size_t);
    } ways[] = {{"own", freed_by_owner}, {"other", freed_by_other}, {"gone", owner_gone}};
    static const struct {
        const char *name;
        void (*call)(void *, size_t, uintptr_t);
    } calls[] = {{"free", free_it},  {"free elsewhere", free_elsewhere},
                 {"grow", grow},     {"usable size", ask_usable_size},
                 {"shrink", shrink}, {"keep size", keep_size}};
    case_watchdog(70);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
            current.free_some = ways[i].free_some;
            current.call = calls[k].call;
            case_say("words of blocks freed by: %s; call: %s", ways[i].name, calls[k].name);
            expect_success(all_sizes);
            expect_success(runs_and_huge);
        }
    }
    expect_success(memory_is_reused);
    expect_success(all_pairs);
    return case_end();
}
