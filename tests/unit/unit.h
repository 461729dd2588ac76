/* unit.h: what the suites share.
 *
 * Check itself allocates with libc's malloc; molt is reached only by its own names. Each test runs
 * in a forked child with a heap of its own, so it finds molt as the process found it at its start:
 * set up, with no block allocated. */
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../patience.h"

/* ck_assert tells the parent process of every call; in long loops only failures are told, by the
 * place and the message. */
#define REQUIRE(condition, ...)        \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Runs the function in a child and keeps what it writes to standard error, NUL-terminated. The wait
 * status; 0 when the function returned. */
int unit_child(void (*function)(void *), void *argument, char *text, size_t size);

/* The function must abort with a message that contains `words`. */
void unit_expect_abort(void (*function)(void *), void *argument, const char *words);

/* The same, of the line "molt: error: " and what the format gives, as far as that goes. */
void unit_expect_error(void (*function)(void *), void *argument, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs the function in a thread and waits for its end. */
void unit_in_thread(void *(*function)(void *), void *argument);

/* Whether the page that p points into has memory behind it. */
bool unit_is_resident(const void *p);

/* How many of the pages of [p, p + bytes) have. */
size_t unit_resident_pages(const void *p, size_t bytes);

/* Untouched memory at a multiple of the alignment. */
char *unit_map_aligned(size_t bytes, size_t alignment);

/* Whether the kernel gives huge pages to those that ask, and only to them; else says that the test
 * is skipped. */
bool unit_has_huge_pages(const char *test);

/* Whether the kernel populates memory on request; else says that the test is skipped. */
bool unit_can_populate(const char *test);

bool unit_is_zero(const void *p, size_t bytes);

/* A pattern that depends on the key; whether it is still there. */
void unit_fill(void *p, size_t bytes, unsigned key);
bool unit_is_filled(const void *p, size_t bytes, unsigned key);

/* The calling thread's heap, a new one if it has none, takes pools of its own from the first block
 * on (registry.h). */
void unit_skip_starts(void);

/* Blocks that the program has, those of objects included. */
size_t unit_live_blocks(void);

/* Numbers that look random and are the same in every run. */
uint32_t unit_random(uint64_t *state);

/* Whether the build watches memory, so that sizes and times say little. */
static inline bool unit_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

#endif
