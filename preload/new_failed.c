/* new_failed.c: finding the C++ library, and doing without one.
 *
 * libstdc++'s form tries malloc again, runs the new-handler, and throws or returns NULL; exceptions
 * pass through here, since all is compiled with -fexceptions. It stands behind ours in the
 * program's order. Where the program is C and a plugin brings the library along, it stands in the
 * plugin's own order. Where it is linked into the program (-static-libstdc++), it is none of its
 * operators that the program holds, only what it uses else; of that the linker exports what is
 * named here. */
#include "new_failed.h"

#include "base/report.h" // report_fatal

#include <dlfcn.h>
#include <stdlib.h>

typedef void new_handler(void);

/* The C++ library's, as far as the program has them. */
#define WEAK __attribute__((weak))
extern WEAK new_handler *get_new_handler(void) __asm__("_ZSt15get_new_handlerv");
extern WEAK void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv");
extern WEAK void *allocate_exception(size_t bytes) __asm__("__cxa_allocate_exception");
extern WEAK void throw_exception(void *exception, const void *type,
                                 void (*destroy)(void *)) __asm__("__cxa_throw");
extern WEAK const char bad_alloc_type[] __asm__("_ZTISt9bad_alloc");
extern WEAK const void *const bad_alloc_table[] __asm__("_ZTVSt9bad_alloc");
extern WEAK void bad_alloc_destroy(void *exception) __asm__("_ZNSt9bad_allocD1Ev");

/* The definition that the caller's library has, by itself or by those that it needs. */
static void *callers_definition(const char *name, const void *caller)
{
    Dl_info info;
    if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
        return NULL;
    void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL)
        return NULL;
    void *definition = dlsym(library, name);
    dlclose(library); /* stays loaded: the caller is in it */
    return definition != dlsym(RTLD_DEFAULT, name) ? definition : NULL; /* not ours again */
}

const void *new_next_definition(struct new_form *form, const void *caller)
{
    const void *next = atomic_load_explicit(&form->next, memory_order_relaxed);
    if (next != NULL)
        return next;
    next = dlsym(RTLD_NEXT, form->name);
    if (next == NULL) /* not kept: a plugin may go */
        return callers_definition(form->name, caller);
    atomic_store_explicit(&form->next, next, memory_order_relaxed);
    return next;
}

void *new_call(const void *definition, const struct new_form *form, size_t size, size_t alignment)
{
    typedef void *plain_function(size_t size, const char *nothrow);
    typedef void *aligned_function(size_t size, size_t alignment, const char *nothrow);
    static const char nothrow; /* a form that throws does not read it */
    return form->aligned ? ((aligned_function *)definition)(size, alignment, &nothrow)
                         : ((plain_function *)definition)(size, &nothrow);
}

static void throw_or_end(void)
{
    if (throw_bad_alloc != NULL)
        throw_bad_alloc();
    if (allocate_exception != NULL && throw_exception != NULL && bad_alloc_destroy != NULL) {
        const void **exception = allocate_exception(sizeof(void *));
        exception[0] = &bad_alloc_table[2];
        throw_exception(exception, bad_alloc_type, bad_alloc_destroy);
    }
    report_fatal("out of memory in operator new, and no C++ library to throw bad_alloc");
}

/* What libstdc++'s form would do. */
static void *handle(const struct new_form *form, size_t size, size_t alignment)
{
    new_handler *handler;
    while (get_new_handler != NULL && (handler = get_new_handler()) != NULL) {
        handler();
        void *block = form->aligned ? aligned_alloc(alignment, size) : malloc(size);
        if (block != NULL)
            return block;
    }
    if (!form->nothrow)
        throw_or_end();
    return NULL;
}

COLD void *new_failed(struct new_form *form, size_t size, size_t alignment, const void *caller)
{
    const void *next = new_next_definition(form, caller);
    return next != NULL ? new_call(next, form, size, alignment) : handle(form, size, alignment);
}
