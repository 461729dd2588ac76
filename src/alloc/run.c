/* run.c: sizes in bytes above, pages below. */
#include "run.h"

#include "arena.h"

#include "os/os.h"

void *run_alloc(size_t size, size_t alignment, bool zero)
{
    size_t page = os_page_bytes();
    size_t pages = os_round_to_pages(size == 0 ? 1 : size) >> os_page_shift;
    return (void *)arena_take_run(pages, alignment < page ? page : alignment, zero);
}

size_t run_bytes(const void *p)
{
    return arena_run_pages(p) << os_page_shift;
}

void run_free(void *run)
{
    arena_release_run((uintptr_t)run);
}

bool run_resize(void *run, size_t size)
{
    return arena_resize_run((uintptr_t)run, os_round_to_pages(size) >> os_page_shift);
}
