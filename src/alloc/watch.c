/* watch.c: the flags. */
#include "watch.h"

uint32_t watch_flags;
