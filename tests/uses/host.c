/* A program that is not linked with molt and uses a library that is. Says whose blocks come from
 * the program's malloc, the library's malloc and the library's molt_malloc. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void *plugin_malloc(size_t size);
void *plugin_molt_malloc(size_t size);
void plugin_molt_free(void *block);
bool plugin_owns(const void *block);

static const char *owner_of(const void *block)
{
    return plugin_owns(block) ? "molt" : "other";
}

int main(void)
{
    void *mine = malloc(20), *its = plugin_malloc(20), *molts = plugin_molt_malloc(20);
    printf("%s %s %s\n", owner_of(mine), owner_of(its), owner_of(molts));
    free(mine);
    free(its);
    plugin_molt_free(molts);
    return 0;
}
