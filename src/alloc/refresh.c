/* refresh.c: the time. */
#include "refresh.h"

uint64_t refresh_at_ms = REFRESH_NEVER;
