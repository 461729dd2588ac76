/* decimal.h: numbers that stand as text in memory which others may read at any time.
 *
 *     0 0 0 0 0 0 0 0 0 0 0 4 7 1 | :        a cell: 16 bytes, aligned to 16
 *     14 digits                   two others, which stay
 *
 * A cell changes by one compare-and-swap of all its bytes. So any thread may change it at any time,
 * no change gets lost, and wherever a thread or the process is stopped the cell has a number of one
 * moment.
 *
 * Where a reader is not to see a line while its first number is 0, the first digit is a # then. */
#ifndef PROFILE_DECIMAL_H
#define PROFILE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

enum { DECIMAL_BYTES = 16, DECIMAL_DIGITS = 14 };

/* Add to a cell, which is of 0 to 10^14 - 1 (modulo that, if it comes to it); take from it; make it
 * `number`. */
void decimal_add(char *cell, uint64_t number);
void decimal_subtract(char *cell, uint64_t number);
void decimal_set(char *cell, uint64_t number);

/* The same of a cell that has a # while it is 0. */
void decimal_add_hiding(char *cell, uint64_t number);
void decimal_subtract_hiding(char *cell, uint64_t number);

#endif
