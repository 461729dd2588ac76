#define PLUGIN_TEXT "plugin b"
#include "profiled_a.c"
