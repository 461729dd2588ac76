/* block.c: see block.h. */
#include "block.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, STAMP = 8 };

static _Noreturn void wrong(const char *what, uint32_t number, size_t size)
{
    fail(FAIL_RUN, "the allocator is wrong: %s (slot %u, %zu bytes)", what, number, size);
}

/* ---- Stamps: a block of less than two has as much of two as fits ---- */

static uint64_t stamp_of(uint32_t number, size_t size)
{
    uint64_t stamp = (number + UINT64_C(1)) * 0x9e3779b97f4a7c15 + size;

    return stamp ^ stamp >> 29;
}

static void put_stamps(void *block, uint32_t number, size_t size)
{
    const uint64_t stamps[] = {stamp_of(number, size), stamp_of(number, size)};

    if (size >= sizeof stamps) {
        __builtin_memcpy(block, stamps, STAMP);
        __builtin_memcpy((char *)block + size - STAMP, stamps, STAMP);
    } else if (size) {
        memcpy(block, stamps, size);
    }
}

/* Compares the stamps of a block of `size` bytes of which only `kept` are still there. */
static void compare_stamps(const void *block, uint32_t number, size_t size, size_t kept)
{
    const uint64_t stamps[] = {stamp_of(number, size), stamp_of(number, size)};
    size_t head = kept < STAMP ? kept : STAMP;
    bool same;

    if (size < sizeof stamps)
        same = kept == 0 || memcmp(block, stamps, kept) == 0;
    else if (kept < size)
        same = memcmp(block, stamps, head) == 0;
    else
        same = __builtin_memcmp(block, stamps, STAMP) == 0 &&
               __builtin_memcmp((const char *)block + size - STAMP, stamps, STAMP) == 0;
    if (!same)
        wrong("a block was overwritten", number, size);
}

/* ---- Memory ---- */

static void touch(unsigned char *block, size_t from, size_t size)
{
    for (size_t i = from; i < size; i += LINE)
        *(volatile unsigned char *)(block + i) = 1;
}

/* Also checks that all is zero. The exchange lets the first access to a page be a write. */
static void touch_zeros(unsigned char *block, uint32_t number, size_t size)
{
    static const unsigned char zeros[LINE];

    for (size_t i = 0; i < size; i += LINE) {
        size_t length = size - i < LINE ? size - i : LINE;
        unsigned char first = __atomic_exchange_n(block + i, (unsigned char)1, __ATOMIC_RELAXED);
        if (first || memcmp(block + i + 1, zeros, length - 1) != 0)
            wrong("calloc gave memory that is not zero", number, size);
    }
}

static void check_place(const void *block, uint32_t number, size_t size, size_t alignment)
{
    if (!block && size)
        wrong("out of memory", number, size);
    if ((uintptr_t)block & (alignment - 1))
        wrong("a block is not aligned", number, size);
}

/* The least that malloc's blocks are aligned to. */
static size_t natural_alignment(size_t size)
{
    return size >= 16 ? 16 : 8;
}

/* ---- Events ---- */

static void *aligned(size_t alignment, size_t size)
{
    void *block = NULL;

    return posix_memalign(&block, alignment, size) ? NULL : block;
}

void block_allocate(struct slot *slot, uint32_t number, const struct event *event)
{
    size_t size = event->size;
    size_t alignment = natural_alignment(size);
    void *block;

    if (event->kind == TRACE_CALLOC) {
        block = calloc(1, size);
    } else if (event->kind == TRACE_ALIGNED) {
        alignment = event->alignment;
        block = aligned(alignment, size);
    } else {
        block = malloc(size);
    }
    check_place(block, number, size, alignment);
    if (event->kind == TRACE_CALLOC)
        touch_zeros(block, number, size);
    else
        touch(block, 0, size);
    put_stamps(block, number, size);
    slot->block = block;
    slot->size = size;
}

void block_resize(struct slot *slot, uint32_t number, size_t size)
{
    size_t old = slot->size;

    compare_stamps(slot->block, number, old, old);
    void *block = realloc(slot->block, size);
    check_place(block, number, size, natural_alignment(size));
    compare_stamps(block, number, old, old < size ? old : size);
    touch(block, old, size);
    put_stamps(block, number, size);
    slot->block = block;
    slot->size = size;
}

void block_free(struct slot *slot, uint32_t number)
{
    compare_stamps(slot->block, number, slot->size, slot->size);
    free(slot->block);
    slot->block = NULL;
    slot->size = NO_BLOCK;
}

void block_verify(const struct slot *slot, uint32_t number)
{
    compare_stamps(slot->block, number, slot->size, slot->size);
}
