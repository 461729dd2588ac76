/* failure.h: what the models of objects share. A failure ends the program with one line that says
 * how to come to the same place again. */
#ifndef MODEL_FAILURE_H
#define MODEL_FAILURE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Kept by the program. */
static struct {
    const char *part;
    uint64_t seed;
    size_t step;
} place = {.part = "start"};

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s, seed %" PRIu64 ", step %zu: ", place.part, place.seed, place.step);
    vprintf(format, arguments);
    printf("\n0 passed, 1 failed\n");
    va_end(arguments);
    fflush(stdout);
    _Exit(1);
}

#define REQUIRE(condition, ...) \
    do {                        \
        if (!(condition))       \
            fail(__VA_ARGS__);  \
    } while (0)

static inline uint32_t random_below(uint64_t *state, uint32_t end)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % end;
}

/* The number that an option is given as; without one, usage and the end. */
static inline unsigned long option_number(const char *text, const char *usage)
{
    char *end;
    unsigned long number = text == NULL ? 0 : strtoul(text, &end, 0);
    if (text == NULL || *text == '\0' || *end != '\0') {
        fprintf(stderr, "usage: %s\n", usage);
        exit(2);
    }
    return number;
}

#endif
