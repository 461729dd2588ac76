/* block.c: the constants of all lists. */
#include "block.h"

uintptr_t block_key;
const struct block block_end = {.link = 0};
