/* edits.c: Levenshtein's distance. */
#include "edits.h"

#include <stdint.h>
#include <string.h>

/* One row of the table at a time. */
size_t edits_between(const char *a, size_t a_length, const char *b)
{
    size_t b_length = strlen(b);
    size_t row[32];
    if (b_length + 1 > sizeof row / sizeof row[0])
        return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_length];
}
