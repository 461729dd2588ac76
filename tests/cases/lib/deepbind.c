/* The plugin of deepbind.c: whatever malloc it is bound to, by name. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void *plugin_allocate(size_t size);
void *plugin_resize(void *block, size_t size);
void plugin_release(void *block);
char *plugin_duplicate(const char *text);
void *plugin_open_sibling(const char *name, int flags);

void *plugin_allocate(size_t size)
{
    return malloc(size);
}

void *plugin_resize(void *block, size_t size)
{
    return realloc(block, size);
}

void plugin_release(void *block)
{
    free(block);
}

char *plugin_duplicate(const char *text)
{
    return strdup(text);
}

/* dlopen looks along the RUNPATH of the library that calls it: not as a tail call. */
void *plugin_open_sibling(const char *name, int flags)
{
    void *volatile handle = dlopen(name, flags);
    return handle;
}
