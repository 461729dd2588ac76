/* new_failed.c: finding the C++ library, and doing without one.
 *
 * When memory has run out libstdc++'s form of the operator takes over: it tries malloc again, runs
 * the new-handler, and throws or returns NULL. Exceptions pass through the functions here, since
 * everything is compiled with -fexceptions. The form stands behind ours in the program's search
 * order. In a C program of which a plugin brings the library along it stands in the plugin's own
 * order. A program into which the library is linked (-static-libstdc++) does not hold the library's
 * operators, since ours came first, but other parts that it uses; of those the linker exports what
 * is named here. */
#include "new_failed.h"

#include "base/report.h" // report_fatal

#include <dlfcn.h>
#include <stdlib.h>

typedef void new_handler(void);

HIDDEN void *own_dlopen(const char *path, int flags);

/* Parts of the C++ library, NULL where the program lacks them. */
#define WEAK __attribute__((weak))
extern WEAK new_handler *get_new_handler(void) __asm__("_ZSt15get_new_handlerv");
extern WEAK void *allocate_exception(size_t bytes) __asm__("__cxa_allocate_exception");
extern WEAK void throw_exception(void *exception, const void *type,
                                 void (*destroy)(void *)) __asm__("__cxa_throw");
extern WEAK const char exception_type[] __asm__("_ZTISt9exception");
extern WEAK const void *const derived_type_table[] __asm__(
    "_ZTVN10__cxxabiv120__si_class_type_infoE");

/* Returns the definition that the caller's library has, by itself or by the libraries that it
 * needs. */
static void *callers_definition(const char *name, const void *caller)
{
    Dl_info info;
    if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
        return NULL;
    void *library = own_dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL)
        return NULL;
    void *definition = dlsym(library, name);
    dlclose(library); /* it stays loaded: the caller is in it */
    return definition != dlsym(RTLD_DEFAULT, name) ? definition : NULL; /* else ours again */
}

const void *new_next_definition(struct new_form *form, const void *caller)
{
    const void *next = atomic_load_explicit(&form->next, memory_order_relaxed);
    if (next != NULL)
        return next;
    next = dlsym(RTLD_NEXT, form->cxx_name);
    if (next == NULL) /* not remembered: a plugin may be unloaded */
        return callers_definition(form->cxx_name, caller);
    atomic_store_explicit(&form->next, next, memory_order_relaxed);
    return next;
}

void *new_call(const void *definition, const struct new_form *form, size_t size, size_t alignment)
{
    typedef void *plain_function(size_t size, const char *nothrow);
    typedef void *aligned_function(size_t size, size_t alignment, const char *nothrow);
    static const char nothrow; /* a form that throws has no such argument, and does not look */
    return form->aligned ? ((aligned_function *)definition)(size, alignment, &nothrow)
                         : ((plain_function *)definition)(size, &nothrow);
}

/* ---- std::bad_alloc, made by hand: a program that never names it does not hold the class ---- */

static void destroy(void *exception)
{
    (void)exception;
}

static const char *what(const void *exception)
{
    (void)exception;
    return "std::bad_alloc";
}

/* The Itanium ABI's layout of a class that is derived from one other. Two types are the same if
 * their names are. */
struct derived_type {
    const void *const *table;
    const char *name;
    const void *base;
};

struct virtual_table {
    ptrdiff_t offset_to_top;
    const struct derived_type *type;
    void (*destroy[2])(void *exception);
    const char *(*what)(const void *exception);
};

static const struct derived_type bad_alloc_type = {&derived_type_table[2], "St9bad_alloc",
                                                   exception_type};
static const struct virtual_table bad_alloc_table = {0, &bad_alloc_type, {destroy, destroy}, what};

static void throw_bad_alloc(void)
{
    if (allocate_exception == NULL || throw_exception == NULL || derived_type_table == NULL)
        report_fatal("out of memory in operator new, and no C++ library to throw bad_alloc");
    const void **exception = allocate_exception(sizeof(void *));
    *exception = &bad_alloc_table.destroy;
    throw_exception(exception, &bad_alloc_type, destroy);
}

/* Does what libstdc++'s form would do. */
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
        throw_bad_alloc();
    return NULL;
}

COLD void *new_failed(struct new_form *form, size_t size, size_t alignment, const void *caller)
{
    const void *next = new_next_definition(form, caller);
    return next != NULL ? new_call(next, form, size, alignment) : handle(form, size, alignment);
}
