/* A library that is linked with -lmolt: blocks of malloc and of molt_malloc. */
#include "molt.h"

#include <stdlib.h>

void *plugin_malloc(size_t size)
{
    return malloc(size);
}

void *plugin_molt_malloc(size_t size)
{
    return molt_malloc(size);
}

void plugin_molt_free(void *block)
{
    molt_free(block);
}

bool plugin_owns(const void *block)
{
    return molt_owns(block);
}
