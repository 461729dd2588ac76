/* edits.h: how far a name is from another one: a mistyped name is near to what was meant. */
#ifndef BASE_EDITS_H
#define BASE_EDITS_H

#include <stddef.h>

/* Returns how many bytes have to be added, removed or replaced to make one of the other; SIZE_MAX
 * if `b` has more than 31. */
size_t edits_between(const char *a, size_t a_length, const char *b);

#endif
