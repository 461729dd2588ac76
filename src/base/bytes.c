/* bytes.c: the library's own memcpy, memset and their like.
 *
 * A program or a preloaded library may define these names, and its versions may log, lock or
 * allocate: they must not be entered from inside malloc. The definitions here are hidden, so every
 * call in this library binds to them, also those that the compiler makes up. What the compiler
 * expands in place it still does.
 *
 * A range is moved in pieces of one width. If its length is no multiple of that the last two pieces
 * overlap, so there is no loop over single bytes. Long ranges are moved by the processor's own
 * instruction. Functions that are never in a hurry are plain C. */
#include "attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h> // bcmp
#if defined(__x86_64__)
#include <sys/platform/x86.h> // CPU_FEATURE_ACTIVE
#endif

/* Types for loads and stores of so many bytes at any place in memory, whatever type lies there. */
typedef uint16_t two __attribute__((may_alias, aligned(1)));
typedef uint32_t four __attribute__((may_alias, aligned(1)));
typedef uint64_t eight __attribute__((may_alias, aligned(1)));
typedef uint64_t sixteen __attribute__((vector_size(16), may_alias, aligned(1)));
typedef uint64_t wide __attribute__((vector_size(32), may_alias, aligned(1)));

#define AT(type, address) (*(type *)(address))
#define FROM(type, address) (*(const type *)(address))

/* Hides from the compiler what a loop amounts to: else it would replace the loop by a call of the
 * very function that the loop is in. */
#define KEEP_LOOP(p) __asm__("" : "+r"(p))

/* From this length on the processor's own instruction is as fast as a loop or faster. */
#define LONG_FROM 3072

/* ---- Two widths ---- */

/* On x86-64 the loops are compiled twice: for registers of 32 bytes, where the processor has them,
 * and for those of 16. The loader has found out which it has. A constructor asks the loader, since
 * nothing on the way to memory may call anybody. */
#if defined(__x86_64__)
#define FOR_WIDE __attribute__((target("avx"), noinline))

HIDDEN bool bytes_are_wide; /* tests clear it */

__attribute__((constructor)) static void find_wide(void)
{
    bytes_are_wide = CPU_FEATURE_ACTIVE(AVX);
}
#else
#define FOR_WIDE NOINLINE
#define bytes_are_wide true
#endif

/* ---- Copying ---- */

/* Copies up to 16 bytes, all loaded before the first store. */
static ALWAYS_INLINE void copy_16(char *to, const char *from, size_t n)
{
    if (n >= 8) {
        eight first = FROM(eight, from), last = FROM(eight, from + n - 8);
        AT(eight, to) = first;
        AT(eight, to + n - 8) = last;
    } else if (n >= 4) {
        four first = FROM(four, from), last = FROM(four, from + n - 4);
        AT(four, to) = first;
        AT(four, to + n - 4) = last;
    } else if (n > 0) {
        char first = from[0], middle = from[n / 2], last = from[n - 1];
        to[0] = first;
        to[n / 2] = middle;
        to[n - 1] = last;
    }
}

/* Copies 16 to 32 bytes, all loaded before the first store. */
static ALWAYS_INLINE void copy_32(char *to, const char *from, size_t n)
{
    sixteen first = FROM(sixteen, from), last = FROM(sixteen, from + n - 16);
    AT(sixteen, to) = first;
    AT(sixteen, to + n - 16) = last;
}

/* Copies 32 to 64 bytes, all loaded before the first store. */
static ALWAYS_INLINE void copy_64(char *to, const char *from, size_t n)
{
    wide first = FROM(wide, from), last = FROM(wide, from + n - 32);
    AT(wide, to) = first;
    AT(wide, to + n - 32) = last;
}

/* Copies 64 to 128 bytes, all loaded before the first store. */
static ALWAYS_INLINE void copy_128(char *to, const char *from, size_t n)
{
    wide a = FROM(wide, from), b = FROM(wide, from + 32);
    wide y = FROM(wide, from + n - 64), z = FROM(wide, from + n - 32);
    AT(wide, to) = a;
    AT(wide, to + 32) = b;
    AT(wide, to + n - 64) = y;
    AT(wide, to + n - 32) = z;
}

