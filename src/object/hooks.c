/* hooks.c: the table of hooks, empty until the layers above fill it in. */
#include "hooks.h"

struct object_hooks object_hooks;
