/* Vectors that grow and shrink keep their content, wherever they live.
 *
 * One grows by appending from 16 bytes to 256 MiB: through size classes, runs and mappings of its
 * own, by factor and page by page; others grow side by side so that none can grow in place. A
 * block that shrinks gives its memory back, and one that grows by mremap takes no second copy.
 */
#include "case.h"

static void fill_words(uint32_t *words, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        words[i] = (uint32_t)(i * 2654435761u);
}

static bool has_words(const uint32_t *words, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (words[i] != (uint32_t)(i * 2654435761u))
            return false;
    }
    return true;
}

/* Grows to `new_count`: the words that stay are looked at, the new ones are written. */
static uint32_t *resized(uint32_t *words, size_t old_count, size_t new_count)
{
    words = realloc(words, new_count * sizeof *words);
    REQUIRE(words);
    size_t kept = old_count < new_count ? old_count : new_count;
    CHECK_MSG(has_words(words, 0, kept), "content lost from %zu to %zu words", old_count,
              new_count);
    fill_words(words, kept, new_count);
    return words;
}

static void grow_by_factor(size_t last_count)
{
    uint32_t *words = NULL;
    size_t count = 0;
    size_t rss = rss_bytes();
    while (count < last_count) {
        size_t next = count + count / 2 + 4;
        words = resized(words, count, next);
        count = next;
    }
    size_t full = growth(rss, rss_bytes());
    CHECK_MSG(full < count * sizeof *words * 2, "a vector of %zu takes %zu", count * sizeof *words,
              full);
    words = resized(words, count, 1000);
    size_t left = growth(rss, rss_bytes());
    CHECK_MSG(left < full / 4, "of %zu bytes %zu stay when the vector shrinks to 4000", full, left);
    free(words);
}

static void grow_page_by_page(void)
{
    uint32_t *words = NULL;
    size_t count = 0;
    for (int i = 0; i < 300; i++) {
        words = resized(words, count, count + 1000);
        count += 1000;
    }
    for (int i = 0; i < 299; i++) {
        words = resized(words, count, count - 1000);
        count -= 1000;
    }
    free(words);
}

/* None has free space behind it for long. */
static void grow_side_by_side(void)
{
    enum { VECTORS = 50 };
    uint32_t *vectors[VECTORS] = {0};
    size_t counts[VECTORS] = {0};
    uint64_t seed = 8;
    for (int i = 0; i < 4000; i++) {
        size_t k = random_between(&seed, 0, VECTORS - 1);
        size_t next = random_between(&seed, 1, counts[k] * 2 + 10);
        next = next < 300000 ? next : 1;
        vectors[k] = resized(vectors[k], counts[k], next);
        counts[k] = next;
    }
    for (int i = 0; i < VECTORS; i++) {
        CHECK(has_words(vectors[i], 0, counts[i]));
        free(vectors[i]);
    }
}

struct passed_vector {
    uint32_t *words;
    size_t count;
};

static void *resize_in_thread(void *argument)
{
    struct passed_vector *vector = argument;
    vector->words = resized(vector->words, vector->count, vector->count * 2 + 5);
    vector->count = vector->count * 2 + 5;
    return NULL;
}

/* Every step in a thread that does not own the block. */
static void grow_across_threads(void)
{
    struct passed_vector vector = {NULL, 0};
    while (vector.count < 8 * MIB)
        in_thread(resize_in_thread, &vector);
    CHECK(has_words(vector.words, 0, vector.count));
    free(vector.words);
}

int main(void)
{
    case_watchdog(60);
    grow_by_factor(64 * MIB);
    grow_page_by_page();
    grow_side_by_side();
    grow_across_threads();
    return case_end();
}
