/* One of two plugins that differ in nothing but a text: loaded at the same place they have the same
 * return addresses. */
#include <stdlib.h>

#ifndef PLUGIN_TEXT
#define PLUGIN_TEXT "plugin a"
#endif

const char *plugin_text(void);
void *plugin_allocate(size_t size);

const char *plugin_text(void)
{
    return PLUGIN_TEXT;
}

void *plugin_allocate(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block));
    return block;
}
