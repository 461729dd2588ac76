/* A small program works in 64 MiB of address space, meets its end politely, and goes on.
 *
 * An allocator that reserves gigabytes at start must do with less (snmalloc, scudo and
 * hardened_malloc abort under `ulimit -v`). At exhaustion: NULL and ENOMEM, nothing lost; what is
 * freed can be had again, in other sizes too. Two threads can start beside it.
 */
// run: ulimit -v 65536
#include "case.h"

/* Blocks are kept in a list through themselves, so that the case itself needs no memory. */
struct link {
    struct link *next;
};

/* Allocates until nothing is left; the bytes that it got. */
static size_t exhaust(size_t size, struct link **list)
{
    size_t got = 0;
    *list = NULL;
    for (;;) {
        errno = 0;
        struct link *block = malloc(size);
        if (!block) {
            CHECK_MSG(errno == ENOMEM, "errno %d at exhaustion by %zu", errno, size);
            return got;
        }
        fill_bytes(block, size, 0x6d);
        block->next = *list;
        *list = block;
        got += size;
    }
}

static void free_list(struct link *list, size_t size)
{
    while (list) {
        struct link *next = list->next;
        CHECK(has_bytes(list + 1, size - sizeof *list, 0x6d));
        free(list);
        list = next;
    }
}

static size_t exhaust_and_free(size_t size)
{
    struct link *list;
    size_t got = exhaust(size, &list);
    CHECK_MSG(got >= 20 * MIB, "only %zu bytes in blocks of %zu", got, size);
    free_list(list, size);
    return got;
}

/* With nothing left every way of asking fails, and what lives is unharmed. */
static void fail_in_every_way(void)
{
    const size_t too_much = 45 * MIB; /* more than is left, whatever was kept in reserve */
    char *text = malloc(1000);
    REQUIRE(text);
    fill_bytes(text, 1000, 3);
    struct link *large, *medium, *small;
    exhaust(MIB, &large);
    exhaust(64 * KIB, &medium);
    exhaust(64, &small);
    errno = 0;
    CHECK(calloc(1, opaque_size(too_much)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(opaque(text), too_much) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(MIB, too_much) == NULL && errno == ENOMEM);
    void *pointer = text;
    CHECK(posix_memalign(&pointer, 65536, too_much) == ENOMEM && pointer == text);
    CHECK(has_bytes(text, 1000, 3));
    free(text);
    free_list(large, MIB);
    free_list(medium, 64 * KIB);
    free_list(small, 64);
}

static void *small_thread(void *argument)
{
    free(malloc(100));
    free(malloc(100000));
    return argument;
}

/* Their stacks, 8 MiB each, need address space that the allocator may not take. */
static void two_threads(void)
{
    pthread_t a = thread_start(small_thread, NULL), b = thread_start(small_thread, NULL);
    thread_join(a);
    thread_join(b);
}

static void small_program(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    REQUIRE(file);
    for (int i = 0; i < 10000; i++)
        CHECK(fprintf(file, "%d\n", i) > 0);
    CHECK(fclose(file) == 0 && size == 48890);
    free(text);
}

int main(void)
{
    case_watchdog(60);
    small_program();
    two_threads();
    size_t first = exhaust_and_free(64 * KIB);
    size_t again = exhaust_and_free(64 * KIB);
    CHECK_MSG(again >= first / 10 * 9, "first %zu, again %zu", first, again);
    exhaust_and_free(100);
    exhaust_and_free(MIB);
    exhaust_and_free(5000);
    fail_in_every_way();
    small_program();
    return case_end();
}
