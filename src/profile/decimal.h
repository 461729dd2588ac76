/* decimal.h: numbers that stand as text in memory which others may read at any time.
 *
 *     0 0 0 0 0 0 0 0 0 0 0 4 7 1 | :        a cell: 16 bytes, aligned to 16
 *     14 digits                   two others, which stay
 *
 * A cell changes by one compare-and-swap of all its bytes. So any thread may change it at any time,
 * no change gets lost, and wherever a thread or the process is stopped the cell has a number of one
 * moment.
 *
 * A line that readers are to skip while its first number is 0 has a # in place of that number's
 * first digit then. */
#ifndef PROFILE_DECIMAL_H
#define PROFILE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

enum { DECIMAL_BYTES = 16, DECIMAL_DIGITS = 14 };

/* Add `number` to a cell, subtract it, or make the cell that number. A cell has 0 to 10^14 - 1, and
 * counts modulo 10^14. */
void decimal_add(char *cell, uint64_t number);
void decimal_subtract(char *cell, uint64_t number);
void decimal_set(char *cell, uint64_t number);

/* The same of a cell that has a # while it is 0. */
void decimal_add_hiding(char *cell, uint64_t number);
void decimal_subtract_hiding(char *cell, uint64_t number);

#endif
