/* random.h: the random numbers by which blocks are sampled.
 *
 * Sampling marks the bytes of memory: the bytes between two marks are exponentially distributed, so
 * each byte is marked independently of all others, one in `mean`. A block is sampled if any of its
 * bytes is marked:
 *
 *     p(bytes) = 1 - e^(-bytes / mean)
 *
 * So a sampled block stands for 1 / p(bytes) blocks of its size. A mean of 0 or 1 means that every
 * block is sampled, the smallest ones, too. Nothing here has a state of its own: the caller keeps
 * one 64-bit word a thread, of any value; equal words give equal numbers. Any thread, signal
 * handlers too. No function of libm is called. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Returns 64 random bits, and moves the state on. */
uint64_t random_bits(uint64_t *state);

/* Returns an exponentially distributed number with mean 1. It is exact to about 2^-52, and up to 44
 * where 64 bits end: a larger one would come once in 10^19 times. */
double random_exponential(uint64_t *state);

/* Returns how many blocks of `bytes` bytes there are up to the next one that is sampled, that one
 * included: 1 or more, geometrically distributed with p(bytes). UINT64_MAX stands for all numbers
 * that are larger. bytes > 0. */
uint64_t random_geometric(uint64_t *state, size_t bytes, size_t mean);

/* Returns how many blocks of `bytes` bytes a sampled one stands for: 1 / p(bytes), exact to about
 * 2^-50. bytes > 0. */
double random_weight(size_t bytes, size_t mean);

#endif
