/* holder.h: the report on the stacks whose live blocks hold what is free in pools.
 *
 *   holders: 12 stacks hold 80 % of 5.1 MiB free in pools
 *   holder: 1258291 bytes (24 %): 340 blocks of 48 bytes, the oldest 3600.0 s old, half of them
 *       12.5 s or older, allocated at:
 *       /usr/bin/program+0x1185
 *   …
 *
 * A pool's memory serves other sizes, or goes back to the OS, when the last of its blocks is freed.
 * Until then each of its live blocks is said to hold an equal share of its free blocks, those left
 * out that are in holes (alloc/hole.h) and have no memory:
 *
 *     held(block) = free bytes of its pool / live blocks of its pool
 *
 * Where all blocks are recorded, these are added up for each stack. What is left is held by blocks
 * that were allocated before, or lies in pools in which nothing lives.
 *
 * A sampled block lies in a pool that no thread owns (alloc/sampled.h), and says nothing of that.
 * But its record names its home: the pool that malloc was about to take a block from. Blocks are
 * sampled independently of each other, so those that were sampled are spread over homes as all
 * others are over their pools, and a sample stands for `weight` blocks that see the same:
 *
 *     held(sample) = weight * free bytes of its home / (live blocks of its home + 1)
 *
 * The 1 is the block itself. A home that is gone by now had no other live block, so the sample
 * would hold it alone: it counts as a pool of the class with one live block has on average, or as a
 * page where there is none. (A pool of the class that has come in the place of a home is taken for
 * it.) In each size class the estimates are scaled to what is known exactly: they add up to the
 * free bytes of the class's pools that have live blocks; times the part of the live blocks that the
 * samples stand for, where these are fewer by more than chance: other blocks are older than the
 * profile. */
#ifndef PROFILE_HOLDER_H
#define PROFILE_HOLDER_H

/* Writes the report. 0, or errno, as molt_profile_holders (molt.h). */
int holder_report(int fd);

#endif
