/* Every name of malloc's family comes from the archive, also in a program that takes only one of
 * them before the C library is searched. */
#include "../case.h"

#include <malloc.h>
#include <molt.h>

static void check(void *block)
{
    CHECK(block && molt_owns(block) && malloc_usable_size(block) >= 100);
    free(block);
}

int main(void)
{
    CHECK(molt_is_malloc());
    check(malloc(100));
    check(calloc(10, 10));
    check(realloc(opaque(NULL), 100));
    check(reallocarray(opaque(NULL), 10, 10));
    check(aligned_alloc(64, 128));
    check(memalign(64, 100));
    check(valloc(100));
    check(pvalloc(100));
    void *block = NULL;
    CHECK(posix_memalign(&block, 64, 100) == 0);
    check(block);
    static const char long_text[150] = {[0 ... 148] = 'x'};
    check(strdup(long_text));
    CHECK(mallinfo2().arena > 0 && mallopt(M_MMAP_MAX, 1) == 1);

    pid_t child = fork();
    if (child == 0)
        _exit(malloc(100) == NULL);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return case_end();
}
