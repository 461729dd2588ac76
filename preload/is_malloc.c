/* is_malloc.c: whether the program's malloc is this library's. The library may see another malloc
 * than the program does: a plugin that is opened with RTLD_DEEPBIND sees its own names first. So
 * the malloc that the program sees is asked for a block, and the heap says whether that is one of
 * its own. */
#include "molt.h"

#include "alloc/malloc.h" // malloc_has_block

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdlib.h>

HIDDEN void *own_dlopen(const char *path, int flags);
extern HIDDEN const char own_malloc[];

struct view {
    void *(*allocate)(size_t size);
    void (*release)(void *block);
};

/* Whether this library has been linked into the program: then its references are bound as the
 * program's. */
static bool is_in_program(const void *program)
{
    Dl_info info;
    const struct link_map *own = NULL;
    return program == NULL ||
           (dladdr1(own_malloc, &info, (void **)&own, RTLD_DL_LINKMAP) != 0 && own == program);
}

/* Returns the malloc and the free that the program sees. A static program has no handle. */
static struct view programs_view(void)
{
    struct view view = {malloc, free};
    void *program = own_dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD);
    if (!is_in_program(program)) {
        view.allocate = (void *(*)(size_t))dlsym(program, "malloc");
        view.release = (void (*)(void *))dlsym(program, "free");
    }
    return view;
}

/* Asks the program's malloc for a block: *is_ours says whose it was. False: it gave none. */
static bool ask_for_block(bool *is_ours)
{
    struct view view = programs_view();
    void *block = view.allocate(1);
    if (block == NULL)
        return false;
    *is_ours = malloc_has_block(block);
    view.release(block);
    return true;
}

bool molt_is_malloc(void)
{
    enum { UNKNOWN, NO, YES };
    static _Atomic int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == UNKNOWN) {
        int saved = errno;
        bool is_ours = false;
        if (ask_for_block(&is_ours)) {
            answer = is_ours ? YES : NO;
            atomic_store_explicit(&known, answer, memory_order_relaxed);
        }
        errno = saved;
    }
    return answer == YES;
}
