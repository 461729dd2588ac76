/* vectors.c: arrays that grow by realloc.
 *
 * Each thread appends to several arrays in random turns. Two thirds of them are vectors whose
 * capacity doubles or grows by half when it is full; the others are strings that are resized to
 * their exact length at each append of a few bytes. At a length drawn beforehand an array is done,
 * and a new one begins in its place. As several grow at once, the memory behind one is often taken
 * by another.
 *
 * Bad: realloc always copies, or small steps within a size class cost as much as a move; large
 * vectors are copied where their pages could be moved. Good: steps within a class are all but free.
 *
 * All bytes are compared with what was appended when an array is done. */
#include "workload.h"

#include <string.h>

enum {
    TOTAL_BYTES = 640 << 20, /* appended by all threads */
    ARRAYS = 48,             /* of a thread */
    LENGTH_LEAST = 64,
    VECTOR_MEDIAN = 8192,
    VECTOR_MOST = 4 << 20,
    STRING_MEDIAN = 512,
    STRING_MOST = 32768,
    VECTOR_STEP = 256, /* bytes of one append, at most */
    STRING_STEP = 32,
    VECTOR_START = 32, /* the first capacity */
    PERIOD = 65536,    /* of the pattern that the arrays are filled with */
};

static const double VECTOR_SPREAD = 1.8;
static const double STRING_SPREAD = 1.2;

enum growth { BY_DOUBLING, BY_HALF, EXACT, GROWTHS };

static struct array {
    unsigned char *bytes;
    size_t length;
    size_t capacity;
    size_t limit; /* the length at which it is done */
    size_t phase; /* its contents begin here in the pattern */
    enum growth growth;
} arrays[THREADS_MAX][ARRAYS];

static unsigned char pattern[PERIOD + PERIOD];
static struct sizes vector_lengths;
static struct sizes string_lengths;

static void array_begin(struct worker *worker, struct array *array)
{
    bool string = array->growth == EXACT;
    array->limit = sizes_next(string ? &string_lengths : &vector_lengths, worker);
    array->phase = random_below(worker, PERIOD);
}

static void array_end(struct worker *worker, struct array *array)
{
    for (size_t at = 0, length; at < array->length; at += length) {
        length = array->length - at < PERIOD ? array->length - at : PERIOD;
        if (memcmp(array->bytes + at, pattern + (array->phase + at) % PERIOD, length) != 0)
            fail("array %p of %zu bytes was overwritten", (void *)array->bytes, array->length);
    }
    if (array->bytes != NULL)
        count_put(worker, array->capacity);
    free(array->bytes);
    *array = (struct array){.growth = array->growth};
}

static size_t grown_capacity(const struct array *array, size_t needed)
{
    size_t capacity = array->capacity ? array->capacity : VECTOR_START;
    if (array->growth == EXACT)
        return needed;
    while (capacity < needed)
        capacity += array->growth == BY_DOUBLING ? capacity : capacity / 2;
    return capacity;
}

static void array_reserve(struct worker *worker, struct array *array, size_t needed)
{
    size_t capacity = grown_capacity(array, needed);
    array->bytes = realloc(array->bytes, capacity);
    pointer_check(array->bytes, capacity, ALIGNMENT);
    worker->live_bytes -= (int64_t)array->capacity;
    count_get(worker, capacity);
    array->capacity = capacity;
}

/* Returns the bytes appended. */
static size_t array_append(struct worker *worker, struct array *array)
{
    size_t step = 1 + random_below(worker, array->growth == EXACT ? STRING_STEP : VECTOR_STEP);
    if (array->length + step > array->capacity)
        array_reserve(worker, array, array->length + step);
    memcpy(array->bytes + array->length, pattern + (array->phase + array->length) % PERIOD, step);
    array->length += step;
    return step;
}

static void append(struct worker *worker)
{
    struct array *mine = arrays[worker->number];
    for (size_t i = 0; i < ARRAYS; i++) {
        mine[i].growth = (enum growth)(i % GROWTHS);
        array_begin(worker, &mine[i]);
    }
    uint64_t total = share(worker, TOTAL_BYTES);
    for (uint64_t appended = 0; appended < total;) {
        struct array *array = &mine[random_below(worker, ARRAYS)];
        appended += array_append(worker, array);
        if (array->length >= array->limit) {
            array_end(worker, array);
            array_begin(worker, array);
        }
    }
}

static void prepare(void)
{
    for (size_t i = 0; i < PERIOD; i++)
        pattern[i] = pattern[i + PERIOD] = (unsigned char)random_next(&main_worker);
    sizes_draw(&vector_lengths, VECTOR_MEDIAN, VECTOR_SPREAD, LENGTH_LEAST, VECTOR_MOST);
    sizes_draw(&string_lengths, STRING_MEDIAN, STRING_SPREAD, LENGTH_LEAST, STRING_MOST);
}

static void run(void)
{
    run_threads(append);
}

static void drop(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        for (size_t j = 0; j < ARRAYS; j++)
            array_end(&workers[i], &arrays[i][j]);
}

const struct workload workload = {.least_threads = 1, .prepare = prepare, .run = run, .drop = drop};
