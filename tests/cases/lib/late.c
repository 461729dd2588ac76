/* A library that a program loads late, and which allocates. */
#include <stdlib.h>

void *late_allocate(size_t size);

void *late_allocate(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : "+r"(block)); /* no tail call: this function is to be on the stack */
    return block;
}
