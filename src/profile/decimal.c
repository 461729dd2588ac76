/* decimal.c: adding digit by digit, all of them at once. */
#include "decimal.h"

#include "base/attributes.h"

/* A cell as a number: its first byte is the highest one. Digits have a byte each. */
__extension__ typedef unsigned __int128 wide;

#define DIGITS_ALL (((wide)1 << 8 * DECIMAL_DIGITS) - 1)
#define DIGITS_OF(byte) (DIGITS_ALL / 0xff * (byte)) /* all digits, in each this byte */

enum { END_BITS = 8 * (DECIMAL_BYTES - DECIMAL_DIGITS) };

static const uint64_t modulus = 100000000000000; /* 10^DECIMAL_DIGITS */

/* ---- Cells ---- */

static wide swap_bytes(wide value)
{
    return (wide)__builtin_bswap64((uint64_t)value) << 64 |
           __builtin_bswap64((uint64_t)(value >> 64));
}

/* Puts `to` in place of `*from`. False: the cell has something else, which `*from` is now. Both are
 * in the order of memory. This is one instruction, or nearly so, on all processors that Linux runs
 * on; compilers would call a library for it. */
#if defined(__x86_64__)
static bool exchange(char *cell, wide *from, wide to)
{
    uint64_t low = (uint64_t)*from, high = (uint64_t)(*from >> 64);
    bool is_done;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(is_done), "+m"(*(wide *)(void *)cell), "+a"(low), "+d"(high)
                     : "b"((uint64_t)to), "c"((uint64_t)(to >> 64))
                     : "memory");
    *from = (wide)high << 64 | low;
    return is_done;
}
#elif defined(__aarch64__)
static bool exchange(char *cell, wide *from, wide to)
{
    uint64_t low, high, wanted_low = (uint64_t)*from, wanted_high = (uint64_t)(*from >> 64);
    uint32_t failed = 1;
    do {
        __asm__ volatile("ldaxp %0, %1, %2" : "=&r"(low), "=&r"(high) : "Q"(*(wide *)(void *)cell));
        if (low != wanted_low || high != wanted_high)
            break;
        __asm__ volatile("stlxp %w0, %2, %3, %1"
                         : "=&r"(failed), "=Q"(*(wide *)(void *)cell)
                         : "r"((uint64_t)to), "r"((uint64_t)(to >> 64))
                         : "memory");
    } while (failed != 0);
    *from = (wide)high << 64 | low;
    return failed == 0;
}
#else
#error "no exchange of 16 bytes for this architecture"
#endif

/* What the cell has, if it changes meanwhile perhaps a mix, which no exchange takes. */
static wide read_cell(const char *cell)
{
    const uint64_t *halves = (const uint64_t *)(const void *)cell;
    uint64_t low = __atomic_load_n(&halves[0], __ATOMIC_RELAXED);
    return (wide)__atomic_load_n(&halves[1], __ATOMIC_RELAXED) << 64 | low;
}

/* ---- Digits ---- */

static NOINLINE wide digits_of(uint64_t number)
{
    wide digits = 0;
    for (unsigned bit = 0; number != 0 && bit < 8 * DECIMAL_DIGITS; bit += 8, number /= 10)
        digits |= (wide)(number % 10) << bit;
    return digits;
}

/* In a byte that has 0xf6 more, a sum of 10 or more carries into the next byte and is right then;
 * from the others 0xf6 is to be taken again, which they show by their highest bit. */
static wide sum_of(wide a, wide b)
{
    wide sum = (a + b + DIGITS_OF(0xf6)) & DIGITS_ALL;
    return sum - (sum >> 7 & DIGITS_OF(1)) * 0xf6;
}

/* Adds to the cell, or sets it where it is not to be kept. */
static NOINLINE void change(char *cell, wide digits, bool is_kept, bool hides)
{
    const wide hidden = (wide)('#' ^ '0') << (8 * DECIMAL_BYTES - 8);
    wide old = read_cell(cell), changed;
    do {
        wide value = swap_bytes(old);
        if (value >> (8 * DECIMAL_BYTES - 8) == '#')
            value ^= hidden;
        wide before = value >> END_BITS & DIGITS_OF(0xf);
        wide after = is_kept ? sum_of(before, digits) : digits;
        value = (after | DIGITS_OF('0')) << END_BITS | (value & (((wide)1 << END_BITS) - 1));
        if (hides && after == 0)
            value ^= hidden;
        changed = swap_bytes(value);
    } while (!exchange(cell, &old, changed));
}

static wide complement_of(uint64_t number)
{
    return digits_of(modulus - number % modulus); /* its 15th digit is cut off */
}

void decimal_add(char *cell, uint64_t number)
{
    change(cell, digits_of(number), true, false);
}

void decimal_subtract(char *cell, uint64_t number)
{
    change(cell, complement_of(number), true, false);
}

void decimal_set(char *cell, uint64_t number)
{
    change(cell, digits_of(number), false, false);
}

void decimal_add_hiding(char *cell, uint64_t number)
{
    change(cell, digits_of(number), true, true);
}

void decimal_subtract_hiding(char *cell, uint64_t number)
{
    change(cell, complement_of(number), true, true);
}
