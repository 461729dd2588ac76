/* bits.h: ranges [first, end) of bits in an array of 64-bit words. Positions count from bit 0 of
 * word 0; the caller keeps every range inside the array. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

/* The bits of word `word` that lie in [first, end). */
static inline uint64_t bits_mask(unsigned word, unsigned first, unsigned end)
{
    unsigned low = first > word * 64 ? first - word * 64 : 0;
    unsigned high = end < word * 64 + 64 ? end - word * 64 : 64;
    return high <= low ? 0 : (~UINT64_C(0) >> (64 - (high - low))) << low;
}

static inline void bits_set(uint64_t *words, unsigned first, unsigned end)
{
    for (unsigned w = first / 64; w * 64 < end; w++)
        words[w] |= bits_mask(w, first, end);
}

static inline void bits_clear(uint64_t *words, unsigned first, unsigned end)
{
    for (unsigned w = first / 64; w * 64 < end; w++)
        words[w] &= ~bits_mask(w, first, end);
}

static inline unsigned bits_count(const uint64_t *words, unsigned first, unsigned end)
{
    unsigned count = 0;
    for (unsigned w = first / 64; w * 64 < end; w++)
        count += (unsigned)__builtin_popcountll(words[w] & bits_mask(w, first, end));
    return count;
}

static inline bool bits_test(const uint64_t *words, unsigned position)
{
    return words[position / 64] >> (position % 64) & 1;
}

/* The first bit at or after `from` that equals `value`; `end` if there is none before it. */
static inline unsigned bits_find(const uint64_t *words, bool value, unsigned from, unsigned end)
{
    for (unsigned w = from / 64; w * 64 < end; w++) {
        uint64_t word = (value ? words[w] : ~words[w]) & bits_mask(w, from, end);
        if (word != 0)
            return w * 64 + (unsigned)__builtin_ctzll(word);
        from = (w + 1) * 64;
    }
    return end;
}

#endif
