/* Says whose block it gets: from malloc, which it refers to; with -DNO_REFERENCE from libc's
 * strdup. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool molt_owns(const void *p) __attribute__((weak));

int main(int count, char **arguments)
{
#ifdef NO_REFERENCE
    char *block = strdup(arguments[count - 1]);
#else
    char *block = malloc(20 + strlen(arguments[count - 1]));
#endif
    puts(molt_owns && molt_owns(block) ? "molt" : "other");
    return block == NULL;
}
