/* A plugin that allocates and frees: what error_stacks.cc unloads. */
#include <stdlib.h>

void *plugin_make(size_t size);
void plugin_drop(void *block);
void plugin_again(void *block);

void *plugin_make(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block));
    return block;
}

void plugin_drop(void *block)
{
    free(block);
    __asm__ volatile("");
}

void plugin_again(void *block)
{
    free(block);
    __asm__ volatile("");
}
