/* random.c: uniform, exponential and geometric random numbers, and the functions that they need. */
#include "random.h"

#include "attributes.h"

#include <stdbool.h>

/* After Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): a counter,
 * mixed. All states are equally good, so any word will do as the first one. */
uint64_t random_bits(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

#define LN_2 0.693147180559945309417
#define SQRT_2 1.41421356237309504880

/* The natural logarithm of `mantissa`, which lies in [1, 2):
 *
 *     ln m = 2 artanh s = 2 (s + s^3 / 3 + s^5 / 5 + ...), s = (m - 1) / (m + 1)
 *
 * Halved where it is above the root of 2, m has an s within +-0.172: the first term that is left
 * out is below 2^-57. */
static double log_of_mantissa(double mantissa)
{
    bool is_halved = mantissa > SQRT_2;
    double m = is_halved ? mantissa / 2 : mantissa;
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int power = 21; power >= 1; power -= 2)
        sum = sum * square + 1.0 / power;
    return 2 * s * sum + (is_halved ? LN_2 : 0);
}

/* -ln(u) for u = bits / 2^64. Leading zeros count whole powers of two, the 53 bits behind them are
 * the mantissa: so small u, from which the largest numbers come, are as exact as large ones. */
double random_exponential(uint64_t *state)
{
    uint64_t bits = random_bits(state) | 1;
    int zeros = __builtin_clzll(bits);
    double mantissa = (double)(bits << zeros >> 11) * 0x1p-52;
    return (zeros + 1) * LN_2 - log_of_mantissa(mantissa);
}

/* With E exponential, floor(E / x) is k with the probability of k x <= E < (k + 1) x, which is
 * e^(-k x) (1 - e^-x): k blocks without a mark, then one with. */
uint64_t random_geometric(uint64_t *state, size_t bytes, size_t mean)
{
    if (mean <= 1)
        return 1;
    double blocks = random_exponential(state) * ((double)mean / (double)bytes);
    return LIKELY(blocks < 0x1p63) ? (uint64_t)blocks + 1 : UINT64_MAX;
}

/* 1 - e^-x for 0 < x <= 1/2, by its series: x (1 - x/2 (1 - x/3 (1 - ...))). The first term that is
 * left out is below 2^-60 of the sum. For a tiny x nothing is lost, as 1 minus e^-x would. */
static double one_minus_exp_small(double x)
{
    double sum = 1;
    for (int i = 14; i >= 2; i--)
        sum = 1 - x / i * sum;
    return x * sum;
}

/* 1 - e^-x for x > 0. With d = 1 - e^-x it is 1 - e^-2x = d (2 - d). */
static double one_minus_exp(double x)
{
    if (x > 40) /* then e^-x is less than half of a double's last bit */
        return 1;
    int doublings = 0;
    for (; x > 0.5; x /= 2)
        doublings++;
    double d = one_minus_exp_small(x);
    for (; doublings > 0; doublings--)
        d *= 2 - d;
    return d;
}

double random_weight(size_t bytes, size_t mean)
{
    return mean <= 1 ? 1 : 1 / one_minus_exp((double)bytes / (double)mean);
}
