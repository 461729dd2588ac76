/* 100,000 short threads at constant RSS.
 *
 * Every thread allocates, frees most of it, and leaves some blocks that main frees after its end.
 * A heap that is not adopted by a later thread, or whose blocks are freed into nowhere, shows as
 * growth: 100,000 times even 100 bytes are more than is allowed here.
 */
#include "case.h"

enum { THREADS = 100000, WARM = 10000, AT_ONCE = 2, LEFT = 3 };

struct legacy {
    void *blocks[LEFT];
};

static void *short_life(void *argument)
{
    struct legacy *legacy = argument;
    size_t sizes[] = {16, 64, 200, 1500};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = malloc(sizes[i]);
        REQUIRE(block);
        block[0] = 1;
        free(block);
    }
    legacy->blocks[0] = malloc(40);
    legacy->blocks[1] = calloc(1, 900);
    legacy->blocks[2] = malloc(6000);
    return NULL;
}

int main(void)
{
    case_watchdog(60);
    pthread_attr_t small_stack;
    REQUIRE(pthread_attr_init(&small_stack) == 0);
    REQUIRE(pthread_attr_setstacksize(&small_stack, 64 * KIB) == 0);
    size_t before = 0;
    double deadline = now_seconds() + 20; /* thousands a second, but not on a busy machine */
    for (int i = 0; i < THREADS && (i <= 2 * WARM || now_seconds() < deadline); i += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        struct legacy legacies[AT_ONCE];
        if (i == WARM)
            before = rss_bytes();
        for (int k = 0; k < AT_ONCE; k++)
            REQUIRE(pthread_create(&threads[k], &small_stack, short_life, &legacies[k]) == 0);
        for (int k = 0; k < AT_ONCE; k++) {
            thread_join(threads[k]);
            for (int n = 0; n < LEFT; n++)
                free(legacies[k].blocks[n]);
        }
    }
    size_t after = rss_bytes();
    CHECK_MSG(growth(before, after) < 6 * MIB, "RSS went from %zu to %zu", before, after);
    return case_end();
}