/* Copies 128 bytes, all loaded before the first store. */
static ALWAYS_INLINE void copy_four(char *to, const char *from)
{
    wide a = FROM(wide, from), b = FROM(wide, from + 32);
    wide c = FROM(wide, from + 64), d = FROM(wide, from + 96);
    AT(wide, to) = a;
    AT(wide, to + 32) = b;
    AT(wide, to + 64) = c;
    AT(wide, to + 96) = d;
}

/* Copies more than 128 bytes upwards; the last 128 are loaded first. */
static ALWAYS_INLINE void copy_fours(char *to, const char *from, size_t n)
{
    char *last = to + n - 128;
    const char *from_last = from + n - 128;
    wide w = FROM(wide, from_last), x = FROM(wide, from_last + 32);
    wide y = FROM(wide, from_last + 64), z = FROM(wide, from_last + 96);
    do {
        copy_four(to, from);
        to += 128;
        from += 128;
        KEEP_LOOP(to);
    } while (to < last);
    AT(wide, last) = w;
    AT(wide, last + 32) = x;
    AT(wide, last + 64) = y;
    AT(wide, last + 96) = z;
}

static NOINLINE void *copy_long(char *to, const char *from, size_t n)
{
    char *start = to;
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
    copy_fours(to, from, n);
#endif
    return start;
}

/* Copies more than 32 bytes upwards: if the ranges overlap and `to` lies below, no store hits what
 * is still to be loaded. */
static ALWAYS_INLINE void *copy_up(char *to, const char *from, size_t n)
{
    if (n <= 64)
        copy_64(to, from, n);
    else if (n <= 128)
        copy_128(to, from, n);
    else if (n < LONG_FROM)
        copy_fours(to, from, n);
    else
        return copy_long(to, from, n);
    return to;
}

static FOR_WIDE void *copy_up_wide(char *to, const char *from, size_t n)
{
    return copy_up(to, from, n);
}

static NOINLINE void *copy_up_narrow(char *to, const char *from, size_t n)
{
    return copy_up(to, from, n);
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    if (n > 32)
        return bytes_are_wide ? copy_up_wide(to, from, n) : copy_up_narrow(to, from, n);
    if (n >= 16)
        copy_32(to, from, n);
    else
        copy_16(to, from, n);
    return to;
}

/* Copies more than 32 bytes downwards, in pieces of 32, then the bytes in front of these, which
 * were loaded first. */
static void copy_down(char *to, const char *from, size_t n)
{
    wide first = FROM(wide, from);
    size_t left = n;
    do {
        left -= 32;
        AT(wide, to + left) = FROM(wide, from + left);
        KEEP_LOOP(left);
    } while (left > 32);
    AT(wide, to) = first;
}

void *memmove(void *to, const void *from, size_t n)
{
    if (n < 16)
        copy_16(to, from, n);
    else if (n <= 32)
        copy_32(to, from, n);
    else if ((uintptr_t)to - (uintptr_t)from < n)
        copy_down(to, from, n);
    else /* `to` lies below `from`, or behind the whole range */
        copy_up_narrow(to, from, n);
    return to;
}

/* ---- Filling ---- */

static ALWAYS_INLINE void fill_16(char *to, uint64_t pattern, size_t n)
{
    if (n >= 8) {
        AT(eight, to) = pattern;
        AT(eight, to + n - 8) = pattern;
    } else if (n >= 4) {
        AT(four, to) = (four)pattern;
        AT(four, to + n - 4) = (four)pattern;
    } else if (n >= 2) {
        AT(two, to) = (two)pattern;
        AT(two, to + n - 2) = (two)pattern;
    } else if (n == 1) {
        *to = (char)pattern;
    }
}

static ALWAYS_INLINE void fill_32(char *to, uint64_t pattern, size_t n)
{
    sixteen piece = {pattern, pattern};
    AT(sixteen, to) = piece;
    AT(sixteen, to + n - 16) = piece;
}

