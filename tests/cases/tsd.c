/* malloc and free in a thread's last moments, and after them.
 *
 * Destructors of thread-specific data run in passes, up to PTHREAD_DESTRUCTOR_ITERATIONS, as long
 * as one sets its key again; afterwards glibc still frees the thread's strerror and dlerror texts.
 * An allocator that gave up the thread's heap in a destructor of its own sees calls after it: it
 * must serve them and not leak a new heap for each (jemalloc #2351). 20,000 threads, constant RSS.
 */
#include "case.h"

enum { KEYS = 4, THREADS = 20000, WARM = 2000 };

static pthread_key_t keys[KEYS];
static int passes[PTHREAD_DESTRUCTOR_ITERATIONS + 1];

struct last_words {
    int pass;
    size_t key;
    char text[100];
};

/* Frees the value, sets another for the next pass, and uses a few sizes on the way. */
static void on_exit_pass(void *value)
{
    struct last_words *old = value;
    __atomic_add_fetch(&passes[old->pass], 1, __ATOMIC_RELAXED);
    struct last_words *next = malloc(sizeof *next);
    REQUIRE(next);
    next->pass = old->pass + 1;
    next->key = old->key;
    if (next->pass < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(keys[old->key], next);
    else
        free(next);
    free(old);
    for (size_t size = 8; size < 3000; size *= 7) {
        unsigned char *block = realloc(calloc(1, size), size * 2);
        REQUIRE(block);
        CHECK(is_zero(block, size));
        free(block);
    }
}

static void *thread_body(void *argument)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct last_words *words = calloc(1, sizeof *words);
        REQUIRE(words);
        words->key = i;
        REQUIRE(pthread_setspecific(keys[i], words) == 0);
    }
    CHECK(strerror(99999) != NULL);                            /* freed after the last pass */
    CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_here") == NULL); /* and the text of dlerror too */
    return argument;
}

int main(void)
{
    case_watchdog(60);
    for (size_t i = 0; i < KEYS; i++)
        REQUIRE(pthread_key_create(&keys[i], on_exit_pass) == 0);
    size_t before = 0;
    int ran = 0;
    double deadline = now_seconds() + 20; /* thousands a second, but not on a busy machine */
    for (; ran < THREADS && (ran <= 2 * WARM || now_seconds() < deadline); ran += 2) {
        if (ran == WARM)
            before = rss_bytes();
        pthread_t a = thread_start(thread_body, NULL), b = thread_start(thread_body, NULL);
        thread_join(a);
        thread_join(b);
    }
    for (int i = 0; i < PTHREAD_DESTRUCTOR_ITERATIONS; i++)
        CHECK_MSG(passes[i] == KEYS * ran, "pass %d ran %d times", i, passes[i]);
    CHECK_MSG(growth(before, rss_bytes()) < 8 * MIB, "RSS went from %zu to %zu", before,
              rss_bytes());
    return case_end();
}
