/* code.c: the inline count operations, to be disassembled; prints the header's size. */
#include <molt_object.h>

#include <stdio.h>

void code_retain(void *object);
void code_release(void *object);
void code_retain_known(void *object) __attribute__((nonnull));
void code_release_known(void *object) __attribute__((nonnull));

__attribute__((noinline)) void code_retain(void *object)
{
    molt_retain(object);
}

__attribute__((noinline)) void code_release(void *object)
{
    molt_release(object);
}

/* The object is known not to be NULL, as it is wherever the program has used it before. */
__attribute__((noinline)) void code_retain_known(void *object)
{
    molt_retain(object);
}

__attribute__((noinline)) void code_release_known(void *object)
{
    molt_release(object);
}

int main(void)
{
    code_retain(NULL);
    code_release(NULL);
    printf("{\"figure\": \"header, bytes\", \"value\": %zu}\n", sizeof(molt_object));
    return 0;
}
