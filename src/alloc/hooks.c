/* hooks.c: the table. */
#include "hooks.h"

struct hooks hooks;
