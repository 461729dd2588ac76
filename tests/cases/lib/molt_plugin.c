/* The plugin of is_malloc.c: it alone is linked with libmolt.so. */
#include <molt.h>
#include <stdlib.h>

bool plugin_is_malloc(void);
void *plugin_allocate(size_t size);
void *plugin_allocate_plainly(size_t size);
void plugin_release(void *block);
size_t plugin_size(const void *block);
bool plugin_owns(const void *block);

bool plugin_is_malloc(void)
{
    return molt_is_malloc();
}

void *plugin_allocate(size_t size)
{
    return molt_malloc(size);
}

/* By the malloc that the plugin sees. */
void *plugin_allocate_plainly(size_t size)
{
    return malloc(size);
}

void plugin_release(void *block)
{
    molt_free(block);
}

size_t plugin_size(const void *block)
{
    return molt_usable_size(block);
}

bool plugin_owns(const void *block)
{
    return molt_owns(block);
}
