/* A C program whose globals have the names of the allocator's own, and that has a dlopen, setrlimit
 * and prlimit of its own. */
#include "../case.h"

#include <molt.h>

int options = 1, hooks = 2, table = 3, thread_self = 4, block_key = 5;
int map(int x);
int sort(int x);
int tick(int x);
int trim(int x);

int map(int x)
{
    return x + 1;
}

int sort(int x)
{
    return x + 2;
}

int tick(int x)
{
    return x + 3;
}

int trim(int x)
{
    return x + 4;
}

static int own_calls;

void *dlopen(const char *path, int flags)
{
    (void)path;
    own_calls += flags;
    return NULL;
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    (void)resource;
    own_calls += (int)limit->rlim_cur;
    return 0;
}

int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *limit,
            struct rlimit *old)
{
    (void)pid;
    (void)resource;
    (void)limit;
    (void)old;
    own_calls += 1000;
    return 0;
}

int main(void)
{
    struct rlimit limit = {100, 100};
    dlopen("", 10);
    setrlimit(RLIMIT_CORE, &limit);
    prlimit(0, RLIMIT_CORE, &limit, NULL);
    CHECK(own_calls == 1110);
    CHECK(options + hooks + table + thread_self + block_key == 15);
    CHECK(map(0) + sort(0) + tick(0) + trim(0) == 10);
    for (size_t size = 1; size < 10 * MIB; size *= 3) {
        void *block = opaque(malloc(size));
        CHECK(block && molt_owns(block));
        block = opaque(realloc(block, 2 * size));
        CHECK(block && molt_owns(block));
        free(block);
    }
    return case_end();
}