/* Fills more than 32 bytes: both ends, then what lies between them. */
static ALWAYS_INLINE void fill_pieces(char *to, uint64_t pattern, size_t n)
{
    wide piece = {pattern, pattern, pattern, pattern};
    char *end = to + n;
    AT(wide, to) = piece;
    AT(wide, end - 32) = piece;
    if (n <= 64)
        return;
    AT(wide, to + 32) = piece;
    AT(wide, end - 64) = piece;
    if (n <= 128)
        return;
    AT(wide, end - 96) = piece;
    AT(wide, end - 128) = piece;
    /* The first 64 bytes are filled, so up to 31 of them may be filled again: aligned stores are
     * faster. */
    to = (char *)(((uintptr_t)to + 64) & ~(uintptr_t)31);
    for (; to < end - 128; to += 128) {
        AT(wide, to) = piece;
        AT(wide, to + 32) = piece;
        AT(wide, to + 64) = piece;
        AT(wide, to + 96) = piece;
        KEEP_LOOP(to);
    }
}

static ALWAYS_INLINE void fill_long(char *to, uint64_t pattern, size_t n)
{
#if defined(__x86_64__)
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(pattern) : "memory");
#else
    fill_pieces(to, pattern, n);
#endif
}

static ALWAYS_INLINE void fill_up(char *to, uint64_t pattern, size_t n)
{
    if (n < LONG_FROM)
        fill_pieces(to, pattern, n);
    else
        fill_long(to, pattern, n);
}

static FOR_WIDE void *fill_up_wide(void *to, uint64_t pattern, size_t n)
{
    fill_up(to, pattern, n);
    return to;
}

static NOINLINE void *fill_up_narrow(void *to, uint64_t pattern, size_t n)
{
    fill_up(to, pattern, n);
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint64_t pattern = (unsigned char)byte * UINT64_C(0x0101010101010101);
    if (n > 32)
        return bytes_are_wide ? fill_up_wide(to, pattern, n) : fill_up_narrow(to, pattern, n);
    if (n >= 16)
        fill_32(to, pattern, n);
    else
        fill_16(to, pattern, n);
    return to;
}

/* ---- Comparing and searching: names and short texts ---- */

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *left = a, *right = b;
    for (; n >= 8 && FROM(eight, left) == FROM(eight, right); n -= 8) {
        left += 8;
        right += 8;
    }
    for (; n > 0; n--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

/* What the compiler calls instead of a memcmp that is asked for equality alone. */
int bcmp(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n);
}

/* What the compiler calls instead of a strchr in a text of known length. */
void *memchr(const void *bytes, int byte, size_t n)
{
    for (const unsigned char *at = bytes; n > 0; n--, at++)
        if (*at == (unsigned char)byte)
            return (void *)(uintptr_t)at;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end != '\0') {
        end++;
        KEEP_LOOP(end);
    }
    return (size_t)(end - text);
}

static ALWAYS_INLINE int compare_texts(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++)
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

int strncmp(const char *a, const char *b, size_t n)
{
    return compare_texts(a, b, n);
}

int strcmp(const char *a, const char *b)
{
    return compare_texts(a, b, SIZE_MAX);
}

/* Returns where the byte first stands in the text, or NULL. */
static ALWAYS_INLINE const char *find_byte(const char *text, char byte)
{
    for (; *text != byte; text++)
        if (*text == '\0')
            return NULL;
    return text;
}

char *strchr(const char *text, int byte)
{
    return (char *)(uintptr_t)find_byte(text, (char)byte);
}

char *strrchr(const char *text, int byte)
{
    const char *found = NULL;
    do
        if (*text == (char)byte)
            found = text;
    while (*text++ != '\0');
    return (char *)(uintptr_t)found;
}

/* Returns the length of the text's first part whose bytes are all in the set (`inside`), or all not
 * in it. */
static ALWAYS_INLINE size_t span(const char *text, const char *set, bool inside)
{
    size_t length = 0;
    while (text[length] != '\0' && (find_byte(set, text[length]) != NULL) == inside)
        length++;
    return length;
}

size_t strspn(const char *text, const char *set)
{
    return span(text, set, true);
}

size_t strcspn(const char *text, const char *set)
{
    return span(text, set, false);
}
